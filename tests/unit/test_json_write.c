/* SPDX-License-Identifier: BSD-2-Clause */
/* Writing JSON: what comes out is well-formed or nothing at all. */
#include "config.h"

#include <string.h>

#include "cmocka_setup.h"
#include "web/json_read.h"
#include "web/json_write.h"

static void all_kinds(void **state)
{
	struct buf out = BUF_INIT;
	struct json_write w;

	(void)state;
	json_write_init(&w, &out);
	json_write_open_object(&w);
	json_write_member_str(&w, "s", STR("x"));
	json_write_member_str(&w, "absent", (struct str){NULL, 0});
	json_write_member_cstr(&w, "none", NULL);
	json_write_member_int(&w, "min", INT64_MIN);
	json_write_member_bool(&w, "t", true);
	json_write_member_null(&w, "z");
	json_write_member_array(&w, "list");
	json_write_int(&w, 1);
	json_write_bool(&w, false);
	json_write_open_array(&w);
	json_write_close(&w);
	json_write_open_object(&w);
	json_write_close(&w);
	json_write_null(&w);
	json_write_cstr(&w, "");
	json_write_close(&w);
	json_write_member_object(&w, "o");
	json_write_key_str(&w, STR("a\"b"));
	json_write_raw(&w, STR("[1,2]"));
	json_write_close(&w);
	json_write_close(&w);
	assert_int_equal(json_write_finish(&w), 0);
	assert_string_equal(
		buf_cstr(&out),
		"{\"s\":\"x\",\"absent\":null,\"none\":null,\"min\":-9223372036854775808,"
		"\"t\":true,\"z\":null,\"list\":[1,false,[],{},null,\"\"],"
		"\"o\":{\"a\\\"b\":[1,2]}}");
	buf_deinit(&out);
}

static void escapes(void **state)
{
	static const struct {
		struct str in;
		const char *out;
	} rows[] = {
		{{"\"\\/", 3}, "\"\\\"\\\\/\""},
		{{"\b\t\n\f\r", 5}, "\"\\b\\t\\n\\f\\r\""},
		{{"\0\x01\x1f\x7f", 4}, "\"\\u0000\\u0001\\u001f\\u007f\""},
		{{"\xc3\xbc<&>", 5}, "\"\xc3\xbc<&>\""},
		{{"a\xe2\x80\xa8"
		  "b\xe2\x80\xa9",
		  8},
		 "\"a\\u2028b\\u2029\""},
		{{"\xe2\x80\xa7\xe2\x82\xac", 6}, "\"\xe2\x80\xa7\xe2\x82\xac\""},
		{{"\xf0\x9f\x98\x80", 4}, "\"\xf0\x9f\x98\x80\""},
		{{"", 0}, "\"\""},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct buf out = BUF_INIT;
		struct json_write w;

		json_write_init(&w, &out);
		json_write_str(&w, rows[i].in);
		assert_int_equal(json_write_finish(&w), 0);
		assert_string_equal(buf_cstr(&out), rows[i].out);
		buf_deinit(&out);
	}
}

static void text_that_is_not_utf8_is_refused(void **state)
{
	static const struct str rows[] = {
		{"\xff", 1}, {"a\xc3", 2}, {"\xe2\x80", 2}, {"\xed\xa0\x80", 3}, {"\xc0\x80", 2}};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct buf out = BUF_INIT;
		struct json_write w;

		json_write_init(&w, &out);
		json_write_str(&w, rows[i]);
		assert_int_equal(json_write_finish(&w), -1);
		buf_deinit(&out);
	}
}

/* One letter a call: { [ close k(ey) i(nt) s(tring) r(aw) e(mpty raw) f(ail). */
static void play(struct json_write *w, const char *calls)
{
	for (; *calls != '\0'; calls++) {
		switch (*calls) {
		case '{':
			json_write_open_object(w);
			break;
		case '[':
			json_write_open_array(w);
			break;
		case ')':
			json_write_close(w);
			break;
		case 'k':
			json_write_key(w, "k");
			break;
		case 'i':
			json_write_int(w, 1);
			break;
		case 's':
			json_write_cstr(w, "s");
			break;
		case 'f':
			json_write_fail(w);
			break;
		default:
			json_write_raw(w, *calls == 'r' ? STR("{}") : STR(""));
			break;
		}
	}
}

static void misuse_is_sticky(void **state)
{
	static const struct {
		const char *calls;
		int result;
	} rows[] = {
		{"", -1},
		{"i", 0},
		{"ii", -1},
		{"is", -1},
		{"k", -1},
		{"ki", -1},
		{")", -1},
		{"{)", 0},
		{"{))", -1},
		{"{", -1},
		{"[", -1},
		{"{i)", -1},
		{"{k)", -1},
		{"{ki)", 0},
		{"{kk)", -1},
		{"[k", -1},
		{"[ki)", -1},
		{"[i)", 0},
		{"[)i", -1},
		{"[)[)", -1},
		{"{k[)", -1},
		{"{k[))", 0},
		{"{k{))", 0},
		{"r", 0},
		{"e", -1},
		{"[er)", -1},
		{"{kiki)", 0},
		{"{kii)", -1},
		{"{s)", -1},
		{"{{))", -1},
		{"{kif)", -1},
		{"[[[[[[[[[[[[[[[[))))))))))))))))", 0},
		{"[[[[[[[[[[[[[[[[[)))))))))))))))))", -1},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct buf out = BUF_INIT;
		struct json_write w;

		json_write_init(&w, &out);
		play(&w, rows[i].calls);
		assert_int_equal(json_write_finish(&w), rows[i].result);
		buf_deinit(&out);
	}
}

static void a_full_buffer_fails(void **state)
{
	struct buf out = {.limit = 8};
	struct json_write w;

	(void)state;
	json_write_init(&w, &out);
	json_write_cstr(&w, "longer than eight");
	assert_int_equal(json_write_finish(&w), -1);
	buf_deinit(&out);
}

/* Whatever string is written is read back as it was, byte by byte. */
static void round_trip(void **state)
{
	struct buf text = BUF_INIT, out = BUF_INIT;
	struct json_read_error error;
	struct json_read *json;
	struct json_write w;

	(void)state;
	for (int c = 1; c < 0x80; c++)
		buf_putc(&text, (char)c);
	buf_puts(
		&text,
		"\xc2\x80\xdf\xbf\xe0\xa0\x80\xe2\x80\xa8\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf");
	json_write_init(&w, &out);
	json_write_open_object(&w);
	json_write_member_str(&w, "k", buf_str(&text));
	json_write_close(&w);
	assert_int_equal(json_write_finish(&w), 0);
	assert_int_equal(json_read(buf_str(&out), &json, &error), JSON_READ_OK);
	assert_true(
		str_eq(json_read_str(json_read_find(json_read_root(json), "k")), buf_str(&text)));
	json_read_free(json);
	buf_deinit(&text);
	buf_deinit(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_kinds),
		cmocka_unit_test(escapes),
		cmocka_unit_test(text_that_is_not_utf8_is_refused),
		cmocka_unit_test(misuse_is_sticky),
		cmocka_unit_test(a_full_buffer_fails),
		cmocka_unit_test(round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
