/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Counts a user's calls in Redis, which all machines share. Sends are let in by the table of this master,
 * exactly as long as it is the only one, and Redis is told with the round trip that a send makes anyway:
 * with several masters each may let in one more than the limit. Other calls wait for Redis' answer; while it
 * is away, or where it cannot count, the table stands in for it. A limiter that fails never refuses, and
 * never waits longer than for one answer of Redis.
 */
#ifndef BELLHOP_API_LIMITER_H
#define BELLHOP_API_LIMITER_H

#include "api/stores.h"
#include "chat/limits.h"
#include "store/rate_table.h"

struct limiter;

/* Of one worker. NULL when out of memory. What it is given is borrowed. */
struct limiter *limiter_new(struct stores *stores, struct rate_table *table);
void limiter_free(struct limiter *limiter);

/*
 * One call of this user under this policy, which limits him (limits_apply()). In a dry run, what would
 * have been refused is logged. The user's id is borrowed until stores_redis_settle().
 */
void limiter_count(struct limiter *limiter, const struct limits *limits, enum limits_policy policy,
		   const struct log_ctx *log, struct limits_verdict *verdict_r);

#endif
