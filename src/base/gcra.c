/* SPDX-License-Identifier: BSD-2-Clause */
/* Limits of calls by time. */
#include "config.h"

#include "base/gcra.h"

struct gcra_rule gcra_rule(int64_t quota, int64_t window_s)
{
	if (quota <= 0)
		return (struct gcra_rule){0};
	return (struct gcra_rule){.quota = quota, .interval_us = window_s * 1000000 / quota};
}

int64_t gcra_take(const struct gcra_rule *rule, int64_t now_us, int64_t *full_at_us)
{
	const int64_t whole_us = rule->quota * rule->interval_us;
	int64_t owed_us = 0;

	if (*full_at_us > now_us + whole_us)
		*full_at_us = now_us + whole_us;
	/* Compared before it is subtracted: what is kept may be anything. */
	if (*full_at_us > now_us)
		owed_us = *full_at_us - now_us;
	owed_us += rule->interval_us;
	if (owed_us > whole_us)
		return whole_us - owed_us;
	*full_at_us = now_us + owed_us;
	return owed_us;
}

int64_t gcra_owed_us(const struct gcra_rule *rule, int64_t answer)
{
	/* Who is to come again after so long will then have room for one call. */
	return answer >= 0 ? answer : (rule->quota - 1) * rule->interval_us - answer;
}

struct gcra_state gcra_state(const struct gcra_rule *rule, int64_t answer)
{
	int64_t free_us;

	if (answer < 0)
		return (struct gcra_state){.more_us = -answer};
	free_us = rule->quota * rule->interval_us - answer;
	return (struct gcra_state){
		.is_let_in = true,
		.remaining = free_us / rule->interval_us,
		.more_us = rule->interval_us - free_us % rule->interval_us,
	};
}
