/* SPDX-License-Identifier: BSD-2-Clause */
/* Read marks and unread counts against a real PostgreSQL. */
#include "config.h"

#include "store/record_read.h"

#include <stdio.h>

#include "cmocka_setup.h"
#include "live_pg.h"

static struct pg_conn *conn;

/*
 * A ticket of messages by the senders that `authors` names, a letter each; a capital letter writes a note.
 */
static void make(const char *ticket, const char *authors)
{
	for (size_t i = 0; authors[i] != '\0'; i++) {
		bool is_note = authors[i] >= 'A' && authors[i] <= 'Z';
		char sender = (char)(is_note ? authors[i] - 'A' + 'a' : authors[i]);
		char uid[16];
		const struct record_send send = {
			.ticket = str_of(ticket),
			.sender_id = {&sender, 1},
			.role = STR("agent"),
			.content = STR("hello"),
			.uid = {uid, (size_t)snprintf(uid, sizeof(uid), "%zu", i)},
			.digest = STR("digest"),
			.kind = is_note ? MESSAGE_NOTE : MESSAGE_TEXT,
			.grant = RECORD_GRANT_CLAIM,
			.if_match = -1,
		};
		struct record_sent sent;
		struct pg_stmt stmt;
		PGresult *result;

		record_put_send(&stmt, &send);
		result = live_pg_exec(conn, &stmt);
		assert_int_equal(record_parse_send(result, send.ticket, &sent), 0);
		assert_int_equal(sent.outcome, RECORD_CREATED);
		PQclear(result);
	}
}

static struct record_read_done put_as(const char *ticket, const char *user, const char *role,
				      enum record_grant grant, int64_t seq)
{
	const struct record_read read = {.ticket = str_of(ticket),
					 .user = str_of(user),
					 .role = str_of(role),
					 .grant = grant,
					 .seq = seq};
	struct record_read_done done;
	struct pg_stmt stmt;
	PGresult *result;

	record_read_put_mark(&stmt, &read);
	result = live_pg_exec(conn, &stmt);
	assert_int_equal(record_read_parse_mark(result, &done), 0);
	PQclear(result);
	return done;
}

static struct record_read_done put(const char *ticket, const char *user, int64_t seq)
{
	return put_as(ticket, user, "agent", RECORD_GRANT_CLAIM, seq);
}

static void a_mark_carries_the_counts_of_its_place(void **state)
{
	struct record_read_done done;

	(void)state;
	make("read place", "aBabA");
	done = put("read place", "c", 2);
	assert_int_equal(done.outcome, RECORD_READ_MOVED);
	assert_int_equal(done.epoch, 1);
	assert_int_equal(done.mark.seq, 2);
	assert_int_equal(done.mark.public_seq, 1);
	assert_int_equal(done.mark.n, 2);
	assert_int_equal(done.mark.n_public, 1);
	assert_true(done.mark.at_ms > 0);
	assert_true(done.is_public_moved);
	assert_int_equal(done.unread, 3);

	done = put("read place", "c", 9);
	assert_int_equal(done.mark.seq, 5);
	assert_int_equal(done.mark.public_seq, 4);
	assert_true(done.is_public_moved);
	assert_int_equal(done.unread, 0);

	done = put("read place", "c", 5);
	assert_int_equal(done.outcome, RECORD_READ_SAME);
	assert_int_equal(done.mark.seq, 5);
	assert_false(done.is_public_moved);
	done = put("read place", "c", 1);
	assert_int_equal(done.outcome, RECORD_READ_SAME);
	assert_int_equal(done.mark.seq, 5);
}

static void a_note_does_not_move_the_public_mark(void **state)
{
	struct record_read_done done;

	(void)state;
	make("read notes", "aBB");
	assert_true(put("read notes", "c", 1).is_public_moved);
	done = put("read notes", "c", 3);
	assert_int_equal(done.outcome, RECORD_READ_MOVED);
	assert_int_equal(done.mark.public_seq, 1);
	assert_false(done.is_public_moved);
}

