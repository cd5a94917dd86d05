/* SPDX-License-Identifier: BSD-2-Clause */
/* Limits of calls by time: the arithmetic. */
#include "config.h"

#include "base/gcra.h"
#include "cmocka_setup.h"

#define SECOND		INT64_C(1000000)
#define NOW		(INT64_C(1790000000) * SECOND)
#define LETS_IN(answer) ((answer) >= 0)

static void rules_are_cut_to_microseconds(void **state)
{
	static const struct {
		int64_t quota, window_s, interval_us;
	} rows[] = {
		{20, 10, 500000},	{120, 10, 83333},
		{7, 1, 142857},		{1, 86400, 86400 * SECOND},
		{GCRA_QUOTA_MAX, 1, 1}, {GCRA_QUOTA_MAX, GCRA_WINDOW_MAX, 86400},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		const struct gcra_rule rule = gcra_rule(rows[i].quota, rows[i].window_s);

		assert_int_equal(rule.quota, rows[i].quota);
		assert_int_equal(rule.interval_us, rows[i].interval_us);
	}
	assert_int_equal(gcra_rule(0, 10).quota, 0);
}

static void a_burst_of_the_quota_and_no_more(void **state)
{
	static const struct {
		int64_t quota, window_s;
	} rows[] = {{20, 10}, {120, 10}, {7, 1}, {1, 1}, {1000, 3}, {GCRA_QUOTA_MAX, 1}};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		const struct gcra_rule rule = gcra_rule(rows[i].quota, rows[i].window_s);
		int64_t full_at = 0, kept;

		for (int64_t k = 1; k <= rule.quota; k++) {
			const int64_t answer = gcra_take(&rule, NOW, &full_at);

			assert_int_equal(answer, k * rule.interval_us);
			assert_int_equal(gcra_state(&rule, answer).remaining, rule.quota - k);
		}
		kept = full_at;
		assert_int_equal(gcra_take(&rule, NOW, &full_at), -rule.interval_us);
		assert_int_equal(full_at, kept);
	}
}

/* After the burst one each interval, to the microsecond, whatever is asked in between. */
static void then_one_in_each_interval(void **state)
{
	const struct gcra_rule rule = gcra_rule(20, 10);
	int64_t full_at = 0, now = NOW;

	(void)state;
	for (int64_t k = 0; k < rule.quota; k++)
		assert_true(LETS_IN(gcra_take(&rule, now, &full_at)));
	for (int i = 0; i < 100; i++) {
		assert_int_equal(gcra_take(&rule, now + 1, &full_at), 1 - rule.interval_us);
		now += rule.interval_us;
		assert_int_equal(gcra_take(&rule, now - 1, &full_at), -1);
		assert_true(LETS_IN(gcra_take(&rule, now, &full_at)));
	}
}

static void idle_callers_have_all_again(void **state)
{
	const struct gcra_rule rule = gcra_rule(20, 10);
	int64_t full_at = 0;

	(void)state;
	for (int64_t k = 0; k < rule.quota; k++)
		gcra_take(&rule, NOW, &full_at);
	assert_int_equal(full_at, NOW + 10 * SECOND);
	assert_int_equal(gcra_take(&rule, full_at, &full_at), rule.interval_us);
	assert_int_equal(gcra_take(&rule, NOW + 1000000 * SECOND, &full_at), rule.interval_us);
}

/* Nobody waits longer than he is told, and who is let in has no more than the quota. */
static void a_clock_that_goes_back_costs_a_window_at_most(void **state)
{
	static const int64_t kept[] = {INT64_MAX, NOW + 86400 * SECOND, NOW + 10 * SECOND + 1};
	const struct gcra_rule rule = gcra_rule(20, 10);

	(void)state;
	for (size_t i = 0; i < LENGTH(kept); i++) {
		int64_t full_at = kept[i], now = NOW;

		assert_int_equal(gcra_take(&rule, now, &full_at), -rule.interval_us);
		assert_int_equal(full_at, now + 10 * SECOND);
		now += rule.interval_us;
		assert_int_equal(gcra_take(&rule, now, &full_at), 10 * SECOND);
		assert_int_equal(gcra_take(&rule, now, &full_at), -rule.interval_us);
	}
	for (size_t i = 0; i < 2; i++) {
		int64_t full_at = i == 0 ? INT64_MIN : 0;

		assert_int_equal(gcra_take(&rule, NOW, &full_at), rule.interval_us);
	}
}

