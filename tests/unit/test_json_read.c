/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading JSON, most of it hostile. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "cmocka_setup.h"
#include "collection.h"
#include "web/json_read.h"

/* Reads a text from memory of exactly its length. */
static struct json_read *read_exact(struct str text, struct json_read_error *error)
{
	struct json_read *json;
	char *exact = malloc(text.n > 0 ? text.n : 1);
	enum json_read_result result;

	assert_non_null(exact);
	if (text.n > 0)
		memcpy(exact, text.p, text.n);
	result = json_read((struct str){exact, text.n}, &json, error);
	free(exact);
	assert_int_equal(result == JSON_READ_OK, json != NULL);
	if (result != JSON_READ_OK) {
		assert_int_equal(result, JSON_READ_BAD);
		assert_non_null(error->reason);
		assert_true(error->at <= text.n);
	}
	return json;
}

static bool is_good(struct str text)
{
	struct json_read_error error;
	struct json_read *json = read_exact(text, &error);
	bool good = json != NULL;

	json_read_free(json);
	return good;
}

static void a_tree(void **state)
{
	const struct str text =
		STR(" {\"content\":\"hi \\u00fc\\ud83d\\ude00\\n\\/\",\"n\":-12,\"list\":[1,"
		    "[],{\"a\":null}],\"yes\":true,\"no\":false,\"\":{}} ");
	struct json_read_error error;
	struct json_read *json = read_exact(text, &error);
	const struct json_read_value *root = json_read_root(json), *list, *one;
	int64_t n;

	(void)state;
	assert_true(json_read_is_object(root));
	assert_int_equal(json_read_count(root), 6);
	assert_true(str_eq_c(json_read_str(json_read_find(root, "content")),
			     "hi \xc3\xbc\xf0\x9f\x98\x80\n/"));
	assert_int_equal(json_read_int(json_read_find(root, "n"), -100, 100, &n), 0);
	assert_int_equal(n, -12);
	assert_true(json_read_bool(json_read_find(root, "yes")));
	assert_false(json_read_bool(json_read_find(root, "no")));
	assert_true(json_read_is_bool(json_read_find(root, "no")));
	assert_true(json_read_is_object(json_read_find(root, "")));
	assert_null(json_read_find(root, "missing"));
	assert_null(json_read_find(root, "a"));

	list = json_read_find(root, "list");
	assert_true(json_read_is_array(list));
	assert_int_equal(json_read_count(list), 3);
	one = json_read_first(list);
	assert_true(json_read_is_number(one));
	assert_true(str_eq_c(json_read_str(one), "1"));
	one = json_read_next(one);
	assert_int_equal(json_read_type(one), JSON_READ_ARRAY);
	assert_int_equal(json_read_count(one), 0);
	assert_null(json_read_first(one));
	one = json_read_next(one);
	assert_true(json_read_is_null(json_read_find(one, "a")));
	assert_true(str_eq_c(json_read_key(json_read_first(one)), "a"));
	assert_null(json_read_next(one));
	/* Questions of the wrong type have no answer. */
	assert_null(json_read_find(list, "a"));
	assert_null(json_read_str(list).p);
	assert_null(json_read_key(root).p);
	assert_int_equal(json_read_int(list, 0, 9, &n), -1);
	assert_false(json_read_bool(list));
	json_read_free(json);
	json_read_free(NULL);
}

static void accepted(void **state)
{
	static const struct str rows[] = {
		{"{}", 2},
		{"[]", 2},
		{"0", 1},
		{"-0", 2},
		{"1.5e-3", 6},
		{"1E+2", 4},
		{"null", 4},
		{"\"\"", 2},
		{"true", 4},
		{"\t\r\n 1 ", 6},
		{"[1 , 2]", 7},
		{"\"\x7f\"", 3},
		{"\"\xc2\x80\"", 4},
		{"\"\\\\u0000\"", 9},
		{"{\"a\":1,\"b\":1}", 13},
		{"{\"a\":{\"a\":1}}", 13},
		{"{\"a\":1,\"A\":1}", 13},
		{"\"\\ud83d\\uDE00\"", 14},
		{"\"\xf4\x8f\xbf\xbf\"", 6},
		{"123456789012345678901234567890", 30},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++)
		assert_true(is_good(rows[i]));
}

