/* SPDX-License-Identifier: BSD-2-Clause */
/* bellhop-push: the master, which holds the listening socket for the event loop's process. */
#include "config.h"

#include "base/daemon.h"
#include "base/log.h"
#include "base/prefork.h"
#include "base/startup.h"
#include "push/child.h"

/* The master's own copy of the settings serves the children that it starts from then on. */
static void reload(void *arg)
{
	struct child_opts *opts = arg;
	struct conf *old;

	if (startup_reload(opts->startup, &old) == 0)
		conf_free(old);
}

static int serve(struct startup *startup)
{
	const struct conf *conf = startup->conf;
	struct child_opts opts = {.startup = startup};
	const struct prefork_opts prefork = {
		.n = 1,
		.stop_timeout_ms = conf_int(conf, CONF_STOP_TIMEOUT_MS),
		.hang_timeout_ms = startup_hang_timeout_ms(startup),
		.run = child_run,
		.reload = reload,
		.arg = &opts,
	};
	struct startup_socket socket;
	struct buf error = BUF_INIT;
	int status = 1;

	if (startup_listen(startup, conf_str(conf, CONF_PUSH_SOCKET), &socket, &error) != 0)
		goto out;
	opts.listen_fd = socket.sock.fd;
	opts.peers = socket.peers;
	status = prefork_run(&prefork);
out:
	if (error.len > 0)
		log_error(NULL, "could not start", LOG_S("reason", buf_str(&error)));
	startup_unlisten(&socket);
	buf_deinit(&error);
	return status;
}

int main(int argc, char **argv)
{
	static const struct startup_program program = {.name = "bellhop-push",
						       .check = child_check};
	struct startup startup;
	int status = startup_begin(&program, argc, argv, &startup);

	if (status != STARTUP_GO_ON)
		return status;
	status = serve(&startup);
	startup_end(&startup);
	return status;
}
