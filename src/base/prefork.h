/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A supervisor: a master that forks n children, keeps their number up, and stops, reloads or replaces
 * them on signals. The master opens no connections and serves nothing, so that it does not die; what
 * the children share (the listening socket, shared memory) is made before prefork_run().
 *
 *	SIGTERM, SIGINT	 children get SIGTERM, those left after stop_timeout_ms get SIGKILL
 *	SIGHUP		 opts->reload in the master, then SIGHUP to every child
 *	SIGUSR2		 each child gets a successor; once that one is ready, the old gets SIGTERM
 *
 * A child that hangs, which is to say that it has not called prefork_alive() for hang_timeout_ms, is
 * killed. So a service manager that watches the master need not know of children.
 *
 * A child that dies is started again, at once the first time, then with a delay that doubles from
 * 100 ms to 5 s while it keeps dying within 10 s. systemd is told when all children are ready.
 */
#ifndef BELLHOP_BASE_PREFORK_H
#define BELLHOP_BASE_PREFORK_H

#include <stdbool.h>
#include <stdint.h>

/* What a child finds when it starts. */
struct prefork_child {
	int index;     /* 0 .. n-1; a successor has the index of the one it replaces */
	int signal_fd; /* daemon_signals_next() on it: SIGTERM, SIGINT → stop, SIGHUP → reload */
	int ready_fd;  /* for prefork_ready() */
	_Atomic(int64_t) *alive_ms; /* for prefork_alive(); shared with the master */
};

struct prefork_opts {
	int n;
	int64_t stop_timeout_ms;
	int64_t hang_timeout_ms; /* longer than anything a child waits for; 0: they may hang */

	/*
	 * The child's whole life, in a fresh process: signals blocked and readable from signal_fd, SIGTERM
	 * sent to it should the master die. Its result is the exit status. It must return within
	 * stop_timeout_ms of SIGTERM, and within 1 s when it has nothing to do.
	 */
	int (*run)(struct prefork_child *child, void *arg);

	/* Optional, in the master. */
	void (*reload)(void *arg);
	/* A child is gone, for whatever reason; `status` as from waitpid(2). */
	void (*gone)(void *arg, int index, int status);

	void *arg;
};

/*
 * Runs until told to stop. 0 if all children left in time, 1 if it could not start or had to kill
 * one.
 */
int prefork_run(const struct prefork_opts *opts);

/* Called by a child once it can serve: a replaced predecessor may go then. Once is enough. */
void prefork_ready(struct prefork_child *child);

/* Called by a child again and again, from where it comes by only as long as it works. Costs nothing. */
void prefork_alive(struct prefork_child *child);

#endif
