/* SPDX-License-Identifier: BSD-2-Clause */
/* Answers that make no sense are refused, whatever the server sends. See live_record.c for sense. */
#include "config.h"

#include "store/record.h"

#include <stdlib.h>

#include "cmocka_setup.h"
#include "store/record_read.h"
#include "store/record_seal.h"

enum { COLUMNS_MAX = 40, ROUNDS = 20000 };

/* A row of columns of likely and unlikely widths, full of likely and unlikely bytes. */
static PGresult *make_noise(int columns)
{
	static const int widths[] = {-1, 0, 1, 1, 2, 4, 8, 8, 8, 3, 9};
	static const char bytes[] = "mtcrpxn\0\0\0\0\0\0\0\1\1\0\xff\x7f";
	PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
	PGresAttDesc attributes[COLUMNS_MAX] = {0};
	char name[] = "c";

	for (int i = 0; i < columns; i++) {
		attributes[i].name = name;
		attributes[i].format = 1;
	}
	assert_int_equal(PQsetResultAttrs(result, columns, attributes), 1);
	for (int i = 0; i < columns; i++) {
		int width = widths[(size_t)random() % LENGTH(widths)];
		char value[9];

		for (size_t k = 0; k < sizeof(value); k++)
			value[k] = bytes[(size_t)random() % (sizeof(bytes) - 1)];
		assert_int_equal(PQsetvalue(result, 0, i, value, width), 1);
	}
	return result;
}

static void parse_all(const PGresult *result)
{
	struct record_sent sent;
	struct record_opened opened;
	struct record_read_done done;
	struct record_read_list list;
	struct record_mark mark;
	struct record_unread unread;
	struct record_participant participant;
	struct record_events events;
	struct record_watched watched;
	struct record_sweep sweep;
	struct record_swept swept;
	struct record_seal_row row;
	struct str ticket;
	int64_t last_seq;

	if (record_parse_events(result, STR("T-1"), &events) == 0) {
		for (size_t i = 0; i < events.count; i++)
			assert_true(event_kind_is_known(events.events[i].kind));
		record_events_deinit(&events);
	}
	if (record_parse_watch(result, &watched) == 0)
		record_watched_deinit(&watched);
	record_parse_send(result, STR("T-1"), &sent);
	record_parse_open(result, &opened);
	record_read_parse_mark(result, &done);
	record_read_parse_list(result, &list);
	record_read_parse_listed(result, 0, &ticket, &mark);
	record_read_parse_unread(result, &unread);
	record_read_parse_ticket(result, 0, &ticket, &last_seq);
	record_parse_participant(result, 0, &participant);
	record_parse_sweep(result, &sweep);
	record_parse_swept(result, 0, &swept);
	record_parse_tail(result, 0, &ticket, &last_seq);
	if (record_seal_parse(result, 0, &row) == 0)
		assert_true(row.ticket.p != NULL && row.seq > 0);
	record_seal_parse_changed(result, &last_seq);
	record_seal_parse_sample(result, 0, &ticket, &last_seq);
}

static void noise(void **state)
{
	(void)state;
	srandom(1);
	for (int i = 0; i < ROUNDS; i++) {
		PGresult *result = make_noise((int)((size_t)random() % COLUMNS_MAX));

		parse_all(result);
		PQclear(result);
	}
}

static void no_row(void **state)
{
	PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
	struct record_sent sent;
	struct record_opened opened;
	struct record_events events;
	struct record_watched watched;
	struct record_sweep sweep;
	struct record_read_done done;
	struct record_read_list list;
	struct record_unread unread;
	int64_t changed;

	(void)state;
	assert_int_equal(record_parse_send(result, STR("T-1"), &sent), -1);
	assert_int_equal(record_parse_open(result, &opened), -1);
	assert_int_equal(record_parse_events(result, STR("T-1"), &events), -1);
	assert_int_equal(record_parse_watch(result, &watched), -1);
	assert_int_equal(record_parse_sweep(result, &sweep), -1);
	assert_int_equal(record_read_parse_mark(result, &done), -1);
	assert_int_equal(record_read_parse_list(result, &list), -1);
	assert_int_equal(record_read_parse_unread(result, &unread), -1);
	assert_int_equal(record_count_participants(result), 0);
	assert_int_equal(record_count_tails(result), 0);
	assert_int_equal(record_seal_count(result), 0);
	assert_int_equal(record_seal_parse_changed(result, &changed), -1);
	PQclear(result);
}

/* What a statement must not be sent with. */
static void hostile_input(void **state)
{
	const struct str nul = {"T\0-1", 4};
	struct pg_stmt stmt;

	(void)state;
	record_put_tail(&stmt, nul, 5);
	assert_false(pg_stmt_ok(&stmt));
	pg_stmt_deinit(&stmt);
	record_put_tails(&stmt, &nul, 1);
	assert_false(pg_stmt_ok(&stmt));
	pg_stmt_deinit(&stmt);
	record_put_tail(&stmt, STR("T-1"), 1000000000);
	assert_true(pg_stmt_ok(&stmt));
	assert_string_equal(stmt.bytes.data + stmt.params[1].offset, "1000");
	pg_stmt_deinit(&stmt);
	record_put_tail(&stmt, STR("T-1"), -5);
	assert_string_equal(stmt.bytes.data + stmt.params[1].offset, "1");
	pg_stmt_deinit(&stmt);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(noise),
		cmocka_unit_test(no_row),
		cmocka_unit_test(hostile_input),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
