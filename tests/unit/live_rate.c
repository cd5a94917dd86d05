/* SPDX-License-Identifier: BSD-2-Clause */
/* The function library of rate limits and base/gcra.c agree, to the microsecond, on a real Redis. */
#include "config.h"

#include <stdlib.h>

#include "base/clock.h"
#include "cmocka_setup.h"
#include "store/rate.h"
#include "store/redis_conn.h"

enum { ROUNDS = 20000, TAKES = 4 };

static struct redis_conn *conn;

static int setup(void **state)
{
	struct redis_target target;
	struct buf error = BUF_INIT;
	const char *url = getenv("LIVE_REDIS_URL");

	(void)state;
	assert_non_null(url);
	assert_int_equal(redis_target_parse(url, NULL, &target, &error), 0);
	conn = redis_conn_new(&target, "live-rate", 5000);
	redis_target_deinit(&target);
	return conn != NULL ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	redis_conn_free(conn);
	return 0;
}

static int64_t time_of(const redisReply *reply)
{
	assert_int_equal(reply->type, REDIS_REPLY_ARRAY);
	return strtoll(reply->element[0]->str, NULL, 10) * 1000000 +
	       strtoll(reply->element[1]->str, NULL, 10);
}

static int64_t number_of(const redisReply *reply)
{
	return reply->type == REDIS_REPLY_STRING ? strtoll(reply->str, NULL, 10) : 0;
}

enum { BEFORE, KEPT, TOOK, KEEPS, EXPIRES, AFTER, REPLIES };

/* What is kept is written as if by earlier calls; NULL: nothing is. */
static void ask(const struct gcra_rule *rule, const char *kept, redisReply *replies[REPLIES])
{
	struct buf commands = BUF_INIT;
	redisReply *written = NULL;
	size_t n = 0;

	redis_wire_putc(&commands, kept != NULL ? "SET" : "DEL", "b:rate:sends:ann", kept, NULL);
	assert_int_equal(redis_conn_exec(conn, &commands, 1, clock_mono_ms() + 5000, &written), 0);
	redis_conn_release(&written, 1);
	buf_reset(&commands);
	redis_wire_putc(&commands, "TIME", NULL);
	redis_wire_putc(&commands, "GET", "b:rate:sends:ann", NULL);
	n = 2 + rate_put_take(&commands, "b:", STR("sends"), STR("ann"), rule);
	redis_wire_putc(&commands, "GET", "b:rate:sends:ann", NULL);
	redis_wire_putc(&commands, "PTTL", "b:rate:sends:ann", NULL);
	redis_wire_putc(&commands, "TIME", NULL);
	assert_int_equal(n + 3, REPLIES);
	assert_int_equal(redis_conn_exec(conn, &commands, REPLIES, clock_mono_ms() + 5000, replies),
			 0);
	buf_deinit(&commands);
}

/*
 * When the function ran is known only to it; from its answer follows when it must have been, and that has
 * to be between the two times that were asked around it.
 */
static void compare(const struct gcra_rule *rule, redisReply *const replies[REPLIES])
{
	const int64_t whole = rule->quota * rule->interval_us;
	const int64_t before = time_of(replies[BEFORE]), after = time_of(replies[AFTER]);
	const int64_t kept = number_of(replies[KEPT]), keeps = number_of(replies[KEEPS]);
	int64_t answer, now, full_at = kept;

	assert_int_equal(rate_parse_take(replies[TOOK], rule, &answer), 0);
	if (answer >= 0)
		now = keeps - answer;
	else if (kept != keeps)
		now = keeps - whole; /* it was cut */
	else if (answer > -rule->interval_us)
		now = kept + rule->interval_us - whole + answer;
	else
		now = before; /* as far as can be: any earlier time gives the same answer */
	assert_in_range(now, before, after);
	assert_int_equal(gcra_take(rule, now, &full_at), answer);
	assert_int_equal(full_at, keeps);
	/* The key ends when all of the quota is back, rounded up, and no earlier. */
	if (kept != keeps)
		assert_true(replies[EXPIRES]->integer >= (keeps - after) / 1000 - 1 &&
			    replies[EXPIRES]->integer <= (keeps - before) / 1000 + 1);
}

static const struct gcra_rule *random_rule(void)
{
	static struct gcra_rule rule;
	static const int64_t quotas[] = {1, 2, 7, 20, 120, 1000, GCRA_QUOTA_MAX};
	static const int64_t windows[] = {1, 3, 10, 60, 3600, GCRA_WINDOW_MAX};

	rule = gcra_rule(quotas[(size_t)rand() % LENGTH(quotas)],
			 windows[(size_t)rand() % LENGTH(windows)]);
	return &rule;
}

static void lua_and_c_agree(void **state)
{
	(void)state;
	srand(5);
	for (int i = 0; i < ROUNDS / TAKES; i++) {
		const struct gcra_rule *rule = random_rule();
		const int64_t whole = rule->quota * rule->interval_us;
		redisReply *replies[REPLIES];
		char kept[32];

		for (int k = 0; k < TAKES; k++) {
			/* From long over to far beyond, and mostly where it is decided. */
			const int64_t ahead =
				(int64_t)((double)rand() / RAND_MAX * 3 * (double)whole) - whole;

			snprintf(kept, sizeof(kept), "%lld", (long long)(clock_real_us() + ahead));
			ask(rule, rand() % 16 == 0 ? NULL : kept, replies);
			compare(rule, replies);
			redis_conn_release(replies, REPLIES);
		}
	}
}

static void what_is_no_time_counts_as_nothing(void **state)
{
	static const char *const odd[] = {"", "x", "-5", "1e15", "12345678901234567", " 5", "0x5"};
	const struct gcra_rule rule = gcra_rule(20, 10);

	(void)state;
	for (size_t i = 0; i < LENGTH(odd); i++) {
		redisReply *replies[REPLIES];

		ask(&rule, odd[i], replies);
		assert_int_equal(replies[TOOK]->integer, rule.interval_us);
		redis_conn_release(replies, REPLIES);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lua_and_c_agree),
		cmocka_unit_test(what_is_no_time_counts_as_nothing),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
