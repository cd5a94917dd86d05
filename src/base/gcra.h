/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The generic cell rate algorithm (ITU-T I.371, annex A, in its virtual scheduling form) as a limit of
 * `quota` calls in a time: so many may come at once, and from then on one in each interval. All that
 * is kept of a caller is one time, when all of the quota will be there again. No I/O, no clock.
 *
 * sql/redis/bellhop_rate_1.lua does the same to the microsecond; a test compares the two.
 */
#ifndef BELLHOP_BASE_GCRA_H
#define BELLHOP_BASE_GCRA_H

#include <stdbool.h>
#include <stdint.h>

#define GCRA_QUOTA_MAX	1000000 /* so that each call still has a microsecond */
#define GCRA_WINDOW_MAX 86400	/* seconds */

struct gcra_rule {
	int64_t quota; /* 0: no limit */
	int64_t interval_us;
};

/*
 * `quota` calls in window_s seconds, 1 .. the maxima above, or quota 0. The interval is cut to whole
 * microseconds, so a rule is never stricter than what was asked for.
 */
struct gcra_rule gcra_rule(int64_t quota, int64_t window_s);

/*
 * One call at now_us. *full_at_us is what is kept: any earlier time, 0 included, is a caller of whom
 * nothing is known; it changes if the call is let in. One that is further ahead than the rule can have
 * made it (a clock that was set back, a rule that was changed) becomes the furthest possible, so that
 * nobody waits for longer than he is told.
 *
 * 0 or more: let in, and all of the quota is back in so many microseconds. Less: not let in, and to be
 * asked again after as many. The rule has a quota.
 */
int64_t gcra_take(const struct gcra_rule *rule, int64_t now_us, int64_t *full_at_us);

/* How long it takes, after an answer of gcra_take(), until all of the quota is there again. */
int64_t gcra_owed_us(const struct gcra_rule *rule, int64_t answer);

/* What an answer of gcra_take() means. */
struct gcra_state {
	bool is_let_in;
	int64_t remaining; /* calls that would be let in now */
	int64_t more_us;   /* until one more would be, 1 or more */
};

struct gcra_state gcra_state(const struct gcra_rule *rule, int64_t answer);

#endif
