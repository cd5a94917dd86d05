/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PostgreSQL in the event loop: a few connections, a bounded queue before them, time-outs of our
 * own, reconnecting with back-off. Nothing here blocks, with one exception that libpq leaves no way
 * around: a host name in DATABASE_URL is resolved by getaddrinfo(); give an address or a socket
 * directory where that matters.
 */
#ifndef BELLHOP_STORE_PG_ASYNC_H
#define BELLHOP_STORE_PG_ASYNC_H

#include "store/pg_conn.h"

struct event_base;
struct pg_async;
struct pg_call;

struct pg_async_opts {
	struct pg_opts pg;
	int connections; /* 1 to 16; 0 is 2 */
	int queue_max;	 /* calls waiting for a connection; 0 is 1024 */
	/*
	 * Told when the first connection is usable (is_up, with what its deployment check said),
	 * on each later new connection, and when the last one is lost (deployment NULL). Runs from
	 * the loop; may call pg_async_exec and pg_call_cancel, not pg_async_free. May be NULL.
	 */
	void (*on_state)(void *arg, bool is_up, const struct pg_deployment *deployment);
	void *arg;
};

/* Starts connecting. NULL if out of memory. */
struct pg_async *pg_async_new(struct event_base *base, const struct pg_async_opts *opts);

/*
 * Drops the connections. Calls that are under way end without their callbacks. Not from inside a
 * callback of this file. NULL is fine.
 */
void pg_async_free(struct pg_async *pa);

/*
 * The outcome as of pg_conn_exec. The result is the callback's only while it runs; NULL unless
 * ERR_NONE.
 */
typedef void pg_call_done(void *arg, enum err err, const PGresult *result);

/*
 * Queues the statement and takes its contents over: *stmt is empty afterwards, whatever is
 * returned. `done` runs exactly once, from the loop, never from inside this call, at the latest
 * when timeout_ms is over (counted from now, waiting for a connection included), unless the call
 * is cancelled; the handle is gone before it runs. While no connection can be made, calls fail
 * with ERR_UNAVAILABLE at once rather than wait. A read whose connection is lost under it is asked
 * again on another, a few times at most. Returns NULL if out of memory, if the queue is full or if
 * the statement is not pg_stmt_ok(), and then `done` never runs.
 */
struct pg_call *pg_async_exec(struct pg_async *pa, struct pg_stmt *stmt, int timeout_ms,
			      pg_call_done *done, void *arg);

/* `done` will not run. A statement that was sent may happen nevertheless. */
void pg_call_cancel(struct pg_call *call);

/* Whether a connection is usable. */
bool pg_async_is_up(const struct pg_async *pa);

/*
 * Whether the server is taken to be away: no connection is usable, and the last attempt to make one failed
 * or a deadline was missed. Not so while connections that were lost are made again for the first time: a
 * call waits for that.
 */
bool pg_async_is_away(const struct pg_async *pa);

/* One line about the latest failure, for logs; "" if there was none. */
const char *pg_async_error(const struct pg_async *pa);

#endif
