/* SPDX-License-Identifier: BSD-2-Clause */
/* The record against a real PostgreSQL: numbering, replays, guards, pages, and what is unread. */
#include "config.h"

#include "store/record.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "cmocka_setup.h"
#include "live_pg.h"

static struct pg_conn *conn;

static const struct record_send plain = {
	.sender_id = STR("alice"),
	.sender_name = STR("Alice"),
	.role = STR("requester"),
	.content = STR("hello"),
	.digest = STR("digest of hello"),
	.kind = MESSAGE_TEXT,
	.grant = RECORD_GRANT_CLAIM,
	.if_match = -1,
};

/* `plain` with another ticket and uid; the caller changes more. */
static struct record_send a_send(const char *ticket, const char *uid)
{
	struct record_send send = plain;

	send.ticket = str_of(ticket);
	send.uid = str_of(uid);
	return send;
}

/* Keeps the result until the next call: the strings of the answer are in it. */
static struct record_sent do_send(const struct record_send *send)
{
	static PGresult *result;
	struct record_sent sent;
	struct pg_stmt stmt;

	PQclear(result);
	record_put_send(&stmt, send);
	result = live_pg_exec(conn, &stmt);
	assert_int_equal(record_parse_send(result, send->ticket, &sent), 0);
	return sent;
}

static enum record_outcome outcome_of(const struct record_send *send)
{
	return do_send(send).outcome;
}

static void first_message(void **state)
{
	struct record_send send = a_send("first", "u1");
	struct record_sent sent = do_send(&send);
	int64_t age_ms = clock_real_ms() - sent.event.sent_at_ms;

	(void)state;
	assert_int_equal(sent.outcome, RECORD_CREATED);
	assert_true(sent.ticket.is_begun);
	assert_int_equal(sent.ticket.epoch, 1);
	assert_int_equal(sent.ticket.first_seq, 1);
	assert_int_equal(sent.ticket.last_seq, 1);
	assert_int_equal(sent.ticket.last_public, 1);
	assert_true(str_eq_c(sent.ticket.status, "open"));
	assert_null(sent.ticket.title.p);
	assert_int_equal(sent.event.kind, EVENT_MESSAGE);
	assert_int_equal(sent.event.message_kind, MESSAGE_TEXT);
	assert_int_equal(sent.event.seq, 1);
	assert_int_equal(sent.event.n, 1);
	assert_int_equal(sent.event.n_public, 1);
	assert_int_equal(sent.event.prev_public, 0);
	assert_int_equal(sent.event.rev, 1);
	assert_true(sent.event.is_public);
	assert_true(str_eq_c(sent.event.ticket, "first"));
	assert_true(str_eq_c(sent.event.sender_id, "alice"));
	assert_true(str_eq_c(sent.event.sender_name, "Alice"));
	assert_true(str_eq_c(sent.event.content, "hello"));
	assert_true(str_eq_c(sent.event.uid, "u1"));
	assert_null(sent.event.deleted_by.p);
	assert_int_equal(sent.event.edited_at_ms, 0);
	assert_int_equal(sent.event.deleted_at_ms, 0);
	assert_true(age_ms >= 0 && age_ms < 60000);
	assert_int_equal(live_pg_number("SELECT count(*) FROM bellhop.participant"
					" WHERE ticket_id = 'first' AND role = 'requester'"),
			 1);
}

