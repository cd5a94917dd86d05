/* SPDX-License-Identifier: BSD-2-Clause */
/* Options, settings and surroundings of a daemon. */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/confine.h"
#include "base/daemon.h"
#include "base/log.h"
#include "base/startup.h"

/* As BELLHOP_RUN_AS: so it is meant. */
#define STAY_ROOT "root"

static void print_help(const struct startup_program *program, FILE *out)
{
	fprintf(out,
		"usage: %s [-c FILE] [-t]\n"
		"  -c, --config FILE  settings (default " CONF_DEFAULT_PATH ")\n"
		"  -t, --test-config  check the settings and exit\n"
		"  -V, --version      print the version and exit\n"
		"  -h, --help         print this and exit\n"
		"SIGTERM stops, SIGHUP reloads the settings. See %s(8).\n",
		program->name, program->name);
}

/* STARTUP_GO_ON or an exit status. */
static int read_options(struct startup *st, int argc, char **argv, bool *test_only_r)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"test-config", no_argument, NULL, 't'},
		{"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int c;

	*test_only_r = false;
	optind = 1;
	while ((c = getopt_long(argc, argv, "c:tVh", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			st->config_path = optarg;
			break;
		case 't':
			*test_only_r = true;
			break;
		case 'V':
			printf("%s %s\n", st->program->name, BELLHOP_VERSION);
			return 0;
		case 'h':
			print_help(st->program, stdout);
			return 0;
		default:
			print_help(st->program, stderr);
			return 2;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "%s: unexpected argument: %s\n", st->program->name, argv[optind]);
		print_help(st->program, stderr);
		return 2;
	}
	return STARTUP_GO_ON;
}

/* Is there the user of BELLHOP_RUN_AS, if any? */
static int check_user(const struct conf *conf, struct buf *report)
{
	const char *name = conf_str(conf, CONF_RUN_AS);
	struct confine_user user;

	return name[0] == '\0' || strcmp(name, STAY_ROOT) == 0 ? 0
							       : confine_find(name, &user, report);
}

/* The settings, checked by the table and by the program; NULL with the faults in *report. */
static struct conf *load(const struct startup *st, struct buf *report)
{
	struct conf *conf = conf_load(st->config_path, report);

	if (conf != NULL &&
	    (check_user(conf, report) < 0 ||
	     (st->program->check != NULL && st->program->check(conf, report) < 0))) {
		conf_free(conf);
		conf = NULL;
	}
	return conf;
}

static void print_report(const struct startup_program *program, const struct buf *report)
{
	struct str rest = buf_str(report), line;

	while (str_split(&rest, '\n', &line)) {
		if (line.n > 0)
			fprintf(stderr, "%s: %.*s\n", program->name, STR_ARG(line));
	}
}

static void log_report(enum log_level level, const char *text, const struct buf *report)
{
	struct str rest = buf_str(report), line;

	while (str_split(&rest, '\n', &line)) {
		const struct log_field field = LOG_S("reason", line);

		if (line.n > 0)
			log_write(level, NULL, text, &field, 1);
	}
}

/* The table has checked both words. */
static void setup_log(const struct startup *st)
{
	enum log_level level = LOG_LEVEL_INFO;
	enum log_format format = LOG_FORMAT_TEXT;

	log_level_parse(str_of(conf_str(st->conf, CONF_LOG_LEVEL)), &level);
	log_format_parse(str_of(conf_str(st->conf, CONF_LOG_FORMAT)), &format);
	log_setup(st->program->name, level, format);
}

int startup_begin(const struct startup_program *program, int argc, char **argv,
		  struct startup *startup_r)
{
	struct buf report = BUF_INIT;
	bool test_only;
	int status;

	*startup_r = (struct startup){.program = program};
	status = read_options(startup_r, argc, argv, &test_only);
	if (status != STARTUP_GO_ON)
		return status;
	if (confine_dumps() < 0) {
		fprintf(stderr, "%s: could not do without core dumps: %s\n", program->name,
			strerror(errno));
		return 1;
	}
	if (sodium_init() < 0) {
		fprintf(stderr, "%s: could not initialise libsodium\n", program->name);
		return 1;
	}
	startup_r->conf = load(startup_r, &report);
	if (startup_r->conf == NULL || test_only) {
		print_report(program, &report);
		status = startup_r->conf == NULL ? 1 : 0;
		if (status == 0)
			printf("%s: the settings are good\n", program->name);
		startup_end(startup_r);
		goto out;
	}
	setup_log(startup_r);
	log_report(LOG_LEVEL_WARN, "setting ignored", &report);
	signal(SIGPIPE, SIG_IGN);
	daemon_raise_nofile();
out:
	buf_deinit(&report);
	return status;
}

int startup_reload(struct startup *startup, struct conf **old_r)
{
	struct buf report = BUF_INIT;
	struct conf *fresh = load(startup, &report);
	int result = -1;

	if (fresh == NULL || conf_keep_fixed(fresh, startup->conf, &report) < 0) {
		conf_free(fresh);
		log_report(LOG_LEVEL_ERROR, "could not reload the settings, the old ones stay",
			   &report);
		goto out;
	}
	*old_r = startup->conf;
	startup->conf = fresh;
	setup_log(startup);
	log_report(LOG_LEVEL_WARN, "setting ignored", &report);
	log_info(NULL, "settings reloaded");
	result = 0;
out:
	buf_deinit(&report);
	return result;
}

void startup_end(struct startup *startup)
{
	conf_free(startup->conf);
	startup->conf = NULL;
}

int startup_drop_root(const struct startup *startup, struct buf *error)
{
	const char *name = conf_str(startup->conf, CONF_RUN_AS);
	struct buf ignored = BUF_INIT;
	struct confine_user user;
	struct conf *readable;

	if (name[0] == '\0') {
		if (geteuid() == 0)
			log_warn(NULL, "running as root: set BELLHOP_RUN_AS, or start it as "
				       "another user");
		return 0;
	}
	if (strcmp(name, STAY_ROOT) == 0)
		return 0;
	if (confine_find(name, &user, error) < 0 || confine_become(&user, error) < 0)
		return -1;
	readable = load(startup, &ignored);
	if (readable == NULL) {
		buf_printf(error, "as the user %s: %.*s", user.name, STR_ARG(buf_str(&ignored)));
		buf_deinit(&ignored);
		return -1;
	}
	conf_free(readable);
	buf_deinit(&ignored);
	log_info(NULL, "running as", LOG_STR("run_as", user.name));
	return 0;
}

int64_t startup_hang_timeout_ms(const struct startup *startup)
{
	const int64_t timeout_ms = conf_int(startup->conf, CONF_HANG_TIMEOUT_MS);

	if (timeout_ms == 0)
		return 0;
	return timeout_ms + conf_int(startup->conf, CONF_IO_TIMEOUT_MS) + 2 * STARTUP_ALIVE_MS;
}

int startup_listen(const struct startup *startup, const char *path, struct startup_socket *socket_r,
		   struct buf *error)
{
	const struct conf *conf = startup->conf;
	const struct daemon_listen_opts opts = {
		.path = path,
		.mode = (unsigned int)conf_int(conf, CONF_SOCKET_MODE),
		.owner = conf_str(conf, CONF_RUN_AS),
		.group = conf_str(conf, CONF_SOCKET_GROUP),
		.backlog = (int)conf_int(conf, CONF_SOCKET_BACKLOG),
	};

	*socket_r = (struct startup_socket){
		.sock = {.fd = -1},
		.peers = daemon_peers_new(conf_str(conf, CONF_SOCKET_PEERS), error),
	};
	if (socket_r->peers == NULL || daemon_listen(&opts, &socket_r->sock, error) != 0)
		return -1;
	log_info(NULL, "listening", LOG_STR("socket", socket_r->sock.path));
	if (startup_drop_root(startup, error) != 0)
		return -1;
	/* Once more, so that SO_PEERCRED tells who connects whom he is really talking to. */
	if (listen(socket_r->sock.fd, opts.backlog) < 0) {
		buf_printf(error, "could not listen: %s\n", strerror(errno));
		return -1;
	}
	return 0;
}

void startup_unlisten(struct startup_socket *socket)
{
	daemon_close(&socket->sock);
	daemon_peers_free(socket->peers);
	socket->peers = NULL;
}
