/* SPDX-License-Identifier: BSD-2-Clause */
/* Redis counts, else the table. */
#include "config.h"

#include "api/limiter.h"

#include <stdlib.h>

#include "base/clock.h"
#include "store/rate.h"

struct limiter {
	struct stores *stores;
	struct rate_table *table;
	struct buf commands; /* kept from call to call */
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

/* 0, or -1 where Redis cannot say. */
static int ask_redis(struct limiter *limiter, struct str policy, struct str user,
		     const struct gcra_rule *rule, int64_t *answer_r)
{
	struct stores *stores = limiter->stores;
	redisReply *reply = NULL;
	enum hot_trouble trouble;
	int status = -1;
	size_t n;

	/* Whoever probes a Redis that is away may wait for it in vain; the idle do that (stores_tick). */
	if (!stores_has_redis(stores))
		return -1;
	buf_reset(&limiter->commands);
	n = rate_put_take(&limiter->commands, stores_prefix(stores), policy, user, rule);
	if (stores_redis(stores, &limiter->commands, n, stores_redis_deadline(stores), &reply) ==
	    ERR_NONE) {
		status = rate_parse_take(reply, rule, answer_r);
		trouble = hot_trouble_of(&reply, n);
		/* Without this library alone Redis is as good as ever: the archiver will load it. */
		if (trouble != HOT_TROUBLE_FUNCTION)
			stores_redis_trouble(stores, trouble);
	}
	redis_conn_release(&reply, n);
	return status;
}

void limiter_count(struct limiter *limiter, const struct limits *limits, enum limits_policy policy,
		   const struct log_ctx *log, struct limits_verdict *verdict_r)
{
	const struct gcra_rule *rule = &limits->rules[policy];
	const struct str name = limits_name(policy);
	int64_t answer, unsaid;

	if (ask_redis(limiter, name, log->user, rule, &answer) == 0)
		rate_table_note(limiter->table, name, log->user, answer);
	else
		answer = rate_table_take(limiter->table, name, log->user, rule);
	limits_judge(limits, policy, answer, verdict_r);
	if (verdict_r->would_be_refused && limits_may_log(&limiter->log, clock_mono_ms(), &unsaid))
		limits_log_dry_run(log, policy, unsaid);
}
