/* SPDX-License-Identifier: BSD-2-Clause */
/* bellhop-api: the master. Makes what the workers share and supervises them. */
#include "config.h"

#include "api/gate.h"
#include "api/worker.h"
#include "base/log.h"
#include "store/redis_keys.h"
#include "store/redis_wire.h"

static int check(const struct conf *conf, struct buf *error)
{
	struct redis_target target = {0};
	struct gate gate;

	if (!redis_keys_prefix_is_valid(conf_str(conf, CONF_REDIS_PREFIX))) {
		buf_puts(error, "BELLHOP_REDIS_PREFIX is not a prefix of keys\n");
		return -1;
	}
	if (redis_target_of_conf(conf, CONF_REDIS_URL, &target, error) != 0)
		return -1;
	redis_target_deinit(&target);
	if (gate_load(conf, &gate, error) != 0)
		return -1;
	gate_deinit(&gate);
	return 0;
}

static void reload(void *arg)
{
	struct worker_opts *opts = arg;
	struct conf *old;

	if (startup_reload(opts->startup, &old) == 0)
		conf_free(old);
}

static int serve(struct startup *startup)
{
	const struct conf *conf = startup->conf;
	struct worker_opts opts = {.startup = startup};
	const struct prefork_opts prefork = {
		.n = (int)conf_int(conf, CONF_API_WORKERS),
		.stop_timeout_ms = conf_int(conf, CONF_STOP_TIMEOUT_MS),
		.hang_timeout_ms = startup_hang_timeout_ms(startup),
		.run = worker_run,
		.reload = reload,
		.arg = &opts,
	};
	struct startup_socket socket = {.sock = {.fd = -1}};
	struct buf error = BUF_INIT;
	int status = 1;

	opts.board = mode_new();
	opts.rates = rate_table_new();
	if (opts.board == NULL || opts.rates == NULL) {
		buf_puts(&error, "no shared memory");
		goto out;
	}
	if (startup_listen(startup, conf_str(conf, CONF_API_SOCKET), &socket, &error) != 0)
		goto out;
	opts.peers = socket.peers;
	opts.listen_fd = socket.sock.fd;
	status = prefork_run(&prefork);
out:
	if (!buf_ok(&error) || error.len > 0)
		log_error(NULL, "could not start", LOG_S("reason", buf_str(&error)));
	startup_unlisten(&socket);
	rate_table_free(opts.rates);
	mode_free(opts.board);
	buf_deinit(&error);
	return status;
}

int main(int argc, char **argv)
{
	static const struct startup_program program = {.name = "bellhop-api", .check = check};
	struct startup startup;
	int status = startup_begin(&program, argc, argv, &startup);

	if (status != STARTUP_GO_ON)
		return status;
	status = serve(&startup);
	startup_end(&startup);
	return status;
}