static void a_changed_rule_holds_at_once(void **state)
{
	const struct gcra_rule wide = gcra_rule(100, 100), narrow = gcra_rule(2, 2);
	int64_t full_at = 0;

	(void)state;
	for (int64_t k = 0; k < 50; k++)
		gcra_take(&wide, NOW, &full_at);
	assert_int_equal(gcra_take(&narrow, NOW, &full_at), -SECOND);
	/* What it takes to wait is the new rule's, too. */
	assert_int_equal(gcra_take(&narrow, NOW + SECOND, &full_at), 2 * SECOND);
	/* And the other way round: what was used stays used. */
	assert_int_equal(gcra_take(&wide, NOW + SECOND, &full_at), 3 * SECOND);
}

/* Numbers at the ends of what settings and clocks allow. */
static void nothing_overflows(void **state)
{
	static const int64_t kept[] = {INT64_MIN, -1, 0, 1, NOW, INT64_MAX - 1, INT64_MAX};
	const struct gcra_rule rules[] = {gcra_rule(1, GCRA_WINDOW_MAX),
					  gcra_rule(GCRA_QUOTA_MAX, GCRA_WINDOW_MAX),
					  gcra_rule(GCRA_QUOTA_MAX, 1), gcra_rule(1, 1)};

	(void)state;
	for (size_t r = 0; r < LENGTH(rules); r++) {
		const int64_t whole = rules[r].quota * rules[r].interval_us;

		assert_true(whole > 0 && whole <= GCRA_WINDOW_MAX * SECOND);
		for (size_t i = 0; i < LENGTH(kept); i++) {
			int64_t full_at = kept[i];
			const int64_t answer = gcra_take(&rules[r], NOW, &full_at);

			assert_true(answer >= -rules[r].interval_us && answer <= whole);
			assert_true(answer != 0);
		}
	}
}

static void states(void **state)
{
	const struct gcra_rule rule = gcra_rule(20, 10);
	static const struct {
		int64_t answer;
		struct gcra_state state;
	} rows[] = {
		{500000, {true, 19, 500000}},  {500001, {true, 18, 1}},
		{999999, {true, 18, 499999}},  {1000000, {true, 18, 500000}},
		{10000000, {true, 0, 500000}}, {9999999, {true, 0, 499999}},
		{-1, {false, 0, 1}},	       {-500000, {false, 0, 500000}},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		const struct gcra_state got = gcra_state(&rule, rows[i].answer);

		assert_int_equal(got.is_let_in, rows[i].state.is_let_in);
		assert_int_equal(got.remaining, rows[i].state.remaining);
		assert_int_equal(got.more_us, rows[i].state.more_us);
	}
}

/* What `more_us` promises is kept. */
static void who_waits_as_told_has_one_more(void **state)
{
	const struct gcra_rule rule = gcra_rule(120, 10);
	int64_t full_at = 0, now = NOW;

	(void)state;
	for (int i = 0; i < 500; i++) {
		int64_t answer = gcra_take(&rule, now, &full_at);
		struct gcra_state told = gcra_state(&rule, answer);
		int64_t copy = full_at;

		now += told.more_us;
		answer = gcra_take(&rule, now, &copy);
		assert_int_equal(gcra_state(&rule, answer).remaining, told.remaining);
		assert_true(LETS_IN(answer));
		now += (i % 7) * 11111 - told.more_us / 2;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_are_cut_to_microseconds),
		cmocka_unit_test(a_burst_of_the_quota_and_no_more),
		cmocka_unit_test(then_one_in_each_interval),
		cmocka_unit_test(idle_callers_have_all_again),
		cmocka_unit_test(a_clock_that_goes_back_costs_a_window_at_most),
		cmocka_unit_test(a_changed_rule_holds_at_once),
		cmocka_unit_test(nothing_overflows),
		cmocka_unit_test(states),
		cmocka_unit_test(who_waits_as_told_has_one_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