static void a_requester_stands_on_public_events(void **state)
{
	struct record_read_done done;

	(void)state;
	make("read public", "BaBaB");
	done = put_as("read public", "r", "requester", RECORD_GRANT_CLAIM, 1);
	assert_int_equal(done.outcome, RECORD_READ_SAME);
	assert_int_equal(done.mark.seq, 0);
	assert_int_equal(done.unread, 2);
	done = put_as("read public", "r", "requester", RECORD_GRANT_CLAIM, 3);
	assert_int_equal(done.outcome, RECORD_READ_MOVED);
	assert_int_equal(done.mark.seq, 2);
	assert_int_equal(done.mark.public_seq, 2);
	assert_int_equal(done.mark.n, 2);
	assert_int_equal(done.mark.n_public, 1);
	assert_int_equal(done.unread, 1);
	done = put_as("read public", "r", "requester", RECORD_GRANT_CLAIM, 99);
	assert_int_equal(done.mark.seq, 4);
	assert_int_equal(done.unread, 0);
}

static void who_may(void **state)
{
	struct record_read_done done;

	(void)state;
	make("read may", "ab");
	done = put_as("read may", "c", "agent", RECORD_GRANT_NONE, 1);
	assert_int_equal(done.outcome, RECORD_READ_NOT_A_PARTICIPANT);
	assert_int_equal(done.mark.seq, 0);
	assert_int_equal(done.unread, 0);
	assert_int_equal(put_as("read may", "a", "agent", RECORD_GRANT_NONE, 1).outcome,
			 RECORD_READ_MOVED);
	live_pg_run("UPDATE bellhop.participant SET removed_at = now() WHERE ticket_id = 'read may'"
		    " AND user_id = 'a'");
	assert_int_equal(put_as("read may", "a", "agent", RECORD_GRANT_CLAIM, 2).outcome,
			 RECORD_READ_NOT_A_PARTICIPANT);
	assert_int_equal(put_as("read may", "a", "admin", RECORD_GRANT_ALL, 2).outcome,
			 RECORD_READ_MOVED);
}

static void a_ticket_that_has_not_begun(void **state)
{
	struct record_read_done done = put("read nowhere", "a", 3);

	(void)state;
	assert_int_equal(done.outcome, RECORD_READ_SAME);
	assert_int_equal(done.epoch, 1);
	assert_int_equal(done.mark.seq, 0);
	assert_int_equal(done.unread, 0);
}

static void where_retention_was(void **state)
{
	struct record_read_done done;

	(void)state;
	make("read erased", "abBabB");
	put("read erased", "b", 1);
	live_pg_run("SELECT bellhop.erase('read erased', 'open', 0, 4)");
	/* 5 and 6 are left; of those one is a note. */
	done = put("read erased", "c", 1);
	assert_int_equal(done.mark.seq, 4);
	assert_int_equal(done.mark.n, 4);
	assert_int_equal(done.mark.n_public, 3);
	assert_int_equal(done.mark.public_seq, 4);
	assert_int_equal(done.unread, 2);
	assert_int_equal(put("read erased", "b", 0).unread, 0);
	assert_int_equal(put("read erased", "a", 0).unread, 2);
	done = put_as("read erased", "r", "requester", RECORD_GRANT_CLAIM, 6);
	assert_int_equal(done.mark.seq, 5);

	live_pg_run("SELECT bellhop.erase('read erased', 'open', 0, 4)");
	done = put("read erased", "d", 6);
	assert_int_equal(done.mark.seq, 6);
	assert_int_equal(done.mark.n, 6);
	assert_int_equal(done.mark.public_seq, 5);
	assert_int_equal(done.unread, 0);
}

