/* SPDX-License-Identifier: BSD-2-Clause */
/* A subscription as server-sent events (WHATWG HTML, section 9.2), with its heartbeat. */
#ifndef BELLHOP_PUSH_OUT_SSE_H
#define BELLHOP_PUSH_OUT_SSE_H

#include "push/out.h"

struct event_base;
struct push_limits;

/* A client that has not taken a byte for so long is given up. */
enum { OUT_SSE_STALL_MS = 60000 };

/* NULL when out of memory. `limits` is borrowed. */
struct out *out_sse_new(struct event_base *base, const struct push_limits *limits,
			struct fcgi_conn *conn, const char *request_id);

/*
 * For requests that get no subscription: a stream whose only event is bye, because EventSource does
 * not come back from another status; and the headers alone, for HEAD. Both finish the connection.
 */
void out_sse_refuse(struct fcgi_conn *conn, const char *request_id, enum mode mode,
		    const char *code, int64_t retry_ms);
void out_sse_head_only(struct fcgi_conn *conn, const char *request_id, enum mode mode);

#endif
