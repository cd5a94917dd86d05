/* SPDX-License-Identifier: BSD-2-Clause */
/* Borrowed strings and numbers. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "cmocka_setup.h"

static const struct str absent = {NULL, 0};

static void comparing(void **state)
{
	(void)state;
	assert_true(str_eq(STR("abc"), str_of("abc")));
	assert_false(str_eq(STR("abc"), STR("abd")));
	assert_false(str_eq(STR("abc"), STR("ab")));
	assert_true(str_eq(absent, STR("")));
	assert_true(str_eq_c(STR("x"), "x"));
	assert_true(str_eq_nocase(STR("Content-TYPE"), STR("content-type")));
	/* Only letters fold: '@' and '`' differ by the same bit. */
	assert_false(str_eq_nocase(STR("@"), STR("`")));
	assert_true(str_starts(STR("abc"), STR("ab")));
	assert_true(str_starts(STR("abc"), absent));
	assert_false(str_starts(STR("a"), STR("ab")));
	assert_true(str_ends(STR("abc"), STR("bc")));
	assert_true(str_ends(absent, absent));
	assert_false(str_ends(STR("c"), STR("bc")));
}

static void ordering(void **state)
{
	static const char *const ordered[] = {"", "A", "a", "a\x01", "ab", "b", "\xff"};

	(void)state;
	for (size_t i = 0; i < LENGTH(ordered); i++) {
		for (size_t k = 0; k < LENGTH(ordered); k++) {
			int order = str_cmp(str_of(ordered[i]), str_of(ordered[k]));

			assert_int_equal((order > 0) - (order < 0), (i > k) - (i < k));
		}
	}
}

static void trimming(void **state)
{
	(void)state;
	assert_true(str_eq_c(str_trim(STR(" \t a b\t ")), "a b"));
	assert_int_equal(str_trim(STR(" \t ")).n, 0);
	assert_int_equal(str_trim(absent).n, 0);
}

static void splitting(void **state)
{
	struct str rest = STR("a,,b,"), head;

	(void)state;
	assert_true(str_split(&rest, ',', &head) && str_eq_c(head, "a"));
	assert_true(str_split(&rest, ',', &head) && str_eq_c(head, ""));
	assert_true(str_split(&rest, ',', &head) && str_eq_c(head, "b"));
	assert_true(str_split(&rest, ',', &head) && str_eq_c(head, ""));
	assert_false(str_split(&rest, ',', &head));
	rest = STR("");
	assert_true(str_split(&rest, ',', &head) && head.n == 0);
	assert_false(str_split(&rest, ',', &head));
}

static void words(void **state)
{
	struct str rest = STR("  one \t two"), word;

	(void)state;
	assert_true(str_word(&rest, &word) && str_eq_c(word, "one"));
	assert_true(str_word(&rest, &word) && str_eq_c(word, "two"));
	assert_false(str_word(&rest, &word));
}

static void copying(void **state)
{
	char *copy = str_dup(STR("abc"));

	(void)state;
	assert_string_equal(copy, "abc");
	free(copy);
	copy = str_dup(absent);
	assert_string_equal(copy, "");
	free(copy);
}

static void numbers(void **state)
{
	static const struct {
		const char *text;
		int64_t min, max;
		int result;
		int64_t value;
	} rows[] = {
		{"0", 0, 9, 0, 0},
		{"42", 0, 99, 0, 42},
		{"-7", -9, 0, 0, -7},
		{"9223372036854775807", INT64_MIN, INT64_MAX, 0, INT64_MAX},
		{"-9223372036854775808", INT64_MIN, INT64_MAX, 0, INT64_MIN},
		{"9223372036854775808", INT64_MIN, INT64_MAX, -1, 0},
		{"-9223372036854775809", INT64_MIN, INT64_MAX, -1, 0},
		{"99999999999999999999", INT64_MIN, INT64_MAX, -1, 0},
		{"", 0, 9, -1, 0},
		{"-", -9, 9, -1, 0},
		{"-0", -9, 9, -1, 0},
		{"+1", 0, 9, -1, 0},
		{" 1", 0, 9, -1, 0},
		{"1 ", 0, 9, -1, 0},
		{"01", 0, 9, -1, 0},
		{"1a", 0, 9, -1, 0},
		{"0x1", 0, 9, -1, 0},
		{"10", 0, 9, -1, 0},
		{"1", 2, 9, -1, 0},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		int64_t value = 0;

		assert_int_equal(str_to_i64(str_of(rows[i].text), rows[i].min, rows[i].max, &value),
				 rows[i].result);
		assert_true(value == rows[i].value);
	}
	assert_int_equal(str_to_i64(absent, 0, 9, &(int64_t){0}), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comparing), cmocka_unit_test(ordering), cmocka_unit_test(trimming),
		cmocka_unit_test(splitting), cmocka_unit_test(words),	 cmocka_unit_test(copying),
		cmocka_unit_test(numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