static void marks_are_listed(void **state)
{
	struct record_read_list list;
	struct record_mark mark;
	struct pg_stmt stmt;
	PGresult *result;
	struct str user;

	(void)state;
	make("read list", "aB");
	record_read_put_list(&stmt, STR("read list"), STR("x"));
	result = live_pg_exec(conn, &stmt);
	assert_int_equal(record_read_parse_list(result, &list), 0);
	assert_int_equal(list.count, 0);
	assert_int_equal(list.membership, RECORD_NOT_MEMBER);
	PQclear(result);

	put("read list", "d", 1);
	put("read list", "c", 1);
	put("read list", "c", 2);
	record_read_put_list(&stmt, STR("read list"), STR("a"));
	result = live_pg_exec(conn, &stmt);
	assert_int_equal(record_read_parse_list(result, &list), 0);
	assert_int_equal(list.count, 2);
	assert_int_equal(list.membership, RECORD_MEMBER);
	assert_int_equal(record_read_parse_listed(result, 0, &user, &mark), 0);
	assert_true(str_eq_c(user, "c"));
	assert_int_equal(mark.seq, 2);
	assert_int_equal(mark.public_seq, 1);
	assert_true(mark.public_at_ms > 0 && mark.public_at_ms <= mark.at_ms);
	assert_int_equal(record_read_parse_listed(result, 1, &user, &mark), 0);
	assert_true(str_eq_c(user, "d"));
	assert_int_equal(mark.public_at_ms, mark.at_ms);
	assert_int_equal(record_read_parse_listed(result, 2, &user, &mark), -1);
	PQclear(result);
}

static void unread_of_all_tickets(void **state)
{
	struct record_unread unread;
	struct pg_stmt stmt;
	struct str ticket;
	PGresult *result;
	int64_t count;

	(void)state;
	make("unread 2", "xaBa");
	make("unread 1", "aax");
	make("unread 3", "xa");
	make("unread 4", "aa");
	put("unread 3", "x", 2);
	live_pg_run(
		"UPDATE bellhop.participant SET removed_at = now() WHERE ticket_id = 'unread 4';"
		"INSERT INTO bellhop.participant (ticket_id, user_id, role)"
		" VALUES ('unread 5', 'x', 'agent')");
	record_read_put_unread(&stmt, STR("x"), false);
	result = live_pg_exec(conn, &stmt);
	assert_int_equal(record_read_parse_unread(result, &unread), 0);
	assert_int_equal(unread.epoch, 1);
	assert_int_equal(unread.count, 3);
	for (size_t i = 0; i < 3; i++) {
		static const char *const names[] = {"unread 1", "unread 2", "unread 3"};
		static const int64_t counts[] = {2, 2, 0};

		assert_int_equal(record_read_parse_ticket(result, i, &ticket, &count), 0);
		assert_true(str_eq_c(ticket, names[i]));
		assert_int_equal(count, counts[i]);
	}
	assert_int_equal(record_read_parse_ticket(result, 3, &ticket, &count), -1);
	PQclear(result);

	record_read_put_unread(&stmt, STR("x"), true);
	result = live_pg_exec(conn, &stmt);
	assert_int_equal(record_read_parse_ticket(result, 1, &ticket, &count), 0);
	assert_int_equal(count, 3);
	PQclear(result);

	record_read_put_unread(&stmt, STR("nobody"), true);
	result = live_pg_exec(conn, &stmt);
	assert_int_equal(record_read_parse_unread(result, &unread), 0);
	assert_int_equal(unread.count, 0);
	PQclear(result);
}

int main(void)
{
	const struct pg_opts opts = live_pg_opts();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mark_carries_the_counts_of_its_place),
		cmocka_unit_test(a_note_does_not_move_the_public_mark),
		cmocka_unit_test(a_requester_stands_on_public_events),
		cmocka_unit_test(who_may),
		cmocka_unit_test(a_ticket_that_has_not_begun),
		cmocka_unit_test(where_retention_was),
		cmocka_unit_test(marks_are_listed),
		cmocka_unit_test(unread_of_all_tickets),
	};
	int failed;

	conn = pg_conn_new(&opts);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	pg_conn_free(conn);
	return failed;
}
