/* SPDX-License-Identifier: BSD-2-Clause */
/* Rate limits: what is said to Redis, and the table in shared memory. */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "cmocka_setup.h"
#include "store/rate.h"
#include "store/rate_table.h"

#define SENDS STR("sends")
#define CALLS STR("calls")
#define ANN   STR("ann")
#define BOB   STR("bob")

/* ---- Redis ---- */

static void the_command_names_key_and_rule(void **state)
{
	const struct gcra_rule rule = gcra_rule(20, 10);
	struct buf commands = BUF_INIT;

	(void)state;
	assert_int_equal(rate_put_take(&commands, "b:", SENDS, STR("ann@x"), &rule), 1);
	assert_string_equal(buf_cstr(&commands),
			    "*6\r\n$5\r\nFCALL\r\n$19\r\nbellhop_rate_1_take\r\n$1\r\n1\r\n"
			    "$18\r\nb:rate:sends:ann@x\r\n$2\r\n20\r\n$6\r\n500000\r\n");
	buf_deinit(&commands);
}

static void replies_are_read(void **state)
{
	const struct gcra_rule rule = gcra_rule(20, 10);
	static const struct {
		redisReply reply;
		int status;
	} rows[] = {
		{{.type = REDIS_REPLY_INTEGER, .integer = 500000}, 0},
		{{.type = REDIS_REPLY_INTEGER, .integer = 10000000}, 0},
		{{.type = REDIS_REPLY_INTEGER, .integer = -500000}, 0},
		{{.type = REDIS_REPLY_INTEGER, .integer = 10000001}, -1},
		{{.type = REDIS_REPLY_INTEGER, .integer = -500001}, -1},
		{{.type = REDIS_REPLY_INTEGER, .integer = INT64_MIN}, -1},
		{{.type = REDIS_REPLY_NIL}, -1},
		{{.type = REDIS_REPLY_ERROR}, -1},
		{{.type = REDIS_REPLY_STRING}, -1},
	};
	int64_t answer = 0;

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		assert_int_equal(rate_parse_take(&rows[i].reply, &rule, &answer), rows[i].status);
		if (rows[i].status == 0)
			assert_int_equal(answer, rows[i].reply.integer);
	}
	assert_int_equal(rate_parse_take(NULL, &rule, &answer), -1);
}

/* ---- the table ---- */

static int setup(void **state)
{
	*state = rate_table_new();
	return *state != NULL ? 0 : -1;
}

static int teardown(void **state)
{
	rate_table_free(*state);
	return 0;
}

/* How many of n calls are let in. */
static int let_in(struct rate_table *table, struct str policy, struct str user,
		  const struct gcra_rule *rule, int n)
{
	int count = 0;

	for (int i = 0; i < n; i++)
		count += rate_table_take(table, policy, user, rule) >= 0;
	return count;
}

/* An hour for the quota, so that no time that passes in a test matters. */
static struct gcra_rule slow_rule(void)
{
	return gcra_rule(20, 3600);
}

static void users_and_policies_are_counted_apart(void **state)
{
	const struct gcra_rule rule = slow_rule();

	assert_int_equal(let_in(*state, SENDS, ANN, &rule, 30), 20);
	assert_int_equal(let_in(*state, SENDS, ANN, &rule, 30), 0);
	assert_int_equal(let_in(*state, CALLS, ANN, &rule, 30), 20);
	assert_int_equal(let_in(*state, SENDS, BOB, &rule, 30), 20);
	/* Neither half alone is the caller. */
	assert_int_equal(let_in(*state, STR("send"), STR("sann"), &rule, 30), 20);
}

static void time_gives_it_back(void **state)
{
	const struct gcra_rule rule = slow_rule();

	let_in(*state, SENDS, ANN, &rule, 30);
	clock_shift_ms(180 * 1000);
	assert_int_equal(let_in(*state, SENDS, ANN, &rule, 30), 1);
	clock_shift_ms(3600 * 1000);
	assert_int_equal(let_in(*state, SENDS, ANN, &rule, 30), 20);
}

