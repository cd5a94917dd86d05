/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The event-driven carrier: one connection to Redis in a libevent loop, for bellhop-push. Pipelines
 * are answered in order; a time-out or a broken connection fails everything that is pending and
 * connects again with a growing, jittered delay (100 ms to 2 s). An attempt tries the server's addresses
 * one after the other (redis_dial.h).
 *
 * Callbacks run from the event loop only, never from inside a call of this module, and exactly once,
 * unless the caller cancels the call or closes the connection first. Any function here may be called
 * from any callback.
 */
#ifndef BELLHOP_STORE_REDIS_ASYNC_H
#define BELLHOP_STORE_REDIS_ASYNC_H

#include "store/redis_wire.h"

struct event_base;
struct redis_async;
struct redis_async_call;

struct redis_async_opts {
	const struct redis_target *target; /* copied */
	const char *name;		   /* for CLIENT LIST, borrowed; no spaces */
	int64_t connect_timeout_ms;

	/*
	 * Optional: the connection is usable (AUTH and SELECT answered), or no longer. `reason` is NULL
	 * when up, else a short text for logs. Runs once a change, after the callbacks of what failed;
	 * a first connection that does not succeed is reported once, as down.
	 */
	void (*on_state)(void *arg, bool is_up, const char *reason);

	/*
	 * For a connection that subscribes (RESP2: nothing but SUBSCRIBE, UNSUBSCRIBE and PING may be said
	 * on it afterwards, each command about one channel, so that each has one reply): a message has
	 * come, whose bytes are borrowed for the call. Without it a message that nobody asked for is the
	 * end of the connection.
	 */
	void (*on_message)(void *arg, struct str channel, struct str payload);
	void *arg;
};

/* Starts to connect at once. NULL if out of memory. */
struct redis_async *redis_async_new(struct event_base *base, const struct redis_async_opts *opts);

/*
 * Closes and frees. What is pending is forgotten: its callbacks and on_state will not run. NULL is
 * fine.
 */
void redis_async_close(struct redis_async *ra);

bool redis_async_is_up(const struct redis_async *ra);

/*
 * How often a connection was made. It changes with every reconnect: whatever was compared with the
 * server before has to be compared again.
 */
uint64_t redis_async_generation(const struct redis_async *ra);

/*
 * The answer. err as in redis_conn_exec() (ERR_UNAVAILABLE: not sent; ERR_UNCERTAIN: sent, no answer);
 * on ERR_NONE replies has nreplies entries, error replies included, which are freed after the
 * callback; else it is NULL.
 */
typedef void redis_async_cb(void *arg, enum err err, redisReply **replies, size_t nreplies);

struct redis_async_request {
	const struct buf *commands; /* copied */
	size_t nreplies;	    /* 1 or more */
	int64_t timeout_ms; /* until all replies are here, waiting for earlier pipelines included. For
			       a blocking XREAD: its BLOCK and a margin */
	redis_async_cb *cb;
	void *arg;
};

/*
 * Sends a pipeline. Where there is no connection the callback gets ERR_UNAVAILABLE in the next loop
 * turn; nothing is queued for later. The handle is for redis_async_cancel() and gone once the callback
 * starts. NULL if out of memory: the callback will not run.
 */
struct redis_async_call *redis_async_submit(struct redis_async *ra,
					    const struct redis_async_request *request);

/* The callback will not run; the command may still be executed, its answer is dropped. */
void redis_async_cancel(struct redis_async_call *call);

#endif
