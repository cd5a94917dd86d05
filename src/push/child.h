/* SPDX-License-Identifier: BSD-2-Clause */
/* The event loop's process: one serves all connections; the master starts and replaces it. */
#ifndef BELLHOP_PUSH_CHILD_H
#define BELLHOP_PUSH_CHILD_H

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

#endif
