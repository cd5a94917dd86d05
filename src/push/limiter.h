/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Counts polls, which are calls like those that bellhop-api answers, under the same key in Redis; while
 * Redis is away, or where it cannot count, in a table of this process. Streams are not counted: there is
 * a bound on how many are open.
 */
#ifndef BELLHOP_PUSH_LIMITER_H
#define BELLHOP_PUSH_LIMITER_H

#include "base/log.h"
#include "chat/limits.h"

struct limiter;
struct redis_async_call;
struct stores;

/* A question under way; embedded in who asks it, {0} to begin with. */
struct limiter_ask {
	struct limits_verdict verdict; /* the answer */
	void (*done)(void *arg);       /* there is one; never from inside limiter_ask() */
	void *arg;

	/* limiter.c's own */
	struct limiter *limiter;
	struct redis_async_call *call;
	struct limits limits; /* as they were when it was asked */
	struct log_ctx log;
};

/* NULL when out of memory. What it is given is borrowed; the limits may change in place. */
struct limiter *limiter_new(struct stores *stores, const struct limits *limits);

/* Nothing may be under way. NULL is fine. */
void limiter_free(struct limiter *limiter);

/*
 * One poll. True: the verdict is there already, `done` will not run. The log's strings, the user's id among
 * them, are borrowed until then.
 */
bool limiter_ask(struct limiter *limiter, struct limiter_ask *ask, const struct identity *who,
		 const struct log_ctx *log);

/* `done` will not run. Fine at any time. */
void limiter_cancel(struct limiter_ask *ask);

#endif
