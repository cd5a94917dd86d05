/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands and replies of rate limits. */
#include "config.h"

#include "store/rate.h"

#include "store/redis_wire.h"

size_t rate_put_take(struct buf *b, const char *prefix, struct str policy, struct str user,
		     const struct gcra_rule *rule)
{
	struct redis_key key;

	redis_keys_rate(prefix, policy, user, &key);
	redis_wire_begin(b, 6);
	redis_wire_arg(b, STR("FCALL"));
	redis_wire_arg(b, STR(RATE_LIBRARY "_take"));
	redis_wire_arg(b, STR("1"));
	redis_wire_arg(b, key.name);
	redis_wire_arg_i64(b, rule->quota);
	redis_wire_arg_i64(b, rule->interval_us);
	return 1;
}

int rate_parse_take(const redisReply *reply, const struct gcra_rule *rule, int64_t *answer_r)
{
	const int64_t whole_us = rule->quota * rule->interval_us;

	/* Beyond these no rule can answer. */
	if (reply == NULL || reply->type != REDIS_REPLY_INTEGER ||
	    reply->integer < -rule->interval_us || reply->integer > whole_us)
		return -1;
	*answer_r = reply->integer;
	return 0;
}
