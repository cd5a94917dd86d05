/* SPDX-License-Identifier: BSD-2-Clause */
/* The syntax of settings files. The expected values are what systemd 252 makes of the same text. */
#include "config.h"

#include <string.h>

#include "base/conf_file.h"
#include "cmocka_setup.h"

/* Collects "NAME=<value>@line;" for each assignment. */
static void collect(void *arg, struct str name, struct str value, int line)
{
	buf_printf(arg, "%.*s=<%.*s>@%d;", STR_ARG(name), STR_ARG(value), line);
}

static void table(void **state)
{
	static const struct {
		const char *text;
		const char *expected;
	} rows[] = {
		{"", ""},
		{"A=1", "A=<1>@1;"},
		{"A=1\nB=2\n", "A=<1>@1;B=<2>@2;"},
		{"A=1\r\nB=2\r\n", "A=<1>@1;B=<2>@2;"},
		{"\n\n  A=1\n", "A=<1>@3;"},
		{"# A=1\n; B=2\n  # C=3\nD=4", "D=<4>@4;"},
		{"# ends with a backslash \\\nA=1", "A=<1>@2;"},
		{"A =1\n", "A=<1>@1;"},
		{"A=  1 2  \n", "A=<1 2>@1;"},
		{"A=\nB=\n", "A=<>@1;B=<>@2;"},
		{"A=1 # no comment\n", "A=<1 # no comment>@1;"},
		{"A=1#2;3\n", "A=<1#2;3>@1;"},
		{"A=b=c\n", "A=<b=c>@1;"},
		/* quotes */
		{"A='1 2 '\n", "A=<1 2 >@1;"},
		{"A=\"1 2 \"\n", "A=<1 2 >@1;"},
		{"A='a\"b\\n'\n", "A=<a\"b\\n>@1;"},
		{"A=\"a'b\"\n", "A=<a'b>@1;"},
		{"A=\"\\\"\\\\\\`\\$\\n\"\n", "A=<\"\\`$\\n>@1;"},
		{"A='a''b'\n", "A=<ab>@1;"},
		{"A='a'\"b\"c\n", "A=<abc>@1;"},
		{"A=a'b c'\n", "A=<a'b c'>@1;"},
		{"A=''\nB=1\n", "A=<>@1;B=<1>@2;"},
		{"A=\"a\nb\"\nB=1\n", "A=<a\nb>@1;B=<1>@3;"},
		{"A='a\nb'\nB=1\n", "A=<a\nb>@1;B=<1>@3;"},
		/* backslashes outside quotes */
		{"A=a\\\nb\nB=1\n", "A=<ab>@1;B=<1>@3;"},
		{"A=\"a\\\nb\"\n", "A=<ab>@1;"},
		{"A=a\\ \n", "A=<a >@1;"},
		{"A=\\'a\\\\b\n", "A=<'a\\b>@1;"},
		{"A=\\$HOME\n", "A=<$HOME>@1;"},
		{"A=$HOME\n", "A=<$HOME>@1;"},
		{"A=caf\xC3\xA9\n", "A=<caf\xC3\xA9>@1;"},
		/* the last wins, and that is for the caller to say */
		{"A=1\nA=2\n", "A=<1>@1;A=<2>@2;"},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct buf got = BUF_INIT, report = BUF_INIT;

		assert_int_equal(conf_file_parse(str_of(rows[i].text), "f", collect, &got, &report),
				 0);
		assert_string_equal(buf_cstr(&got), rows[i].expected);
		assert_string_equal(buf_cstr(&report), "");
		buf_deinit(&got);
		buf_deinit(&report);
	}
}

static void faults(void **state)
{
	static const struct {
		struct str text;
		int result;
		const char *expected;
		const char *report;
	} rows[] = {
		{STR("A\nB=1\n"), 0, "B=<1>@2;", "f:1: no '=' in this line, ignored\n"},
		{STR("export A=1\nB=1\n"), -1, "B=<1>@2;", "f:1: this is no name of a setting\n"},
		{STR("=1\n"), -1, "", "f:1: this is no name of a setting\n"},
		{STR("1A=1\n"), -1, "", "f:1: this is no name of a setting\n"},
		{STR("A-B=1\n"), -1, "", "f:1: this is no name of a setting\n"},
		{STR("B=1\nA='x\n\n"), -1, "B=<1>@1;", "f:2: a quote is not closed\n"},
		{STR("A=\"x\\"), -1, "", "f:1: a quote is not closed\n"},
		{STR("A=\xFF\nB=1\n"), -1, "B=<1>@2;", "f:1: the value is not text\n"},
		{STR("A=x\0y\nB=1\n"), -1, "B=<1>@2;", "f:1: the value is not text\n"},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct buf got = BUF_INIT, report = BUF_INIT;

		assert_int_equal(conf_file_parse(rows[i].text, "f", collect, &got, &report),
				 rows[i].result);
		assert_string_equal(buf_cstr(&got), rows[i].expected);
		assert_string_equal(buf_cstr(&report), rows[i].report);
		buf_deinit(&got);
		buf_deinit(&report);
	}
}

/* A file cut anywhere is read or refused, never read beyond its end (a sanitizer watches). */
static void cut_anywhere(void **state)
{
	const struct str text = STR("# c\nA=1\\\n2\nB='x y'\"z\\\"\"w \\ \nC=\xC3\xA9\n");

	(void)state;
	for (size_t n = 0; n <= text.n; n++) {
		struct buf copy = BUF_INIT, got = BUF_INIT, report = BUF_INIT;

		buf_put(&copy, text.p, n);
		conf_file_parse(buf_str(&copy), "f", collect, &got, &report);
		assert_true(buf_ok(&got));
		buf_deinit(&copy);
		buf_deinit(&got);
		buf_deinit(&report);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table),
		cmocka_unit_test(faults),
		cmocka_unit_test(cut_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
