/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the daemons do alike before and while they run: options (-c -t -V -h), settings, the log,
 * descriptor limit, SIGPIPE, reload.
 *
 *	static const struct startup_program program = {.name = "bellhop-push", .check = check};
 *	struct startup st;
 *	int status = startup_begin(&program, argc, argv, &st);
 *	if (status != STARTUP_GO_ON)
 *		return status;
 */
#ifndef BELLHOP_BASE_STARTUP_H
#define BELLHOP_BASE_STARTUP_H

#include "base/conf.h"
#include "base/daemon.h"

#define STARTUP_GO_ON -1

struct startup_program {
	const char *name;

	/*
	 * Optional: what the settings table cannot check (does the key ring load?). Used by start,
	 * --test-config and reload. 0, or -1 with lines of reason appended to *error.
	 */
	int (*check)(const struct conf *conf, struct buf *error);
};

struct startup {
	const struct startup_program *program;
	const char *config_path; /* NULL: the default file */
	struct conf *conf;
};

/*
 * Gives up core dumps, reads the options and the settings, opens the log, ignores SIGPIPE, raises the descriptor limit,
 * initialises libsodium. Returns STARTUP_GO_ON, or an exit status: 0 after --help, --version and a
 * good --test-config, 1 for bad settings, 2 for bad usage.
 */
int startup_begin(const struct startup_program *program, int argc, char **argv,
		  struct startup *startup_r);

/*
 * For SIGHUP: reads the settings again and checks them. On success 0: startup->conf is the new one,
 * log level and format are in force, and *old_r is the former, to be freed by the caller once nothing
 * borrows from it. Otherwise -1: all faults are logged, and nothing has changed.
 */
int startup_reload(struct startup *startup, struct conf **old_r);

void startup_end(struct startup *startup);

/*
 * To be called once what only root may do is done: becomes BELLHOP_RUN_AS, and then reads and checks the
 * settings again, since what that user cannot read would only come to light at the next reload. Logs a
 * warning if the process stays root and the setting does not say "root". 0, or -1 with lines of reason appended to *error.
 */
int startup_drop_root(const struct startup *startup, struct buf *error);

/* How often a child with nothing to do gives a sign of life (prefork_alive). */
enum { STARTUP_ALIVE_MS = 1000 };

/*
 * For prefork: how long a child may be silent. A peer may make it wait BELLHOP_IO_TIMEOUT_MS, so that and
 * the pause between two signs come on top of what is set.
 */
int64_t startup_hang_timeout_ms(const struct startup *startup);

/* The socket that a master's children serve, and who may connect to it. */
struct startup_socket {
	struct daemon_socket sock;
	struct daemon_peers *peers;
};

/*
 * Listens as the settings say, `path` being the one of this program's socket, logs it, and calls
 * startup_drop_root(). A socket made here belongs to the user that the process becomes. 0, or -1 with
 * lines of reason appended to *error; startup_unlisten() takes what there is in either case.
 */
int startup_listen(const struct startup *startup, const char *path, struct startup_socket *socket_r,
		   struct buf *error);
void startup_unlisten(struct startup_socket *socket);

#endif