static void refused(void **state)
{
	static const struct str rows[] = {
#define TEXT(s) {s, sizeof(s) - 1}
		{NULL, 0},
		TEXT(""),
		TEXT(" "),
		TEXT("{"),
		TEXT("}"),
		TEXT("{\"a\"}"),
		TEXT("{\"a\":}"),
		TEXT("{\"a\":1,}"),
		TEXT("{,}"),
		TEXT("{a:1}"),
		TEXT("{'a':1}"),
		TEXT("{1:1}"),
		TEXT("[1,]"),
		TEXT("[1 2]"),
		TEXT("[,1]"),
		TEXT("[1}"),
		TEXT("1 2"),
		TEXT("{}{}"),
		TEXT("{} x"),
		TEXT("{}\0"),
		TEXT("\0{}"),
		TEXT("{\0}"),
		TEXT("\"a\0b\""),
		TEXT("\xef\xbb\xbf{}"),
		TEXT("// x\n1"),
		TEXT("/* x */ 1"),
		TEXT("NaN"),
		TEXT("Infinity"),
		TEXT("-Infinity"),
		TEXT("[NaN]"),
		TEXT("nul"),
		TEXT("True"),
		TEXT("undefined"),
		TEXT("+1"),
		TEXT("01"),
		TEXT("-01"),
		TEXT("1."),
		TEXT(".5"),
		TEXT("1e"),
		TEXT("1e+"),
		TEXT("-"),
		TEXT("0x10"),
		TEXT("1_000"),
		TEXT("\"a"),
		TEXT("\"a\nb\""),
		TEXT("\"a\tb\""),
		TEXT("\"\x1f\""),
		TEXT("\"\\x41\""),
		TEXT("\"\\a\""),
		TEXT("\"\\\""),
		TEXT("\"\\u\""),
		TEXT("\"\\u12\""),
		TEXT("\"\\u12g4\""),
		TEXT("\"\\u+123\""),
		TEXT("\"\\U0041\""),
		/* NUL and lone surrogates */
		TEXT("\"\\u0000\""),
		TEXT("\"a\\u0000b\""),
		TEXT("{\"\\u0000\":1}"),
		TEXT("\"\\ud800\""),
		TEXT("\"\\udc00\""),
		TEXT("\"\\udfff\""),
		TEXT("\"\\ud83d\""),
		TEXT("\"\\ud83dx\""),
		TEXT("\"\\ud83d\\n\""),
		TEXT("\"\\ud83d\\u0041\""),
		TEXT("\"\\ud83d\\ud83d\""),
		TEXT("\"\\ude00\\ud83d\""),
		TEXT("\"\\ud83d\\u\""),
		/* not UTF-8: overlong, surrogates, above U+10FFFF, cut short */
		TEXT("\"\xc0\xaf\""),
		TEXT("\"\xc1\xbf\""),
		TEXT("\"\xe0\x80\xaf\""),
		TEXT("\"\xf0\x80\x80\xaf\""),
		TEXT("\"\xed\xa0\x80\""),
		TEXT("\"\xed\xbf\xbf\""),
		TEXT("\"\xf4\x90\x80\x80\""),
		TEXT("\"\xf5\x80\x80\x80\""),
		TEXT("\"\x80\""),
		TEXT("\"\xc3\""),
		TEXT("\"\xff\""),
		TEXT("{\"\xc0\xaf\":1}"),
		TEXT("{} \xff"),
		/* duplicate keys, also where only an escape tells them apart */
		TEXT("{\"a\":1,\"a\":1}"),
		TEXT("{\"a\":1,\"b\":2,\"a\":3}"),
		TEXT("{\"a\":1,\"\\u0061\":2}"),
		TEXT("{\"\":1,\"\":2}"),
		TEXT("[{\"x\":{\"k\":1,\"j\":2,\"k\":3}}]"),
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++)
		assert_false(is_good(rows[i]));
}

static void depth(void **state)
{
	static const char *const openers[] = {"[", "{\"a\":"}, *const closers[] = {"]", "}"};

	(void)state;
	for (size_t kind = 0; kind < 2; kind++) {
		for (int levels = 15; levels <= 18; levels++) {
			struct buf text = BUF_INIT;

			for (int i = 0; i < levels; i++)
				buf_puts(&text, openers[kind]);
			buf_puts(&text, "1");
			for (int i = 0; i < levels; i++)
				buf_puts(&text, closers[kind]);
			assert_int_equal(is_good(buf_str(&text)), levels <= JSON_READ_DEPTH);
			buf_deinit(&text);
		}
	}
}

