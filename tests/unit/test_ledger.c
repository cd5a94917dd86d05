/* SPDX-License-Identifier: BSD-2-Clause */
/* The bench's judgement: a bench that finds nothing wrong must be able to. */
#include "config.h"

#include <sodium.h>
#include <string.h>

#include "cmocka_setup.h"
#include "ledger.h"
#include "samples.h"

static void messages_are_recognised(void **state)
{
	struct ledger ledger;
	struct ledger other;
	struct buf json = BUF_INIT;

	(void)state;
	assert_int_equal(ledger_init(&ledger, 3, 10), 0);
	assert_int_equal(ledger_init(&other, 3, 10), 0);
	buf_puts(&json, "{\"seq\":4,\"client_msg_id\":\"");
	ledger_put_id(&ledger, 7, &json);
	buf_puts(&json, "\",\"prev\":3}");
	assert_int_equal(ledger_find(&ledger, buf_str(&json)), 7);
	assert_int_equal(ledger_find(&other, buf_str(&json)), -1);
	assert_int_equal(ledger_find(&ledger, STR("{\"client_msg_id\":\"b-\"}")), -1);
	assert_int_equal(ledger_find(&ledger, STR("{}")), -1);
	assert_int_equal(ledger_find(&ledger, STR("")), -1);
	ledger_deinit(&ledger);
	ledger_deinit(&other);
	buf_deinit(&json);
}

static void numbers_are_found(void **state)
{
	int64_t value = 0;

	(void)state;
	assert_int_equal(ledger_find_number(STR("{\"a\":12,\"b\":3}"), "\"a\":", &value), 0);
	assert_int_equal(value, 12);
	assert_int_equal(ledger_find_number(STR("{\"a\":null}"), "\"a\":", &value), -1);
	assert_int_equal(ledger_find_number(STR("{\"a\":"), "\"a\":", &value), -1);
	assert_int_equal(ledger_find_number(STR("{}"), "\"a\":", &value), -1);
}

static void messages_are_spread_evenly(void **state)
{
	struct ledger ledger;

	(void)state;
	assert_int_equal(ledger_init(&ledger, 3, 10), 0);
	assert_int_equal(ledger_expected(&ledger, 0), 4);
	assert_int_equal(ledger_expected(&ledger, 1), 3);
	assert_int_equal(ledger_expected(&ledger, 2), 3);
	ledger_deinit(&ledger);
}

static void contradictions_are_found(void **state)
{
	struct ledger ledger;

	(void)state;
	assert_int_equal(ledger_init(&ledger, 2, 4), 0);
	/* Messages 0 and 2 are ticket 0's, 1 and 3 ticket 1's. */
	assert_int_equal(ledger_note(&ledger, 0, 1), 0);
	assert_int_equal(ledger_note(&ledger, 0, 1), 0);
	assert_int_equal(ledger_note(&ledger, 0, 2), -1); /* two numbers for one message */
	assert_int_equal(ledger_note(&ledger, 2, 1), -1); /* two messages for one number */
	assert_int_equal(ledger_note(&ledger, 2, 3), -1); /* more numbers than messages */
	assert_int_equal(ledger_note(&ledger, 2, 0), -1);
	assert_int_equal(ledger.conflicts, 4);
	assert_false(ledger_is_dense(&ledger));
	assert_int_equal(ledger_note(&ledger, 2, 2), 0);
	assert_int_equal(ledger_note(&ledger, 3, 1), 0);
	assert_false(ledger_is_dense(&ledger));
	assert_int_equal(ledger_note(&ledger, 1, 2), 0);
	assert_true(ledger_is_dense(&ledger));
	ledger_deinit(&ledger);
}

static void percentiles(void **state)
{
	struct samples s;

	(void)state;
	samples_init(&s, 1);
	assert_true(samples_percentile_ms(&s, 99) == 0);
	for (int i = 100; i >= 1; i--)
		samples_add(&s, 1000 * i);
	samples_sort(&s);
	assert_true(samples_percentile_ms(&s, 50) == 50);
	assert_true(samples_percentile_ms(&s, 95) == 95);
	assert_true(samples_percentile_ms(&s, 99) == 99);
	assert_true(samples_percentile_ms(&s, 99.5) == 100);
	assert_true(samples_percentile_ms(&s, 100) == 100);
	assert_int_equal(s.dropped, 0);
	samples_deinit(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_are_recognised),
		cmocka_unit_test(numbers_are_found),
		cmocka_unit_test(messages_are_spread_evenly),
		cmocka_unit_test(contradictions_are_found),
		cmocka_unit_test(percentiles),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
