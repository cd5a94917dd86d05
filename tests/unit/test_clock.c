/* SPDX-License-Identifier: BSD-2-Clause */
/* Times as text, and the clock that tests can move. */
#include "config.h"

#include <limits.h>
#include <string.h>

#include "base/clock.h"
#include "cmocka_setup.h"

static void formatting(void **state)
{
	static const struct {
		int64_t ms;
		const char *text;
	} rows[] = {
		{0, "1970-01-01T00:00:00.000Z"},
		{-1, "1969-12-31T23:59:59.999Z"},
		{INT64_C(1795187045123), "2026-11-20T15:04:05.123Z"},
		{INT64_C(951782400007), "2000-02-29T00:00:00.007Z"},
		{INT64_MAX, "9999-12-31T23:59:59.999Z"},
		{INT64_MIN, "0000-01-01T00:00:00.000Z"},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		char text[CLOCK_TEXT_SIZE];
		int64_t back;

		clock_format(rows[i].ms, text);
		assert_string_equal(text, rows[i].text);
		assert_int_equal(clock_parse(str_of(text), &back), 0);
		if (rows[i].ms != INT64_MAX && rows[i].ms != INT64_MIN)
			assert_true(back == rows[i].ms);
	}
}

static void parsing(void **state)
{
	static const struct {
		const char *text;
		int64_t ms; /* -1: refused */
	} rows[] = {
		{"1970-01-01T00:00:01Z", 1000},
		{"1970-01-01t00:00:01z", 1000},
		{"1970-01-01T00:00:00.5Z", 500},
		{"1970-01-01T00:00:00.0019999Z", 1},
		{"1970-01-01T01:00:00+01:00", 0},
		{"1969-12-31T23:30:00-00:30", 0},
		{"1970-01-01T00:00:60Z", 60000},
		{"2000-02-29T00:00:00Z", INT64_C(951782400000)},
		{"1900-02-29T00:00:00Z", -1},
		{"2023-02-29T00:00:00Z", -1},
		{"1970-13-01T00:00:00Z", -1},
		{"1970-00-01T00:00:00Z", -1},
		{"1970-01-32T00:00:00Z", -1},
		{"1970-01-01T24:00:00Z", -1},
		{"1970-01-01T00:60:00Z", -1},
		{"1970-01-01T00:00:61Z", -1},
		{"1970-01-01T00:00:00.Z", -1},
		{"1970-01-01T00:00:00", -1},
		{"1970-01-01T00:00:00ZZ", -1},
		{"1970-01-01T00:00:00+0100", -1},
		{"1970-01-01T00:00:00+24:00", -1},
		{"1970-01-01 00:00:00Z", -1},
		{"1970-1-01T00:00:00Z", -1},
		{"+970-01-01T00:00:00Z", -1},
		{"", -1},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		int64_t ms = -1;

		assert_int_equal(clock_parse(str_of(rows[i].text), &ms), rows[i].ms < 0 ? -1 : 0);
		assert_true(ms == rows[i].ms);
	}
}

static void cut_anywhere(void **state)
{
	const struct str text = STR("2026-11-20T15:04:05.123+01:00");
	int64_t ms;

	(void)state;
	assert_int_equal(clock_parse(text, &ms), 0);
	for (size_t n = 0; n < text.n; n++)
		assert_int_equal(clock_parse((struct str){text.p, n}, &ms), -1);
}

static void moving(void **state)
{
	int64_t mono_ms = clock_mono_ms(), real_ms = clock_real_ms();

	(void)state;
	clock_shift_ms(3600000);
	assert_in_range(clock_mono_ms() - mono_ms, 3600000, 3660000);
	assert_in_range(clock_real_ms() - real_ms, 3600000, 3660000);
	clock_shift_ms(-3600000);
	assert_in_range(clock_mono_ms() - mono_ms, 0, 60000);
	assert_in_range(clock_mono_us() / 1000 - mono_ms, 0, 60000);
	assert_in_range(clock_real_us() / 1000 - real_ms, 0, 60000);
}

static void waiting(void **state)
{
	int64_t now_ms = clock_mono_ms();

	(void)state;
	assert_int_equal(clock_wait_ms(now_ms - 5), 0);
	assert_in_range(clock_wait_ms(now_ms + 100000), 1, 100000);
	assert_int_equal(clock_wait_ms(INT64_MAX), INT_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(formatting),	cmocka_unit_test(parsing),
		cmocka_unit_test(cut_anywhere), cmocka_unit_test(moving),
		cmocka_unit_test(waiting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
