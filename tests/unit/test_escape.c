/* SPDX-License-Identifier: BSD-2-Clause */
/* What others wrote cannot drive the terminal. */
#include "config.h"

#include "cli/escape.h"
#include "cmocka_setup.h"

static void texts(void **state)
{
	static const struct {
		struct str text;
		const char *indent;
		const char *expected;
	} rows[] = {
		{{"plain text", 10}, NULL, "plain text"},
		{{"", 0}, NULL, ""},
		{{"gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80", 11},
		 NULL,
		 "gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80"},
		{{"\x1b[2J", 4}, NULL, "\\x1b[2J"},
		{{"a\0b", 3}, NULL, "a\\x00b"},
		{{"tab\there", 8}, NULL, "tab\there"},
		{{"a\nb", 3}, NULL, "a\\x0ab"},
		{{"a\nb\n", 4}, "  ", "a\n  b\n  "},
		{{"a\rb\x7f", 4}, "  ", "a\\x0db\\x7f"},
		{{"\xc2\x9b"
		  "31m",
		  5},
		 NULL,
		 "\\u009b31m"},
		{{"\xe2\x80\xae!", 4}, NULL, "\\u202e!"},
		{{"\xe2\x81\xa6!", 4}, NULL, "\\u2066!"},
		{{"\xff\xc3", 2}, NULL, "\\xff\\xc3"},
		{{"\xc0\xaf", 2}, NULL, "\\xc0\\xaf"},
		{{"\xed\xa0\x80", 3}, NULL, "\\xed\\xa0\\x80"},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct buf out = BUF_INIT;

		escape_text(&out, rows[i].text, rows[i].indent);
		assert_string_equal(buf_cstr(&out), rows[i].expected);
		buf_deinit(&out);
	}
}

static void json(void **state)
{
	static const struct {
		struct str text;
		const char *expected;
	} rows[] = {
		{{"{\"a\":\"\\u001b\"}", 14}, "{\"a\":\"\\u001b\"}"},
		{{"{\n\t\"a\": 1}", 10}, "{  \"a\": 1}"},
		{{"\"\xc2\x85\x7f\"", 5}, "\"\\u0085\\u007f\""},
		{{"\"\xe2\x80\xae\"", 5}, "\"\\u202e\""},
		{{"\"\xff\"", 3}, "\"\\ufffd\""},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct buf out = BUF_INIT;

		escape_json(&out, rows[i].text);
		assert_string_equal(buf_cstr(&out), rows[i].expected);
		buf_deinit(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts),
		cmocka_unit_test(json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