static void very_deep_or_wide(void **state)
{
	struct buf text = BUF_INIT;

	(void)state;
	for (int i = 0; i < 200000; i++)
		buf_putc(&text, '[');
	assert_false(is_good(buf_str(&text)));
	/* 20,000 members: were the search for duplicates quadratic, this would be felt */
	buf_reset(&text);
	buf_puts(&text, "{\"k\":0");
	for (int i = 0; i < 20000; i++)
		buf_printf(&text, ",\"k%d\":%d", i, i);
	buf_putc(&text, '}');
	assert_true(is_good(buf_str(&text)));
	text.len--;
	buf_puts(&text, ",\"k7\":1}");
	assert_false(is_good(buf_str(&text)));
	buf_deinit(&text);
}

static void integers(void **state)
{
	static const struct {
		const char *text;
		int result;
		int64_t value;
	} rows[] = {
		{"1", 0, 1},
		{"-1", 0, -1},
		{"9223372036854775807", 0, INT64_MAX},
		{"-9223372036854775808", 0, INT64_MIN},
		{"9223372036854775808", -1, 0},
		{"-9223372036854775809", -1, 0},
		{"18446744073709551616", -1, 0},
		{"18446744073709551617", -1, 0},
		{"99999999999999999999999999999999999999999999", -1, 0},
		{"1.0", -1, 0},
		{"1e2", -1, 0},
		{"1E400", -1, 0},
		{"0.5", -1, 0},
		{"\"1\"", -1, 0},
		{"true", -1, 0},
		{"null", -1, 0},
		{"[1]", -1, 0},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct json_read_error error;
		struct json_read *json = read_exact(str_of(rows[i].text), &error);
		int64_t value = 0;

		assert_non_null(json);
		assert_int_equal(json_read_int(json_read_root(json), INT64_MIN, INT64_MAX, &value),
				 rows[i].result);
		assert_int_equal(value, rows[i].value);
		json_read_free(json);
	}
}

static void range(void **state)
{
	struct json_read_error error;
	struct json_read *json = read_exact(STR("200"), &error);
	int64_t value = 0;

	(void)state;
	assert_int_equal(json_read_int(json_read_root(json), 1, 200, &value), 0);
	assert_int_equal(json_read_int(json_read_root(json), 1, 199, &value), -1);
	assert_int_equal(json_read_int(json_read_root(json), 201, 300, &value), -1);
	json_read_free(json);
}

/* Every proper prefix of a document is refused, and read no further than its end. */
static void every_cut(void **state)
{
	const struct str text =
		STR("{\"a\":[1,true,null,\"\xc3\xbc\\ud83d\\ude00\"],\"b\":{\"c\":-1.5e2}}");

	(void)state;
	for (size_t n = 0; n < text.n; n++)
		assert_false(is_good((struct str){text.p, n}));
	assert_true(is_good(text));
}

/* Every byte of a document replaced by every other: no crash, and nothing but a verdict. */
static void every_byte(void **state)
{
	char text[] = "{\"a\":[1,\"\\u0041x\"],\"b\":{}}";

	(void)state;
	for (size_t at = 0; at < sizeof(text) - 1; at++) {
		char kept = text[at];

		for (int c = 0; c < 256; c++) {
			text[at] = (char)c;
			(void)is_good((struct str){text, sizeof(text) - 1});
		}
		text[at] = kept;
	}
}

static void errors_say_where_and_why(void **state)
{
	static const struct {
		const char *text, *reason;
		size_t at;
	} rows[] = {
		{"", "empty", 0},
		{"\"ab\\u0000\"", "NUL escape", 3},
		{"\"\\udc00\"", "lone surrogate escape", 1},
		{"[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]", "nested too deep", 17},
		{"{\"a\":1,\"a\":2}", "duplicate key", 13},
		{"\"\xff\"", "invalid UTF-8", 0},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct json_read_error error = {0};

		assert_null(read_exact(str_of(rows[i].text), &error));
		assert_string_equal(error.reason, rows[i].reason);
		assert_int_equal(error.at, rows[i].at);
	}
}

static void expect_outcome(const struct collection_row *row, void *arg)
{
	(void)arg;
	if (is_good(row->fields[0]) == str_eq(row->outcome, STR("bad_json")))
		fail_msg("line %d", row->line);
}

static void the_collection(void **state)
{
	(void)state;
	collection_each("json.txt", expect_outcome, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tree),
		cmocka_unit_test(accepted),
		cmocka_unit_test(refused),
		cmocka_unit_test(depth),
		cmocka_unit_test(very_deep_or_wide),
		cmocka_unit_test(integers),
		cmocka_unit_test(range),
		cmocka_unit_test(every_cut),
		cmocka_unit_test(every_byte),
		cmocka_unit_test(errors_say_where_and_why),
		cmocka_unit_test(the_collection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