static void notes_have_their_own_numbers(void **state)
{
	static const enum message_kind kinds[] = {MESSAGE_TEXT, MESSAGE_NOTE,	MESSAGE_NOTE,
						  MESSAGE_TEXT, MESSAGE_SYSTEM, MESSAGE_NOTE};
	static const int64_t n_public[] = {1, 1, 1, 2, 3, 3};
	static const int64_t prev_public[] = {0, 1, 1, 1, 4, 5};
	struct record_sent sent;

	(void)state;
	for (size_t i = 0; i < LENGTH(kinds); i++) {
		char uid[8];
		struct record_send send;

		snprintf(uid, sizeof(uid), "u%zu", i);
		send = a_send("notes", uid);
		send.kind = kinds[i];
		send.role = STR("agent");
		sent = do_send(&send);
		assert_int_equal(sent.event.seq, i + 1);
		assert_int_equal(sent.event.n, i + 1);
		assert_int_equal(sent.event.n_public, n_public[i]);
		assert_int_equal(sent.event.prev_public, prev_public[i]);
		assert_int_equal(sent.event.is_public, kinds[i] != MESSAGE_NOTE);
	}
	assert_int_equal(sent.ticket.last_seq, 6);
	assert_int_equal(sent.ticket.last_public, 5);
	assert_int_equal(sent.ticket.n, 6);
	assert_int_equal(sent.ticket.n_public, 3);
}

static void a_repeated_send(void **state)
{
	struct record_send send = a_send("repeat", "same"), other = send;
	struct record_sent sent;

	(void)state;
	assert_int_equal(outcome_of(&send), RECORD_CREATED);
	sent = do_send(&send);
	assert_int_equal(sent.outcome, RECORD_REPLAYED);
	assert_int_equal(sent.event.seq, 1);
	assert_int_equal(sent.ticket.last_seq, 1);
	other.digest = STR("another");
	assert_int_equal(outcome_of(&other), RECORD_MISMATCH);
	other.sender_id = STR("bob");
	assert_int_equal(outcome_of(&other), RECORD_CREATED);
	other.ticket = STR("repeat elsewhere");
	assert_int_equal(outcome_of(&other), RECORD_CREATED);

	/* A replay tells the message as it is now. */
	live_pg_run("UPDATE bellhop.event SET rev = 2, content = 'edited', edited_at = now()"
		    " WHERE ticket_id = 'repeat' AND seq = 1");
	sent = do_send(&send);
	assert_int_equal(sent.outcome, RECORD_REPLAYED);
	assert_int_equal(sent.event.rev, 2);
	assert_true(str_eq_c(sent.event.content, "edited"));
	assert_true(sent.event.edited_at_ms > 0);
	live_pg_run("UPDATE bellhop.event SET content = NULL, digest = NULL, deleted_at = now(),"
		    " deleted_by = 'bob' WHERE ticket_id = 'repeat' AND seq = 1");
	sent = do_send(&send);
	assert_int_equal(sent.outcome, RECORD_REPLAYED);
	assert_null(sent.event.content.p);
	assert_true(str_eq_c(sent.event.deleted_by, "bob"));
}

static void who_may_send(void **state)
{
	struct record_send send = a_send("may", "u1");

	(void)state;
	send.grant = RECORD_GRANT_NONE;
	assert_int_equal(outcome_of(&send), RECORD_NOT_A_PARTICIPANT);
	assert_false(do_send(&send).ticket.is_begun);
	assert_int_equal(
		live_pg_number("SELECT count(*) FROM bellhop.ticket WHERE ticket_id = 'may'"), 0);

	send.grant = RECORD_GRANT_CLAIM;
	assert_int_equal(outcome_of(&send), RECORD_CREATED);
	/* Sending has made alice a participant: the claim is no longer needed. */
	send = a_send("may", "u2");
	send.grant = RECORD_GRANT_NONE;
	assert_int_equal(outcome_of(&send), RECORD_CREATED);

	live_pg_run("UPDATE bellhop.participant SET removed_at = now() WHERE ticket_id = 'may'");
	send.uid = STR("u3");
	assert_int_equal(outcome_of(&send), RECORD_NOT_A_PARTICIPANT);
	send.grant = RECORD_GRANT_CLAIM;
	assert_int_equal(outcome_of(&send), RECORD_NOT_A_PARTICIPANT);
	assert_false(do_send(&send).ticket.is_begun);
	send.uid = STR("u2");
	assert_int_equal(outcome_of(&send), RECORD_REPLAYED);
	send.uid = STR("u3");
	send.grant = RECORD_GRANT_ALL;
	assert_int_equal(outcome_of(&send), RECORD_CREATED);

	send = a_send("may", "u4");
	send.sender_id = STR("robot");
	send.role = STR("service");
	send.grant = RECORD_GRANT_ALL;
	assert_int_equal(outcome_of(&send), RECORD_CREATED);
	assert_int_equal(live_pg_number("SELECT count(*) FROM bellhop.participant"
					" WHERE ticket_id = 'may'"),
			 1);
}