/* Who waits as told is let in, however much of an older rule was used. */
static void a_narrower_rule_is_waited_for_alone(void **state)
{
	const struct gcra_rule wide = slow_rule(), narrow = gcra_rule(2, 2);

	let_in(*state, SENDS, ANN, &wide, 20);
	assert_int_equal(rate_table_take(*state, SENDS, ANN, &narrow), -narrow.interval_us);
	clock_shift_ms(narrow.interval_us / 1000);
	assert_int_equal(let_in(*state, SENDS, ANN, &narrow, 5), 1);
}

static void what_redis_has_counted_is_not_forgotten(void **state)
{
	const struct gcra_rule rule = slow_rule();
	int64_t full_at = 0;

	for (int i = 0; i < 15; i++)
		rate_table_note(*state, SENDS, ANN, &rule, gcra_take(&rule, 1, &full_at));
	/* An older answer that comes late changes nothing. */
	rate_table_note(*state, SENDS, ANN, &rule, rule.interval_us);
	assert_int_equal(let_in(*state, SENDS, ANN, &rule, 30), 5);
	assert_int_equal(let_in(*state, SENDS, BOB, &rule, 30), 20);
}

static void what_redis_has_refused_is_refused_here(void **state)
{
	const struct gcra_rule rule = slow_rule();

	assert_int_equal(let_in(*state, SENDS, ANN, &rule, 1), 1);
	rate_table_note(*state, SENDS, ANN, &rule, -rule.interval_us);
	assert_true(rate_table_take(*state, SENDS, ANN, &rule) < 0);
	clock_shift_ms(rule.interval_us / 1000);
	assert_int_equal(let_in(*state, SENDS, ANN, &rule, 2), 1);
}

static void children_share_it(void **state)
{
	const struct gcra_rule rule = slow_rule();
	int sum = 0;

	for (int i = 0; i < 4; i++) {
		int status;
		pid_t pid = fork();

		assert_int_not_equal(pid, -1);
		if (pid == 0)
			_exit(let_in(*state, SENDS, ANN, &rule, 7));
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
		sum += WEXITSTATUS(status);
	}
	assert_int_equal(sum, 20);
}

/* All at once: none is counted twice, and next to none is missed. */
static void processes_that_race_are_counted(void **state)
{
	const struct gcra_rule rule = gcra_rule(2000, 86400);
	enum { CHILDREN = 4, EACH = 1000 };
	int fds[2], sum = 0;

	assert_int_equal(pipe(fds), 0);
	for (int i = 0; i < CHILDREN; i++) {
		pid_t pid = fork();

		assert_int_not_equal(pid, -1);
		if (pid == 0) {
			int count = let_in(*state, SENDS, ANN, &rule, EACH);

			_exit(write(fds[1], &count, sizeof(count)) != sizeof(count));
		}
	}
	for (int i = 0; i < CHILDREN; i++) {
		int status, count;

		assert_true(wait(&status) > 0 && status == 0);
		assert_int_equal(read(fds[0], &count, sizeof(count)), sizeof(count));
		sum += count;
	}
	close(fds[0]);
	close(fds[1]);
	assert_in_range(sum, 2000, 2100);
}

/* Three times as many users as it holds: everybody's burst is let in, and who goes on is still limited. */
static void a_full_table_wrongs_nobody(void **state)
{
	const struct gcra_rule rule = gcra_rule(2, 3600);
	int wronged = 0;

	for (int i = 0; i < 3 * RATE_TABLE_SIZE; i++) {
		char name[16];

		snprintf(name, sizeof(name), "u%d", i);
		wronged += rate_table_take(*state, SENDS, str_of(name), &rule) < 0;
	}
	/* Two who look the same at one time: one in RATE_TABLE_SIZE / RATE_TABLE_WAYS * 2^16 pairs. */
	assert_in_range(wronged, 0, 60);
	assert_int_equal(let_in(*state, SENDS, ANN, &rule, 10), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_command_names_key_and_rule),
		cmocka_unit_test(replies_are_read),
#define TABLE_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
		TABLE_TEST(users_and_policies_are_counted_apart),
		TABLE_TEST(time_gives_it_back),
		TABLE_TEST(a_narrower_rule_is_waited_for_alone),
		TABLE_TEST(what_redis_has_counted_is_not_forgotten),
		TABLE_TEST(what_redis_has_refused_is_refused_here),
		TABLE_TEST(children_share_it),
		TABLE_TEST(processes_that_race_are_counted),
		TABLE_TEST(a_full_table_wrongs_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
