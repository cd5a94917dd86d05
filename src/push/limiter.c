/* SPDX-License-Identifier: BSD-2-Clause */
/* Redis counts, else the table. */
#include "config.h"

#include "push/limiter.h"

#include <stdlib.h>

#include "base/clock.h"
#include "push/stores.h"
#include "store/rate.h"
#include "store/rate_table.h"

struct limiter {
	struct stores *stores;
	struct rate_table *table;
	const struct limits *limits;
	struct limits_log log;
};

struct limiter *limiter_new(struct stores *stores, const struct limits *limits)
{
	struct limiter *limiter = calloc(1, sizeof(*limiter));

	if (limiter == NULL)
		return NULL;
	limiter->stores = stores;
	limiter->limits = limits;
	limiter->table = rate_table_new();
	if (limiter->table == NULL) {
		free(limiter);
		return NULL;
	}
	return limiter;
}

void limiter_free(struct limiter *limiter)
{
	if (limiter == NULL)
		return;
	rate_table_free(limiter->table);
	free(limiter);
}

static const struct gcra_rule *rule_of(const struct limiter_ask *ask)
{
	return &ask->limits.rules[LIMITS_CALLS];
}

static void judge(struct limiter_ask *ask, int64_t answer)
{
	limits_judge(&ask->limits, LIMITS_CALLS, answer, &ask->verdict);
	limits_log_verdict(&ask->limiter->log, &ask->verdict, LIMITS_CALLS, &ask->log,
			   clock_mono_ms());
}

static void count_here(struct limiter_ask *ask)
{
	judge(ask, rate_table_take(ask->limiter->table, limits_name(LIMITS_CALLS), ask->log.user,
				   rule_of(ask)));
}

static void on_reply(void *arg, enum err err, redisReply **replies, size_t n)
{
	struct limiter_ask *ask = arg;
	int64_t answer;

	(void)n;
	ask->call = NULL;
	if (err == ERR_NONE && rate_parse_take(replies[0], rule_of(ask), &answer) == 0) {
		rate_table_note(ask->limiter->table, limits_name(LIMITS_CALLS), ask->log.user,
				rule_of(ask), answer);
		judge(ask, answer);
	} else {
		count_here(ask);
	}
	ask->done(ask->arg);
}

bool limiter_ask(struct limiter *limiter, struct limiter_ask *ask, const struct identity *who,
		 const struct log_ctx *log)
{
	struct buf commands = BUF_INIT;
	size_t n;

	if (!limits_apply(limiter->limits, LIMITS_CALLS, who))
		return true;
	ask->limiter = limiter;
	ask->limits = *limiter->limits;
	ask->log = *log;
	if (stores_has_redis(limiter->stores)) {
		n = rate_put_take(&commands, stores_keys(limiter->stores)->prefix,
				  limits_name(LIMITS_CALLS), ask->log.user, rule_of(ask));
		ask->call = stores_ask_redis(limiter->stores, &commands, n, on_reply, ask);
		buf_deinit(&commands);
	}
	if (ask->call != NULL)
		return false;
	count_here(ask);
	return true;
}

void limiter_cancel(struct limiter_ask *ask)
{
	if (ask->call != NULL)
		redis_async_cancel(ask->call);
	ask->call = NULL;
}