static void a_closed_ticket(void **state)
{
	struct record_send send = a_send("closed", "u1");
	struct record_sent sent;

	(void)state;
	assert_int_equal(outcome_of(&send), RECORD_CREATED);
	live_pg_run("UPDATE bellhop.ticket SET status = 'closed' WHERE ticket_id = 'closed'");
	assert_int_equal(outcome_of(&send), RECORD_REPLAYED);
	send.uid = STR("u2");
	sent = do_send(&send);
	assert_int_equal(sent.outcome, RECORD_CLOSED);
	assert_true(str_eq_c(sent.ticket.status, "closed"));
	assert_int_equal(sent.ticket.last_seq, 1);
	send.role = STR("service");
	assert_int_equal(outcome_of(&send), RECORD_CREATED);
}

static void a_guarded_send(void **state)
{
	struct record_send alice = a_send("guard", "a1"), bob = a_send("guard", "b1");
	struct record_sent sent;

	(void)state;
	bob.sender_id = STR("bob");
	bob.role = STR("agent");
	alice.if_match = 0;
	assert_int_equal(outcome_of(&alice), RECORD_CREATED);
	/* One's own messages never stand in the way. */
	alice.uid = STR("a2");
	assert_int_equal(outcome_of(&alice), RECORD_CREATED);

	bob.if_match = 0;
	sent = do_send(&bob);
	assert_int_equal(sent.outcome, RECORD_NEWER);
	assert_int_equal(sent.newer, 2);
	assert_int_equal(sent.ticket.last_seq, 2);
	bob.if_match = 1;
	assert_int_equal(outcome_of(&bob), RECORD_NEWER);
	bob.if_match = 2;
	bob.kind = MESSAGE_NOTE;
	assert_int_equal(outcome_of(&bob), RECORD_CREATED);

	/* A note is nothing to a requester, and something to an agent. */
	alice.uid = STR("a3");
	alice.if_match = 2;
	assert_int_equal(outcome_of(&alice), RECORD_CREATED);
	alice.uid = STR("a4");
	alice.role = STR("agent");
	sent = do_send(&alice);
	assert_int_equal(sent.outcome, RECORD_NEWER);
	assert_int_equal(sent.newer, 3);
	/* The check for a repetition comes first. */
	alice.uid = STR("a3");
	assert_int_equal(outcome_of(&alice), RECORD_REPLAYED);
}

/* One of many processes: sends each message twice, as one does who got no answer. */
static int send_many(int sender, int count)
{
	struct pg_opts opts = live_pg_opts();
	struct pg_conn *c = pg_conn_new(&opts);
	int failures = 0;

	for (int i = 0; i < 2 * count; i++) {
		char uid[32], name[32];
		struct record_send send;
		struct record_sent sent = {0};
		struct pg_stmt stmt;
		PGresult *result = NULL;

		snprintf(uid, sizeof(uid), "u%d", i / 2);
		/* Two processes share each name, and so race for the same uids. */
		snprintf(name, sizeof(name), "sender%d", sender / 2);
		send = a_send("crowd", uid);
		send.sender_id = str_of(name);
		send.kind = i / 2 % 3 == 0 ? MESSAGE_NOTE : MESSAGE_TEXT;
		record_put_send(&stmt, &send);
		if (pg_conn_exec(c, &stmt, live_pg_deadline(), &result) != ERR_NONE ||
		    record_parse_send(result, send.ticket, &sent) != 0 ||
		    (sent.outcome != RECORD_CREATED && sent.outcome != RECORD_REPLAYED) ||
		    (i % 2 == 1 && sent.outcome != RECORD_REPLAYED))
			failures++;
		PQclear(result);
		pg_stmt_deinit(&stmt);
	}
	pg_conn_free(c);
	return failures;
}

