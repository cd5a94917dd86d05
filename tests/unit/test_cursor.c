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

/* ---- of several tickets ---- */

static void put_places(struct buf *text, int64_t epoch, const struct cursor_place *places, size_t n)
{
	cursor_put_places(text, epoch, places, n);
	assert_true(buf_ok(text));
}

static void places_come_back(void **state)
{
	static const struct cursor_place places[] = {
		{0, 0},
		{1, 127},
		{0x0102030405060708, 128},
		{1ULL << 63, 16384},
		{UINT64_MAX - 1, 1000000},
		{UINT64_MAX, CURSOR_VOID},
	};

	(void)state;
	for (size_t n = 0; n <= LENGTH(places); n++) {
		struct buf text = BUF_INIT;
		struct cursor_any any;

		put_places(&text, 7, places, n);
		cursor_any_parse(buf_str(&text), &any);
		assert_int_equal(any.form, CURSOR_MANY);
		assert_int_equal(any.epoch, 7);
		assert_int_equal(any.n, n);
		for (size_t i = 0; i < n; i++) {
			const struct cursor_place *place = cursor_any_find(&any, places[i].key);

			assert_non_null(place);
			assert_int_equal(place->seq, places[i].seq);
		}
		assert_null(cursor_any_find(&any, 12345));
		assert_false(cursor_parse(buf_str(&text)).valid);
		buf_deinit(&text);
	}
}

/* The contract: 2 KB for 64 tickets, and one line of a request's head for as many as there may be. */
static void the_longest_fits_a_header(void **state)
{
	struct cursor_place places[CURSOR_PLACES_MAX];
	struct cursor_any any;
	struct buf text = BUF_INIT;

	(void)state;
	for (size_t i = 0; i < CURSOR_PLACES_MAX; i++)
		places[i] = (struct cursor_place){UINT64_MAX - CURSOR_PLACES_MAX + i, INT64_MAX};
	put_places(&text, INT64_MAX, places, 64);
	assert_true(text.len <= 2048);
	buf_deinit(&text);
	put_places(&text, INT64_MAX, places, CURSOR_PLACES_MAX);
	assert_true(text.len < 4000);
	cursor_any_parse(buf_str(&text), &any);
	assert_int_equal(any.form, CURSOR_MANY);
	assert_int_equal(any.n, CURSOR_PLACES_MAX);
	buf_deinit(&text);
}

static void one_number_is_the_other_form(void **state)
{
	struct cursor_any any;

	(void)state;
	cursor_any_parse(STR("3.58"), &any);
	assert_int_equal(any.form, CURSOR_ONE);
	assert_int_equal(any.epoch, 3);
	assert_int_equal(any.seq, 58);
	assert_int_equal(any.n, 0);
}

static void bad_places(void **state)
{
	static const char *const rows[] = {
		"",
		"~",
		"1.",
		"1~",
		"0.~",
		"01.~",
		"-1.~",
		"x.~",
		"1.~~",
		"1.~ ",
		"1.~A",
		"1.~AA",
		"1.~AAAAAAAAAAA",	       /* a key without a number */
		"1.~AAAAAAAAAACA",	       /* a number that goes on */
		"1.~AAAAAAAAAACAAA",	       /* a longer zero than need be */
		"1.~AAAAAAAAAACAAR",	       /* bits behind the end */
		"1.~AAAAAAAAAAAAAAAAAAAAAAAA", /* the same key twice */
		"1.~AAAAAAAAAAEAAAAAAAAAAAAB", /* keys that descend */
		"1.~AAAAAAAAAAD___________8B", /* more than 63 bits */
		"1.~AAAAAAAAAAA=",
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct cursor_any any;

		cursor_any_parse(str_of(rows[i]), &any);
		if (any.form != CURSOR_BAD)
			fail_msg("taken: %s", rows[i]);
	}
}

/* Cut anywhere it is a cursor of fewer tickets, or none. */
static void every_cut_of_places(void **state)
{
	static const struct cursor_place places[] = {{5, 300}, {6, 1}, {7, 70000}};
	struct buf text = BUF_INIT;

	(void)state;
	put_places(&text, 1, places, LENGTH(places));
	for (size_t i = 0; i <= text.len; i++) {
		struct cursor_any any;

		cursor_any_parse((struct str){text.data, i}, &any);
		if (any.form != CURSOR_MANY)
			continue;
		assert_true(any.n <= LENGTH(places));
		for (size_t k = 0; k < any.n; k++)
			assert_int_equal(any.places[k].key, places[k].key);
	}
	buf_deinit(&text);
}

/* Written down in cursors that clients keep: it must not change. */
static void keys_are_for_ever(void **state)
{
	(void)state;
	assert_true(cursor_key(STR("T-1")) == UINT64_C(0x79ae7da57e445c69));
	assert_true(cursor_key(STR("T-1")) != cursor_key(STR("T-2")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good),
		cmocka_unit_test(bad),
		cmocka_unit_test(every_cut),
		cmocka_unit_test(places_come_back),
		cmocka_unit_test(the_longest_fits_a_header),
		cmocka_unit_test(one_number_is_the_other_form),
		cmocka_unit_test(bad_places),
		cmocka_unit_test(every_cut_of_places),
		cmocka_unit_test(keys_are_for_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
