/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The event loop's process. One serves all connections; the master holds the listening socket,
 * starts it again should it die, and replaces it when asked to.
 */
#ifndef BELLHOP_PUSH_CHILD_H
#define BELLHOP_PUSH_CHILD_H

#include "base/buf.h"

struct conf;
struct daemon_peers;
struct prefork_child;
struct startup;

struct child_opts {
	struct startup *startup;
	int listen_fd;
	const struct daemon_peers *peers;
};

/* The life of the child; `arg` is a struct child_opts. For struct prefork_opts. */
int child_run(struct prefork_child *child, void *arg);

/* Do the settings make sense and the keys load? For struct startup_program. */
int child_check(const struct conf *conf, struct buf *error);

#endif