static void fifty_senders(void **state)
{
	enum { SENDERS = 50, EACH = 12, TOTAL = SENDERS / 2 * EACH };
	pid_t pids[SENDERS];

	(void)state;
	for (int i = 0; i < SENDERS; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0)
			_exit(send_many(i, EACH) != 0);
	}
	for (int i = 0; i < SENDERS; i++) {
		int status;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(live_pg_number("SELECT last_seq FROM bellhop.ticket"
					" WHERE ticket_id = 'crowd'"),
			 TOTAL);
	/* Numbers without a hole, and each counter equal to a recount. */
	assert_int_equal(
		live_pg_number(
			"SELECT count(*) FROM (SELECT *, row_number() OVER w AS i,"
			" count(*) FILTER (WHERE is_public) OVER w AS p,"
			" coalesce(max(seq) FILTER (WHERE is_public) OVER"
			"  (w ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS prev,"
			" count(*) OVER s AS o, count(*) FILTER (WHERE is_public) OVER s AS op,"
			" lag(sent_at) OVER w > sent_at AS is_back"
			" FROM bellhop.event WHERE ticket_id = 'crowd'"
			" WINDOW w AS (ORDER BY seq), s AS (PARTITION BY sender_id ORDER BY seq)) e"
			" WHERE seq <> i OR n <> i OR n_public <> p OR prev_public <> prev"
			" OR own <> o OR own_public <> op OR is_back"),
		0);
}

/* ---- reading ---- */

static struct record_events read_events(struct pg_stmt *stmt, const char *ticket,
					PGresult **result_r)
{
	struct record_events events;

	*result_r = live_pg_exec(conn, stmt);
	assert_int_equal(record_parse_events(*result_r, str_of(ticket), &events), 0);
	return events;
}

/* "1 2 3": the seqs of what was read. */
static void assert_seqs(struct pg_stmt *stmt, const char *ticket, const char *expected)
{
	struct buf seqs = BUF_INIT;
	PGresult *result;
	struct record_events events = read_events(stmt, ticket, &result);

	for (size_t i = 0; i < events.count; i++)
		buf_printf(&seqs, "%s%d", i == 0 ? "" : " ", (int)events.events[i].seq);
	assert_string_equal(buf_cstr(&seqs), expected);
	assert_int_equal(events.ticket.epoch, 1);
	buf_deinit(&seqs);
	record_events_deinit(&events);
	PQclear(result);
}

/* Ten messages, of which 3 and 4 are notes, then 11 edits 2, 12 deletes 5, 13 closes. */
static void make_ten(const char *ticket)
{
	for (int i = 1; i <= 10; i++) {
		char uid[8];
		struct record_send send;

		snprintf(uid, sizeof(uid), "u%d", i);
		send = a_send(ticket, uid);
		send.sender_id = i % 2 == 0 ? STR("bob") : STR("alice");
		send.role = STR("agent");
		send.kind = i == 3 || i == 4 ? MESSAGE_NOTE : MESSAGE_TEXT;
		assert_int_equal(outcome_of(&send), RECORD_CREATED);
	}
	live_pg_run(
		"UPDATE bellhop.event SET rev = 2, content = 'edited', edited_at = now()"
		" WHERE ticket_id = '%s' AND seq = 2;"
		"UPDATE bellhop.event SET content = NULL, digest = NULL, deleted_at = now(),"
		" deleted_by = 'bob' WHERE ticket_id = '%s' AND seq = 5;"
		"INSERT INTO bellhop.event (ticket_id, seq, n, n_public, prev_public, target,"
		" sent_at, kind, is_public, sender_id, detail) VALUES"
		" ('%s', 11, 10, 8, 10, 2, now(), 'e', true, 'carol', NULL),"
		" ('%s', 12, 10, 8, 11, 5, now(), 'd', true, 'bob', NULL),"
		" ('%s', 13, 10, 8, 12, NULL, now(), 't', true, 'bob', '{\"status\":\"closed\"}');"
		"UPDATE bellhop.ticket SET last_seq = 13, last_public = 13, status = 'closed',"
		" title = 'Title' WHERE ticket_id = '%s'",
		ticket, ticket, ticket, ticket, ticket, ticket);
}

