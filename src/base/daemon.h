/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a daemon has to do with its surroundings: the listening socket it is given or makes, who may
 * connect to it, signals as a file descriptor, and systemd's notification socket (sd_notify(3),
 * spoken directly).
 */
#ifndef BELLHOP_BASE_DAEMON_H
#define BELLHOP_BASE_DAEMON_H

#include <sys/types.h>
#include <time.h>

#include "base/buf.h"

/* ---- the listening socket ---- */

enum daemon_origin {
	DAEMON_FROM_STDIN,   /* fd 0: spawn-fcgi, lighttpd's bin-path */
	DAEMON_FROM_SYSTEMD, /* fd 3: socket activation */
	DAEMON_OWN,	     /* made here */
};

struct daemon_socket {
	int fd; /* non-blocking, close-on-exec */
	enum daemon_origin origin;
	char *path; /* DAEMON_OWN: unlinked by daemon_close() */
	/* What we bound, so as not to unlink a successor's; an inode alone may be used again. */
	dev_t dev;
	ino_t inode;
	struct timespec changed;
	pid_t owner;
};

struct daemon_listen_opts {
	const char *path;  /* of the unix socket, used if none is handed in */
	unsigned int mode; /* as for chmod(2) */
	const char *owner; /* name or number; NULL or "" leaves it */
	const char *group; /* the same */
	int backlog;
};

/*
 * Takes fd 0 if it is a listening stream socket, else fd 3 if LISTEN_PID is us and LISTEN_FDS is 1,
 * else binds opts->path. A socket at the path on which somebody answers is not displaced (it gets a
 * second to go, for a predecessor that is stopping); a stale one is replaced. It never has more
 * rights than `mode`, not for a moment. 0, or -1 with a line of reason appended to *error.
 */
int daemon_listen(const struct daemon_listen_opts *opts, struct daemon_socket *socket_r,
		  struct buf *error);

/* Closes it; the process that made it also unlinks it, if it is still ours. {.fd = -1} is fine. */
void daemon_close(struct daemon_socket *sock);

/* ---- who may connect ---- */

struct daemon_peers;

/*
 * `list` has user names and numeric uids separated by spaces; empty lets everybody in whom the
 * socket's mode lets in. NULL with a reason in *error if a user is unknown.
 */
struct daemon_peers *daemon_peers_new(const char *list, struct buf *error);
void daemon_peers_free(struct daemon_peers *peers);

/*
 * May the peer of this connected socket talk to us? Asks SO_PEERCRED of a unix socket. Root may
 * always; a connection that has no credentials (TCP) may only if the list is empty. peers NULL is an
 * empty list.
 */
bool daemon_peer_allowed(const struct daemon_peers *peers, int fd);

/* ---- signals ---- */

/*
 * Blocks SIGTERM, SIGINT, SIGHUP, SIGUSR2 and SIGCHLD in this process and returns a non-blocking
 * descriptor that is readable when one is pending, or -1 with errno. System calls are never
 * interrupted by them from then on.
 */
int daemon_signals_open(void);

/* The next pending signal, or 0 when there is none left. */
int daemon_signals_next(int signal_fd);

/* ---- systemd ---- */

/* Sends to NOTIFY_SOCKET, e.g. "READY=1"; does nothing where there is none. */
void daemon_notify(const char *state);

/* "RELOADING=1" with the monotonic time that systemd wants beside it. */
void daemon_notify_reloading(void);

/* How often "WATCHDOG=1" is due (half of WATCHDOG_USEC), or 0 where nobody watches. */
int64_t daemon_watchdog_ms(void);

/* ---- resources ---- */

/* Raises RLIMIT_NOFILE to its hard limit; returns what is in force afterwards. */
int64_t daemon_raise_nofile(void);

#endif
