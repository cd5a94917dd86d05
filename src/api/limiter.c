/* SPDX-License-Identifier: BSD-2-Clause */
/* Redis counts, else the table. */
#include "config.h"

#include "api/limiter.h"

#include <stdlib.h>

#include "base/clock.h"
#include "store/rate.h"

/* One call. */
struct count {
	struct str policy, user;
	struct gcra_rule rule;
};

struct limiter {
	struct stores *stores;
	struct rate_table *table;
	struct buf commands; /* kept from call to call */
	struct count rider;  /* of which Redis is told with whatever is asked of it next */
	struct limits_log log;
};

struct limiter *limiter_new(struct stores *stores, struct rate_table *table)
{
	struct limiter *limiter = calloc(1, sizeof(*limiter));

	if (limiter == NULL)
		return NULL;
	limiter->stores = stores;
	limiter->table = table;
	return limiter;
}

void limiter_free(struct limiter *limiter)
{
	if (limiter == NULL)
		return;
	buf_deinit(&limiter->commands);
	free(limiter);
}

static size_t put_take(struct limiter *limiter, const struct count *count)
{
	buf_reset(&limiter->commands);
	return rate_put_take(&limiter->commands, stores_prefix(limiter->stores), count->policy,
			     count->user, &count->rule);
}

/* Keeps what Redis has answered. 0, or -1 where it cannot say. */
static int take_answer(struct limiter *limiter, const struct count *count, const redisReply *reply,
		       int64_t *answer_r)
{
	enum hot_trouble trouble = hot_trouble(reply);

	/* Without this library alone Redis is as good as ever: the archiver will load it. */
	if (trouble != HOT_TROUBLE_FUNCTION)
		stores_redis_trouble(limiter->stores, trouble);
	if (rate_parse_take(reply, &count->rule, answer_r) != 0)
		return -1;
	rate_table_note(limiter->table, count->policy, count->user, &count->rule, *answer_r);
	return 0;
}

static int ask_redis(struct limiter *limiter, const struct count *count, int64_t *answer_r)
{
	struct stores *stores = limiter->stores;
	redisReply *reply = NULL;
	int status = -1;
	size_t n;

	/* Whoever probes a Redis that is away may wait for it in vain; the idle do that (stores_tick). */
	if (!stores_has_redis(stores))
		return -1;
	n = put_take(limiter, count);
	if (stores_redis(stores, &limiter->commands, n, stores_redis_deadline(stores), &reply) ==
	    ERR_NONE)
		status = take_answer(limiter, count, reply, answer_r);
	redis_conn_release(&reply, n);
	return status;
}

static void on_told(void *arg, const redisReply *reply)
{
	struct limiter *limiter = arg;
	int64_t answer;

	if (reply != NULL)
		(void)take_answer(limiter, &limiter->rider, reply, &answer);
}

/*
 * A send asks Redis anyway, once it is stored. So it is let in by what this master knows, and counted for
 * the other machines then, in the same round trip; what they have let in meanwhile comes back with it.
 */
static int64_t count_send(struct limiter *limiter, const struct count *count)
{
	int64_t answer = rate_table_take(limiter->table, count->policy, count->user, &count->rule);

	if (answer < 0)
		return answer;
	limiter->rider = *count;
	(void)put_take(limiter, count);
	(void)stores_redis_ride(limiter->stores, &limiter->commands, on_told, limiter);
	return answer;
}

void limiter_count(struct limiter *limiter, const struct limits *limits, enum limits_policy policy,
		   const struct log_ctx *log, struct limits_verdict *verdict_r)
{
	const struct count count = {limits_name(policy), log->user, limits->rules[policy]};
	int64_t answer;

	if (policy == LIMITS_SENDS)
		answer = count_send(limiter, &count);
	else if (ask_redis(limiter, &count, &answer) != 0)
		answer = rate_table_take(limiter->table, count.policy, count.user, &count.rule);
	limits_judge(limits, policy, answer, verdict_r);
	limits_log_verdict(&limiter->log, verdict_r, policy, log, clock_mono_ms());
}