static void pages(void **state)
{
	static const struct {
		int64_t before, after;
		int limit;
		bool is_staff;
		const char *seqs;
	} rows[] = {
		{0, -1, 3, true, "10 9 8"},
		{0, -1, 50, true, "10 9 8 7 6 5 4 3 2 1"},
		{0, -1, 50, false, "10 9 8 7 6 5 2 1"},
		{6, -1, 3, true, "5 4 3"},
		{6, -1, 3, false, "5 2 1"},
		{1, -1, 3, true, ""},
		{0, 0, 4, true, "1 2 3 4"},
		{0, 2, 2, false, "5 6"},
		{6, 2, 50, true, "3 4 5"},
		{0, 10, 5, true, ""},
	};

	(void)state;
	make_ten("pages");
	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct pg_stmt stmt;

		record_put_page(&stmt, &(struct record_page_query){
					       .ticket = STR("pages"),
					       .before = rows[i].before,
					       .after = rows[i].after,
					       .limit = rows[i].limit,
					       .is_staff = rows[i].is_staff,
				       });
		assert_seqs(&stmt, "pages", rows[i].seqs);
	}
}

static void ranges(void **state)
{
	struct pg_stmt stmt;
	PGresult *result;
	struct record_events events;
	const struct ticket_event *e;

	(void)state;
	make_ten("range");
	record_put_range(&stmt, &(struct record_range_query){
					.ticket = STR("range"), .from = 9, .to = 99, .limit = 50});
	events = read_events(&stmt, "range", &result);
	assert_int_equal(events.count, 5);
	assert_true(events.ticket.is_begun);
	assert_int_equal(events.ticket.last_seq, 13);
	assert_true(str_eq_c(events.ticket.status, "closed"));
	assert_true(str_eq_c(events.ticket.title, "Title"));
	/* An edit tells the message that it is about, under its own number. */
	e = &events.events[2];
	assert_int_equal(e->seq, 11);
	assert_int_equal(e->kind, EVENT_EDIT);
	assert_int_equal(e->n, 10);
	assert_int_equal(e->prev_public, 10);
	assert_int_equal(e->target, 2);
	assert_int_equal(e->target_n, 2);
	assert_int_equal(e->target_n_public, 2);
	assert_int_equal(e->rev, 2);
	assert_int_equal(e->message_kind, MESSAGE_TEXT);
	assert_true(str_eq_c(e->sender_id, "bob"));
	assert_true(str_eq_c(e->content, "edited"));
	assert_true(str_eq_c(e->uid, "u2"));
	e = &events.events[3];
	assert_int_equal(e->kind, EVENT_DELETE);
	assert_null(e->content.p);
	assert_true(str_eq_c(e->deleted_by, "bob"));
	assert_true(e->deleted_at_ms > 0);
	e = &events.events[4];
	assert_int_equal(e->kind, EVENT_TICKET);
	assert_int_equal(e->message_kind, MESSAGE_NONE);
	assert_true(str_eq_c(e->detail, "{\"status\":\"closed\"}"));
	assert_null(e->uid.p);
	record_events_deinit(&events);
	PQclear(result);

	record_put_range(&stmt, &(struct record_range_query){
					.ticket = STR("range"), .from = 2, .to = 5, .limit = 3});
	assert_seqs(&stmt, "range", "2 3 4");
	record_put_tail(&stmt, STR("range"), 4);
	assert_seqs(&stmt, "range", "10 11 12 13");
	record_put_event(&stmt, STR("range"), 7);
	assert_seqs(&stmt, "range", "7");
	record_put_event(&stmt, STR("range"), 14);
	assert_seqs(&stmt, "range", "");
}

