/* SPDX-License-Identifier: BSD-2-Clause */
/* A worker process: accepts connections one at a time and answers the request on each. */
#ifndef BELLHOP_API_WORKER_H
#define BELLHOP_API_WORKER_H

#include "base/daemon.h"
#include "base/prefork.h"
#include "base/startup.h"
#include "store/mode.h"
#include "store/rate_table.h"

/* What the master made for all workers. */
struct worker_opts {
	struct startup *startup; /* a worker has its own copy, by fork, and reloads it itself */
	int listen_fd;
	const struct daemon_peers *peers;
	struct mode_board *board;
	struct rate_table *rates;
};

/* For prefork_opts.run: arg is a struct worker_opts. */
int worker_run(struct prefork_child *child, void *arg);

#endif
