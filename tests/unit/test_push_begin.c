/* SPDX-License-Identifier: BSD-2-Clause */
/* Where subscriptions begin. */
#include "config.h"

#include "cmocka_setup.h"
#include "push/begin.h"

static const char *parse(const char *cursor, const char *text, struct begin_wish *wish_r)
{
	struct query query;
	const char *fault = NULL;

	assert_int_equal(query_parse(&query, str_of(text), &fault), QUERY_OK);
	fault = begin_parse(str_of(cursor), &query, wish_r);
	query_deinit(&query);
	return fault;
}

static void the_cursor_comes_before_since_and_since_before_init(void **state)
{
	static const struct {
		const char *cursor, *query;
		enum begin_kind kind;
	} rows[] = {
		{NULL, "", BEGIN_NOW},
		{"", "", BEGIN_NOW},
		{"1.5", "since=0&init=5", BEGIN_CURSOR},
		{"rubbish", "since=0", BEGIN_CURSOR},
		{NULL, "since=0&init=5", BEGIN_FIRST},
		{NULL, "init=5", BEGIN_INIT},
		{NULL, "init=0", BEGIN_NOW},
	};
	struct begin_wish begin;

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		assert_null(parse(rows[i].cursor, rows[i].query, &begin));
		assert_int_equal(begin.kind, rows[i].kind);
	}
}

static void bad_parameters_are_refused(void **state)
{
	static const char *const queries[] = {
		"since=1", "since=x",  "since=", "since=-1", "init=201",
		"init=-1", "init=5.0", "init=x", "init="};
	struct begin_wish begin;

	(void)state;
	for (size_t i = 0; i < LENGTH(queries); i++) {
		assert_non_null(parse(NULL, queries[i], &begin));
		assert_non_null(parse("1.5", queries[i], &begin));
	}
}

static const struct begin_ticket ticket = {
	.epoch = 4, .last = 20, .newest = 18, .is_certain = true};

static struct begin_place place_of(const char *cursor, const struct begin_ticket *now)
{
	struct begin begin = {.kind = BEGIN_CURSOR, .cursor = cursor_parse(str_of(cursor))};
	struct begin_place place;

	begin_place(&begin, now, NULL, &place);
	return place;
}

static void a_cursor_resumes_where_it_says(void **state)
{
	static const char *const cursors[] = {"4.0", "4.7", "4.18"};

	(void)state;
	for (size_t i = 0; i < LENGTH(cursors); i++) {
		struct begin_place place = place_of(cursors[i], &ticket);
		char text[CURSOR_TEXT_SIZE];

		assert_false(place.is_void);
		assert_int_equal(place.pos, place.shown);
		assert_true(str_eq_c(cursor_format(place.hello.epoch, place.hello.seq, text),
				     cursors[i]));
	}
}

/* 4.19 is a note's: no requester was ever given it. */
static void a_foreign_cursor_begins_now_with_a_gap(void **state)
{
	static const char *const rows[][2] = {
		{"3.7", "3.7"}, {"5.7", "5.7"}, {"4.19", "4.19"},   {"4.21", "4.21"},
		{"x", "0.0"},	{"4.", "0.0"},	{"4.~AAAA", "0.0"},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct begin_place place = place_of(rows[i][0], &ticket);
		char text[CURSOR_TEXT_SIZE];

		assert_true(place.is_void);
		assert_int_equal(place.pos, 20);
		assert_int_equal(place.shown, 18);
		/* The same again if the connection is lost before the gap is read. */
		assert_true(str_eq_c(cursor_format(place.hello.epoch, place.hello.seq, text),
				     rows[i][1]));
	}
}

static void redis_alone_cannot_say_that_a_cursor_is_ahead(void **state)
{
	const struct begin_ticket now = {.epoch = 4, .last = 20, .newest = 18};

	(void)state;
	assert_false(place_of("4.25", &now).is_void);
	assert_true(place_of("3.2", &now).is_void);
}

static void the_newest_messages_begin_before_the_first_of_them(void **state)
{
	const struct begin begin = {.kind = BEGIN_INIT};
	const struct begin_first first = {.seq = 3, .prev = 1};
	struct begin_place place;

	(void)state;
	begin_place(&begin, &ticket, &first, &place);
	assert_int_equal(place.pos, 2);
	assert_int_equal(place.shown, 1);
	assert_int_equal(place.hello.seq, 1);
	begin_place(&begin, &ticket, NULL, &place);
	assert_int_equal(place.pos, 20);
}

/* What one cursor says of several tickets. */
static void each_ticket_has_its_own_place(void **state)
{
	const struct cursor_place places[] = {{3, 7}, {5, CURSOR_VOID}};
	struct begin_wish wish = {.kind = BEGIN_CURSOR};
	struct buf text = BUF_INIT;
	struct begin begin;

	(void)state;
	cursor_put_places(&text, 4, places, 2);
	cursor_any_parse(buf_str(&text), &wish.cursor);
	begin_of(&wish, 3, &begin);
	assert_int_equal(begin.kind, BEGIN_CURSOR);
	assert_true(begin.cursor.valid);
	assert_int_equal(begin.cursor.epoch, 4);
	assert_int_equal(begin.cursor.seq, 7);
	begin_of(&wish, 5, &begin);
	assert_int_equal(begin.kind, BEGIN_CURSOR);
	assert_false(begin.cursor.valid);
	begin_of(&wish, 4, &begin);
	assert_int_equal(begin.kind, BEGIN_NOW);
	cursor_any_parse(STR("4.9"), &wish.cursor);
	begin_of(&wish, 4, &begin);
	assert_true(begin.cursor.valid);
	assert_int_equal(begin.cursor.seq, 9);
	cursor_any_parse(STR("4.~x"), &wish.cursor);
	begin_of(&wish, 3, &begin);
	assert_int_equal(begin.kind, BEGIN_CURSOR);
	assert_false(begin.cursor.valid);
	buf_deinit(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_cursor_comes_before_since_and_since_before_init),
		cmocka_unit_test(bad_parameters_are_refused),
		cmocka_unit_test(a_cursor_resumes_where_it_says),
		cmocka_unit_test(a_foreign_cursor_begins_now_with_a_gap),
		cmocka_unit_test(redis_alone_cannot_say_that_a_cursor_is_ahead),
		cmocka_unit_test(the_newest_messages_begin_before_the_first_of_them),
		cmocka_unit_test(each_ticket_has_its_own_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