static void nothing_there(void **state)
{
	struct pg_stmt stmt;
	PGresult *result;
	struct record_events events;
	struct record_opened opened;

	(void)state;
	record_put_tail(&stmt, STR("nowhere"), 10);
	events = read_events(&stmt, "nowhere", &result);
	assert_false(events.ticket.is_begun);
	assert_int_equal(events.ticket.first_seq, 1);
	assert_int_equal(events.ticket.last_seq, 0);
	assert_true(str_eq_c(events.ticket.status, "open"));
	assert_int_equal(events.count, 0);
	PQclear(result);

	record_put_open(&stmt, STR("nowhere"), STR("alice"));
	result = live_pg_exec(conn, &stmt);
	assert_int_equal(record_parse_open(result, &opened), 0);
	assert_false(opened.ticket.is_begun);
	assert_int_equal(opened.membership, RECORD_NOT_MEMBER);
	assert_int_equal(opened.unread, 0);
	PQclear(result);
}

static struct record_opened open_ticket(const char *ticket, const char *user)
{
	static PGresult *result;
	struct record_opened opened;
	struct pg_stmt stmt;

	PQclear(result);
	record_put_open(&stmt, str_of(ticket), str_of(user));
	result = live_pg_exec(conn, &stmt);
	assert_int_equal(record_parse_open(result, &opened), 0);
	return opened;
}

static void assert_unread(const char *user, int64_t staff, int64_t public)
{
	struct record_opened opened = open_ticket("unread", user);

	assert_int_equal(opened.unread, staff);
	assert_int_equal(opened.unread_public, public);
}

static void unread(void **state)
{
	struct record_opened opened;

	(void)state;
	make_ten("unread");
	/* alice wrote 1 3 5 7 9, bob 2 4 6 8 10; 3 and 4 are notes, 5 is deleted. */
	assert_unread("alice", 5, 4);
	assert_unread("bob", 4, 3);
	assert_unread("carol", 9, 7);
	live_pg_run(
		"INSERT INTO bellhop.receipt (ticket_id, user_id, seq, n, n_public)"
		" SELECT 'unread', u, seq, n, n_public FROM bellhop.event,"
		" unnest('{alice,bob,carol}'::text[]) u WHERE ticket_id = 'unread' AND seq = 4");
	assert_unread("alice", 3, 3);
	assert_unread("bob", 2, 2);
	assert_unread("carol", 5, 5);
	opened = open_ticket("unread", "bob");
	assert_int_equal(opened.read_seq, 4);
	assert_int_equal(opened.membership, RECORD_MEMBER);
	assert_true(str_eq_c(opened.role, "agent"));
	live_pg_run("UPDATE bellhop.receipt SET seq = 13, n = 10, n_public = 8"
		    " WHERE ticket_id = 'unread'");
	assert_unread("alice", 0, 0);
	assert_unread("carol", 0, 0);

	/* Retention took 1 to 6; whoever had read nothing has less to read. */
	live_pg_run("DELETE FROM bellhop.receipt WHERE ticket_id = 'unread';"
		    "DELETE FROM bellhop.event WHERE ticket_id = 'unread' AND seq < 7;"
		    "UPDATE bellhop.ticket SET first_seq = 7, first_n = 6, first_n_public = 4"
		    " WHERE ticket_id = 'unread'");
	assert_unread("alice", 2, 2);
	assert_unread("bob", 2, 2);
	assert_unread("carol", 4, 4);
	live_pg_run("UPDATE bellhop.participant SET removed_at = now() WHERE ticket_id = 'unread'"
		    " AND user_id = 'bob'");
	assert_int_equal(open_ticket("unread", "bob").membership, RECORD_REMOVED);
}

