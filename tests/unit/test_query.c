/* SPDX-License-Identifier: BSD-2-Clause */
/* Queries and percent-decoding. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "cmocka_setup.h"
#include "web/percent.h"
#include "web/query.h"

static void expect_query(const char *text, const char *name, const char *value)
{
	struct query q;
	const char *detail;

	assert_int_equal(query_parse(&q, str_of(text), &detail), QUERY_OK);
	if (value == NULL)
		assert_null(query_find(&q, name).p);
	else
		assert_true(str_eq_c(query_find(&q, name), value));
	if (value != NULL)
		assert_non_null(query_find(&q, name).p);
	query_deinit(&q);
}

static void values(void **state)
{
	(void)state;
	expect_query("before=58&limit=10", "before", "58");
	expect_query("before=58&limit=10", "limit", "10");
	expect_query("before=58&limit=10", "after", NULL);
	expect_query("", "a", NULL);
	expect_query("a", "a", "");
	expect_query("a=", "a", "");
	expect_query("a=b=c", "a", "b=c");
	expect_query("&&a=1&", "a", "1");
	expect_query("=x&a=1", "a", "1");
	expect_query("a=b+c%2Bd", "a", "b c+d");
	expect_query("a=%2f%2F%26%3D", "a", "//&=");
	expect_query("%61=1", "a", "1");
	expect_query("a=Z%C3%BCrich", "a", "Z\xc3\xbcrich");
	expect_query("a=\xc3\xbc", "a", "\xc3\xbc");
	expect_query("A=1&a=2", "a", "2");
}

static void refusals(void **state)
{
	static const struct str rows[] = {
		{"a=%", 3},   {"a=%4", 4},     {"a=%4g", 5},	    {"a=%%34", 6},
		{"a=%00", 5}, {"a=%0a", 5},    {"a=%09", 5},	    {"a=%7f", 5},
		{"a=%ff", 5}, {"a=%c0%af", 8}, {"a=%ed%a0%80", 11}, {"a=%f4%90%80%80", 14},
		{"a=%c3", 5}, {"a=\xff", 3},   {"a=1&a=2", 7},	    {"a=1&%61=2", 9},
		{"a&a", 3},   {"a=\0", 3},     {"%zz=1", 5},	    {"x=1&y=2&x=", 10},
		{"=%zz", 4},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct query q;
		const char *detail = NULL;

		assert_int_equal(query_parse(&q, rows[i], &detail), QUERY_BAD);
		assert_non_null(detail);
		query_deinit(&q);
	}
}

static void limits(void **state)
{
	struct query q;
	struct buf text = BUF_INIT;
	const char *detail;

	(void)state;
	for (int i = 0; i < QUERY_PAIRS_MAX; i++)
		buf_printf(&text, "p%d=%d&", i, i);
	assert_int_equal(query_parse(&q, buf_str(&text), &detail), QUERY_OK);
	assert_int_equal(q.n, QUERY_PAIRS_MAX);
	assert_true(str_eq_c(query_find(&q, "p31"), "31"));
	query_deinit(&q);
	buf_puts(&text, "one_more=1");
	assert_int_equal(query_parse(&q, buf_str(&text), &detail), QUERY_BAD);

	buf_reset(&text);
	buf_puts(&text, "a=");
	while (buf_ok(&text) && text.len < QUERY_BYTES_MAX)
		buf_putc(&text, 'x');
	assert_int_equal(query_parse(&q, buf_str(&text), &detail), QUERY_OK);
	query_deinit(&q);
	buf_putc(&text, 'x');
	assert_int_equal(query_parse(&q, buf_str(&text), &detail), QUERY_BAD);
	buf_deinit(&text);
}

static void integers(void **state)
{
	static const struct {
		const char *value;
		enum query_int result;
		int64_t number;
	} rows[] = {
		{"limit=1", QUERY_INT_OK, 1},
		{"limit=200", QUERY_INT_OK, 200},
		{"limit=0", QUERY_INT_BAD, -7},
		{"limit=201", QUERY_INT_BAD, -7},
		{"limit=-1", QUERY_INT_BAD, -7},
		{"limit=", QUERY_INT_BAD, -7},
		{"limit", QUERY_INT_BAD, -7},
		{"limit=1x", QUERY_INT_BAD, -7},
		{"limit=+1", QUERY_INT_BAD, -7},
		{"limit=%2B1", QUERY_INT_BAD, -7},
		{"limit=1.0", QUERY_INT_BAD, -7},
		{"limit=1e2", QUERY_INT_BAD, -7},
		{"limit=0x10", QUERY_INT_BAD, -7},
		{"limit=007", QUERY_INT_BAD, -7},
		{"other=1", QUERY_INT_ABSENT, -7},
		{"", QUERY_INT_ABSENT, -7},
		{"limit=18446744073709551617", QUERY_INT_BAD, -7},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct query q;
		const char *detail;
		int64_t number = -7;

		assert_int_equal(query_parse(&q, str_of(rows[i].value), &detail), QUERY_OK);
		assert_int_equal(query_int(&q, "limit", 1, 200, &number), rows[i].result);
		assert_int_equal(number, rows[i].number);
		query_deinit(&q);
	}
}

/* Cut anywhere, a query is either good or refused, never read beyond its end. */
static void every_cut(void **state)
{
	const char *text = "a=%C3%BC&b=x+y&c";

	(void)state;
	for (size_t i = 0; i <= strlen(text); i++) {
		char *exact = str_dup((struct str){text, i});
		struct query q;
		const char *detail;
		bool is_bad = i > 2 && i < 8;

		assert_int_equal(query_parse(&q, (struct str){exact, i}, &detail),
				 is_bad ? QUERY_BAD : QUERY_OK);
		query_deinit(&q);
		free(exact);
	}
}

static void percent(void **state)
{
	char out[4];
	size_t n;

	(void)state;
	assert_int_equal(percent_decode(STR("a%00b"), false, out, sizeof(out), &n), 0);
	assert_int_equal(n, 3);
	assert_memory_equal(out, "a\0b", 3);
	assert_int_equal(percent_decode(STR("a+b"), false, out, sizeof(out), &n), 0);
	assert_memory_equal(out, "a+b", 3);
	assert_int_equal(percent_decode(STR("abcd"), false, out, sizeof(out), &n), 0);
	assert_int_equal(percent_decode(STR("abcde"), false, out, sizeof(out), &n), -1);
	assert_int_equal(percent_decode(STR("%4"), false, out, sizeof(out), &n), -1);
	assert_int_equal(percent_decode(STR("%"), false, out, sizeof(out), &n), -1);
	assert_int_equal(percent_decode(STR(""), false, out, 0, &n), 0);
	assert_int_equal(n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values),   cmocka_unit_test(refusals),	 cmocka_unit_test(limits),
		cmocka_unit_test(integers), cmocka_unit_test(every_cut), cmocka_unit_test(percent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
