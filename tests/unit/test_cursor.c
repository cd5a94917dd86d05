/* SPDX-License-Identifier: BSD-2-Clause */
/* Cursors, which clients may make of anything. */
#include "config.h"

#include <string.h>

#include "cmocka_setup.h"
#include "web/cursor.h"

static void good(void **state)
{
	static const struct {
		const char *text;
		int64_t epoch, seq;
	} rows[] = {
		{"1.0", 1, 0},
		{"1.58", 1, 58},
		{"42.1000000", 42, 1000000},
		{"9223372036854775807.9223372036854775807", INT64_MAX, INT64_MAX},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct cursor cursor = cursor_parse(str_of(rows[i].text));
		char text[CURSOR_TEXT_SIZE];

		assert_true(cursor.valid);
		assert_int_equal(cursor.epoch, rows[i].epoch);
		assert_int_equal(cursor.seq, rows[i].seq);
		assert_true(str_eq_c(cursor_format(cursor.epoch, cursor.seq, text), rows[i].text));
		assert_string_equal(text, rows[i].text);
	}
}

static void bad(void **state)
{
	static const struct str rows[] = {
		{NULL, 0},
		{"", 0},
		{".", 1},
		{"1", 1},
		{"1.", 2},
		{".1", 2},
		{"1.1.1", 5},
		{"1.1.", 4},
		{"0.1", 3},
		{"01.1", 4},
		{"1.01", 4},
		{"-1.1", 4},
		{"1.-1", 4},
		{"1.-0", 4},
		{"+1.1", 4},
		{"1.+1", 4},
		{" 1.1", 4},
		{"1.1 ", 4},
		{"1. 1", 4},
		{"1,1", 3},
		{"1.1\0", 4},
		{"1.1\n", 4},
		{"0x1.1", 5},
		{"1.1e3", 5},
		{"a.b", 3},
		{"1.~AAAA", 7},
		{"\xef\xbc\x91.1", 5},
		{"9223372036854775808.1", 21},
		{"1.9223372036854775808", 21},
		{"1.99999999999999999999999999999999", 34},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct cursor cursor = cursor_parse(rows[i]);

		assert_false(cursor.valid);
		assert_int_equal(cursor.epoch, 0);
		assert_int_equal(cursor.seq, 0);
	}
}

/* Every prefix and suffix of a cursor is a cursor, or not, without a surprise. */
static void every_cut(void **state)
{
	const char *text = "12.345";

	(void)state;
	for (size_t i = 0; i <= strlen(text); i++) {
		struct cursor cursor = cursor_parse((struct str){text, i});

		assert_int_equal(cursor.valid, i > 3);
		cursor = cursor_parse((struct str){text + i, strlen(text) - i});
		assert_int_equal(cursor.valid, i < 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good),
		cmocka_unit_test(bad),
		cmocka_unit_test(every_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