static void people(void **state)
{
	struct record_participant participant;
	struct pg_stmt stmt;
	PGresult *result;

	(void)state;
	make_ten("people");
	live_pg_run("UPDATE bellhop.participant SET removed_at = now() WHERE ticket_id = 'people'"
		    " AND user_id = 'bob'");
	record_put_participants(&stmt, STR("people"));
	result = live_pg_exec(conn, &stmt);
	assert_int_equal(record_count_participants(result), 2);
	assert_int_equal(record_parse_participant(result, 0, &participant), 0);
	assert_true(str_eq_c(participant.user, "alice"));
	assert_true(str_eq_c(participant.role, "agent"));
	assert_true(participant.joined_at_ms > 0);
	assert_int_equal(record_parse_participant(result, 1, &participant), 0);
	assert_true(str_eq_c(participant.role, "removed"));
	assert_int_equal(record_parse_participant(result, 2, &participant), -1);
	PQclear(result);
}

/* ---- many tickets ---- */

static void watching(void **state)
{
	static const struct str tickets[] = {STR("watch b"), STR("nowhere"), STR("watch a"),
					     STR("watch b")};
	static const int64_t seqs[] = {11, 0, 13, 99};
	struct record_watched watched;
	struct pg_stmt stmt;
	PGresult *result;

	(void)state;
	make_ten("watch a");
	make_ten("watch b");
	record_put_watch(&stmt, tickets, seqs, LENGTH(tickets), 10);
	result = live_pg_exec(conn, &stmt);
	assert_int_equal(record_parse_watch(result, &watched), 0);
	assert_int_equal(watched.epoch, 1);
	assert_int_equal(watched.count, 2);
	assert_true(str_eq_c(watched.events[0].ticket, "watch b"));
	assert_int_equal(watched.events[0].seq, 12);
	assert_int_equal(watched.events[0].target, 5);
	assert_int_equal(watched.events[1].seq, 13);
	record_watched_deinit(&watched);
	PQclear(result);

	record_put_watch(&stmt, tickets + 2, (const int64_t[]){0}, 1, 4);
	result = live_pg_exec(conn, &stmt);
	assert_int_equal(record_parse_watch(result, &watched), 0);
	assert_int_equal(watched.count, 4);
	assert_int_equal(watched.events[3].seq, 4);
	record_watched_deinit(&watched);
	PQclear(result);

	record_put_watch(&stmt, tickets, seqs, 0, 4);
	result = live_pg_exec(conn, &stmt);
	assert_int_equal(record_parse_watch(result, &watched), 0);
	assert_int_equal(watched.count, 0);
	PQclear(result);

	record_put_tails(&stmt, tickets, 3);
	result = live_pg_exec(conn, &stmt);
	assert_int_equal(record_count_tails(result), 2);
	for (size_t i = 0; i < 2; i++) {
		struct str ticket;
		int64_t last_seq;

		assert_int_equal(record_parse_tail(result, i, &ticket, &last_seq), 0);
		assert_int_equal(last_seq, 13);
	}
	PQclear(result);
}

static void sweeping(void **state)
{
	struct record_send send = a_send("swept", "u1");
	struct record_sweep sweep;
	struct record_swept swept;
	struct pg_stmt stmt;
	PGresult *result;
	int64_t before_us;

	(void)state;
	record_put_sweep(&stmt, clock_real_us() + 3600 * INT64_C(1000000));
	result = live_pg_exec(conn, &stmt);
	assert_int_equal(record_parse_sweep(result, &sweep), 0);
	assert_int_equal(sweep.count, 0);
	assert_int_equal(sweep.epoch, 1);
	before_us = sweep.now_us;
	PQclear(result);

	assert_int_equal(outcome_of(&send), RECORD_CREATED);
	send.uid = STR("u2");
	assert_int_equal(outcome_of(&send), RECORD_CREATED);
	record_put_sweep(&stmt, before_us);
	result = live_pg_exec(conn, &stmt);
	assert_int_equal(record_parse_sweep(result, &sweep), 0);
	assert_int_equal(sweep.count, 1);
	assert_true(sweep.now_us > before_us);
	assert_int_equal(record_parse_swept(result, 0, &swept), 0);
	assert_true(str_eq_c(swept.ticket, "swept"));
	assert_int_equal(swept.first_seq, 1);
	assert_int_equal(swept.last_seq, 2);
	assert_true(str_eq_c(swept.last_uid, "u2"));
	PQclear(result);
}

