/* SPDX-License-Identifier: BSD-2-Clause */
/* A subscription as one JSON answer: events as soon as there are some, or none after a while. */
#ifndef BELLHOP_PUSH_OUT_POLL_H
#define BELLHOP_PUSH_OUT_POLL_H

#include "push/out.h"

struct event_base;
struct turn;

enum { OUT_POLL_EVENTS_MAX = 200, OUT_POLL_WAIT_DEFAULT_S = 25, OUT_POLL_WAIT_MAX_S = 55 };

struct out_poll_opts {
	struct event_base *base;
	struct turn *turn;
	struct fcgi_conn *conn;
	const char *request_id;
	const char *lines; /* header lines of the answer, as in struct reply */
	int64_t wait_ms;   /* 0: answer as soon as it has caught up */
	bool is_ephemeral;
	bool is_head_only;
};

/* NULL when out of memory. */
struct out *out_poll_new(const struct out_poll_opts *opts);

#endif
