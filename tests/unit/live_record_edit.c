/* SPDX-License-Identifier: BSD-2-Clause */
/* Edits and deletions against a real PostgreSQL: numbers, revisions, and who may. */
#include "config.h"

#include "store/record_edit.h"

#include <stdio.h>

#include "cmocka_setup.h"
#include "live_pg.h"

static struct pg_conn *conn;

static void send(const char *ticket, const char *uid, enum message_kind kind)
{
	const struct record_send send = {
		.ticket = str_of(ticket),
		.sender_id = STR("alice"),
		.role = STR("agent"),
		.content = STR("hello"),
		.uid = str_of(uid),
		.digest = STR("digest"),
		.kind = kind,
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

/* The author's own edit or deletion of message 1; the caller changes more. */
static struct record_change a_change(const char *ticket, struct str content)
{
	return (struct record_change){
		.ticket = str_of(ticket),
		.seq = 1,
		.user = STR("alice"),
		.role = STR("requester"),
		.content = content,
		.grant = RECORD_GRANT_CLAIM,
		.if_match = -1,
	};
}

static const struct str nothing = {NULL, 0};

/* Keeps the result until the next call: the strings of the answer are in it. */
static struct record_changed do_change(const struct record_change *change)
{
	static PGresult *result;
	struct record_changed changed;
	struct pg_stmt stmt;

	PQclear(result);
	record_edit_put(&stmt, change);
	result = live_pg_exec(conn, &stmt);
	assert_int_equal(record_edit_parse(result, change->ticket, &changed), 0);
	return changed;
}

static enum record_change_outcome outcome_of(const struct record_change *change)
{
	return do_change(change).outcome;
}

static void an_edit(void **state)
{
	struct record_change change = a_change("edits edit", STR("better"));
	struct record_changed changed;

	(void)state;
	send("edits edit", "u1", MESSAGE_TEXT);
	send("edits edit", "u2", MESSAGE_TEXT);
	changed = do_change(&change);
	assert_int_equal(changed.outcome, RECORD_CHANGE_MADE);
	assert_int_equal(changed.ticket.last_seq, 3);
	assert_int_equal(changed.ticket.last_public, 3);
	assert_int_equal(changed.ticket.n, 2);
	assert_int_equal(changed.event.kind, EVENT_EDIT);
	assert_int_equal(changed.event.seq, 3);
	assert_int_equal(changed.event.n, 2);
	assert_int_equal(changed.event.prev_public, 2);
	assert_int_equal(changed.event.target, 1);
	assert_int_equal(changed.event.target_n, 1);
	assert_int_equal(changed.event.rev, 2);
	assert_true(str_eq_c(changed.event.content, "better"));
	assert_true(str_eq_c(changed.event.sender_id, "alice"));
	assert_true(changed.event.edited_at_ms >= changed.event.sent_at_ms);
	changed = do_change(&change);
	assert_int_equal(changed.outcome, RECORD_CHANGE_NONE);
	assert_int_equal(changed.ticket.last_seq, 3);
	assert_int_equal(changed.event.kind, EVENT_MESSAGE);
	assert_int_equal(changed.event.seq, 1);
	change.content = STR("best");
	change.if_match = 1;
	assert_int_equal(outcome_of(&change), RECORD_CHANGE_STALE);
	change.if_match = 2;
	assert_int_equal(outcome_of(&change), RECORD_CHANGE_MADE);
}

static void a_deletion(void **state)
{
	struct record_change edit = a_change("edits deletion", STR("better"));
	struct record_change deletion = a_change("edits deletion", nothing);
	struct record_changed changed;

	(void)state;
	send("edits deletion", "u1", MESSAGE_TEXT);
	do_change(&edit);
	live_pg_run("UPDATE bellhop.ticket SET hold = true WHERE ticket_id = 'edits deletion'");
	assert_int_equal(outcome_of(&deletion), RECORD_CHANGE_ON_HOLD);
	live_pg_run("UPDATE bellhop.ticket SET hold = false WHERE ticket_id = 'edits deletion'");
	deletion.user = STR("carol");
	assert_int_equal(outcome_of(&deletion), RECORD_CHANGE_FORBIDDEN);
	deletion.role = STR("agent");
	changed = do_change(&deletion);
	assert_int_equal(changed.outcome, RECORD_CHANGE_MADE);
	assert_int_equal(changed.event.kind, EVENT_DELETE);
	assert_int_equal(changed.event.seq, 3);
	assert_null(changed.event.content.p);
	assert_true(str_eq_c(changed.event.deleted_by, "carol"));
	assert_true(changed.event.deleted_at_ms > 0);
	assert_int_equal(
		live_pg_number("SELECT count(*) FROM bellhop.event WHERE ticket_id ="
			       " 'edits deletion' AND (content IS NOT NULL OR digest IS NOT NULL)"),
		0);
	assert_int_equal(
		live_pg_number(
			"SELECT count(*) FROM bellhop.revision WHERE ticket_id = 'edits deletion'"),
		0);
	changed = do_change(&deletion);
	assert_int_equal(changed.outcome, RECORD_CHANGE_NONE);
	assert_int_equal(changed.ticket.last_seq, 3);
	assert_int_equal(outcome_of(&edit), RECORD_CHANGE_DELETED);
}

static void who_may(void **state)
{
	struct record_change edit = a_change("edits may", STR("better"));
	struct record_change note = edit;

	(void)state;
	edit.grant = RECORD_GRANT_NONE;
	assert_int_equal(outcome_of(&edit), RECORD_CHANGE_NOT_A_PARTICIPANT);
	edit.grant = RECORD_GRANT_CLAIM;
	assert_int_equal(outcome_of(&edit), RECORD_CHANGE_ABSENT);
	send("edits may", "u1", MESSAGE_TEXT);
	send("edits may", "u2", MESSAGE_NOTE);
	note.seq = 2;
	assert_int_equal(outcome_of(&note), RECORD_CHANGE_ABSENT);
	edit.user = STR("carol");
	edit.role = STR("agent");
	assert_int_equal(outcome_of(&edit), RECORD_CHANGE_FORBIDDEN);
	edit.role = STR("admin");
	assert_int_equal(outcome_of(&edit), RECORD_CHANGE_MADE);
	live_pg_run(
		"UPDATE bellhop.participant SET removed_at = now() WHERE ticket_id = 'edits may'");
	edit.user = STR("alice");
	assert_int_equal(outcome_of(&edit), RECORD_CHANGE_NOT_A_PARTICIPANT);
}

static void a_change_of_a_note_is_not_public(void **state)
{
	struct record_change change = a_change("edits note", STR("better"));
	struct record_changed changed;

	(void)state;
	send("edits note", "u1", MESSAGE_NOTE);
	send("edits note", "u2", MESSAGE_TEXT);
	change.role = STR("agent");
	changed = do_change(&change);
	assert_int_equal(changed.outcome, RECORD_CHANGE_MADE);
	assert_int_equal(changed.event.message_kind, MESSAGE_NOTE);
	assert_false(changed.event.is_public);
	assert_int_equal(changed.ticket.last_seq, 3);
	assert_int_equal(changed.ticket.last_public, 2);
}

/* Asks for the texts of message `seq` below `before`; returns how many, -1 where it is none. */
static int texts_of(const char *ticket, int64_t seq, int64_t before, int64_t *first_r)
{
	struct record_revision revision;
	struct pg_stmt stmt;
	PGresult *result;
	bool is_there;
	size_t count;

	record_edit_put_revisions(&stmt, str_of(ticket), seq, before);
	result = live_pg_exec(conn, &stmt);
	assert_int_equal(record_edit_parse_revisions(result, &is_there, &count), 0);
	if (count > 0) {
		assert_int_equal(record_edit_parse_revision(result, 0, &revision), 0);
		*first_r = revision.rev;
	}
	PQclear(result);
	return is_there ? (int)count : -1;
}

static void revisions(void **state)
{
	struct record_change change = a_change("edits texts", nothing);
	char text[16];
	int64_t first = 0;

	(void)state;
	assert_int_equal(texts_of("edits texts", 1, 0, &first), -1);
	send("edits texts", "u1", MESSAGE_TEXT);
	assert_int_equal(texts_of("edits texts", 1, 0, &first), 0);
	for (int i = 1; i <= RECORD_REVISIONS_MAX + 1; i++) {
		snprintf(text, sizeof(text), "text %d", i);
		change.content = str_of(text);
		assert_int_equal(outcome_of(&change), RECORD_CHANGE_MADE);
	}
	assert_int_equal(texts_of("edits texts", 1, 0, &first), RECORD_REVISIONS_MAX);
	assert_int_equal(first, 2);
	assert_int_equal(texts_of("edits texts", 1, first, &first), 1);
	assert_int_equal(first, 1);
	/* An edit is no message. */
	assert_int_equal(texts_of("edits texts", 2, 0, &first), -1);
}

int main(void)
{
	const struct pg_opts opts = live_pg_opts();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_edit),   cmocka_unit_test(a_deletion),
		cmocka_unit_test(who_may),   cmocka_unit_test(a_change_of_a_note_is_not_public),
		cmocka_unit_test(revisions),
	};
	int failed;

	conn = pg_conn_new(&opts);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	pg_conn_free(conn);
	return failed;
}