/* ---- the deployment ---- */

static struct pg_deployment ask_deployment(struct pg_stmt *stmt)
{
	PGresult *result = live_pg_exec(conn, stmt);
	struct pg_deployment deployment;

	assert_int_equal(pg_sql_parse_deployment(result, &deployment), 0);
	PQclear(result);
	return deployment;
}

/* Last of all: the epoch is another one afterwards. */
static void another_epoch(void **state)
{
	struct record_send send = a_send("epoch", "u1");
	struct pg_deployment d;
	struct pg_stmt stmt;

	(void)state;
	record_put_deployment(&stmt);
	d = ask_deployment(&stmt);
	assert_int_equal(d.epoch, 1);
	assert_int_equal(d.partitions, 256);
	assert_false(d.is_timeline_new);
	assert_false(d.is_epoch_new);

	live_pg_run("UPDATE bellhop.deployment SET timeline = timeline + 1");
	record_put_deployment(&stmt);
	d = ask_deployment(&stmt);
	assert_true(d.is_timeline_new);
	assert_int_equal(d.epoch, 1);
	record_put_timeline(&stmt);
	d = ask_deployment(&stmt);
	assert_false(d.is_timeline_new);

	/* Two that find the same fault raise the epoch once. */
	record_put_epoch_bump(&stmt, 1);
	assert_int_equal(ask_deployment(&stmt).epoch, 2);
	record_put_epoch_bump(&stmt, 1);
	assert_int_equal(ask_deployment(&stmt).epoch, 2);

	live_pg_run("UPDATE bellhop.deployment SET system_identifier = 42");
	pg_conn_close(conn);
	assert_int_equal(pg_conn_open(conn, live_pg_deadline()), ERR_NONE);
	assert_int_equal(pg_conn_deployment(conn)->epoch, 3);
	assert_true(pg_conn_deployment(conn)->is_epoch_new);
	pg_conn_close(conn);
	assert_int_equal(pg_conn_open(conn, live_pg_deadline()), ERR_NONE);
	assert_int_equal(pg_conn_deployment(conn)->epoch, 3);
	assert_false(pg_conn_deployment(conn)->is_epoch_new);
	assert_int_equal(do_send(&send).event.epoch, 3);
	live_pg_run("UPDATE bellhop.deployment SET epoch = 1");
}

static int connect_all(void **state)
{
	struct pg_opts opts = live_pg_opts();

	(void)state;
	conn = pg_conn_new(&opts);
	return conn == NULL ? -1 : 0;
}

static int disconnect_all(void **state)
{
	(void)state;
	pg_conn_free(conn);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_message),   cmocka_unit_test(notes_have_their_own_numbers),
		cmocka_unit_test(a_repeated_send), cmocka_unit_test(who_may_send),
		cmocka_unit_test(a_closed_ticket), cmocka_unit_test(a_guarded_send),
		cmocka_unit_test(fifty_senders),   cmocka_unit_test(pages),
		cmocka_unit_test(ranges),	   cmocka_unit_test(nothing_there),
		cmocka_unit_test(unread),	   cmocka_unit_test(people),
		cmocka_unit_test(watching),	   cmocka_unit_test(sweeping),
		cmocka_unit_test(another_epoch),
	};

	return cmocka_run_group_tests(tests, connect_all, disconnect_all);
}
