/* SPDX-License-Identifier: BSD-2-Clause */
/* Strict UTF-8: a table, and every code point by an encoder that knows nothing of the decoder. */
#include "config.h"

#include <string.h>

#include "base/utf8.h"
#include "cmocka_setup.h"
#include "collection.h"

static void table(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		bool valid, text;
	} rows[] = {
		{"", 0, true, true},
		{"plain", 5, true, true},
		{"\t\n\r", 3, true, true},
		{"\0", 1, true, false},
		{"\x01", 1, true, false},
		{"\x1F", 1, true, false},
		{"\x7F", 1, true, false},
		{"\xC2\x80", 2, true, true},
		{"\xE2\x82\xAC", 3, true, true},
		{"\xF0\x9F\x9B\x8E", 4, true, true},
		{"\xF4\x8F\xBF\xBF", 4, true, true},
		/* overlong */
		{"\xC0\x80", 2, false, false},
		{"\xC1\xBF", 2, false, false},
		{"\xE0\x9F\xBF", 3, false, false},
		{"\xF0\x8F\xBF\xBF", 4, false, false},
		/* surrogates, above U+10FFFF, never a first byte */
		{"\xED\xA0\x80", 3, false, false},
		{"\xED\xBF\xBF", 3, false, false},
		{"\xF4\x90\x80\x80", 4, false, false},
		{"\xF5\x80\x80\x80", 4, false, false},
		{"\xFE", 1, false, false},
		{"\xFF", 1, false, false},
		/* tails without a head, heads without a tail */
		{"\x80", 1, false, false},
		{"a\xBF", 2, false, false},
		{"\xC2", 1, false, false},
		{"\xC2\x41", 2, false, false},
		{"\xE2\x82", 2, false, false},
		{"\xE2\x82\x41", 3, false, false},
		{"\xF0\x9F\x9B", 3, false, false},
		{"\xF0\x9F\x9B\x41", 4, false, false},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		const struct str s = {rows[i].bytes, rows[i].n};

		assert_int_equal(utf8_is_valid(s), rows[i].valid);
		assert_int_equal(utf8_is_text(s), rows[i].text);
	}
}

static size_t encode(uint32_t c, char *out)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xC0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3F));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xE0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3F));
		out[2] = (char)(0x80 | (c & 0x3F));
		return 3;
	}
	out[0] = (char)(0xF0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3F));
	out[2] = (char)(0x80 | (c >> 6 & 0x3F));
	out[3] = (char)(0x80 | (c & 0x3F));
	return 4;
}

static void every_code_point(void **state)
{
	(void)state;
	for (uint32_t c = 0; c < 0x120000; c++) {
		char bytes[4];
		size_t n = encode(c, bytes);
		bool valid = c < 0xD800 || (c > 0xDFFF && c < 0x110000);

		if (utf8_is_valid((struct str){bytes, n}) != valid)
			fail_msg("U+%04X", (unsigned int)c);
		/* Cut anywhere it is not valid. */
		for (size_t cut = 1; cut < n; cut++)
			assert_false(utf8_is_valid((struct str){bytes, cut}));
	}
}

static void cutting(void **state)
{
	const struct str s = STR("a\xE2\x82\xAC\xF0\x9F\x9B\x8E");
	static const size_t lengths[] = {0, 1, 1, 1, 4, 4, 4, 4, 8, 8};

	(void)state;
	for (size_t max = 0; max < LENGTH(lengths); max++)
		assert_int_equal(utf8_cut(s, max), lengths[max]);
}

static void expect_outcome(const struct collection_row *row, void *arg)
{
	const struct str text = row->fields[0];
	bool is_bad = str_eq(row->outcome, STR("bad")), is_ok = str_eq(row->outcome, STR("ok"));

	(void)arg;
	if (utf8_is_valid(text) == is_bad || utf8_is_text(text) != is_ok)
		fail_msg("line %d", row->line);
}

static void the_collection(void **state)
{
	(void)state;
	collection_each("utf8.txt", expect_outcome, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table),
		cmocka_unit_test(every_code_point),
		cmocka_unit_test(cutting),
		cmocka_unit_test(the_collection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
