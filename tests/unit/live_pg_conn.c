/* SPDX-License-Identifier: BSD-2-Clause */
/* The blocking carrier when the server is slow, silent, gone, or says no. */
#include "config.h"

#include "store/pg_conn.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "cmocka_setup.h"
#include "live_pg.h"
#include "store/record.h"
#include "wait_for.h"

static void put_send(struct pg_stmt *stmt, const char *ticket, const char *uid)
{
	const struct record_send send = {
		.ticket = str_of(ticket),
		.sender_id = STR("alice"),
		.role = STR("agent"),
		.content = STR("hello"),
		.uid = str_of(uid),
		.digest = STR("digest"),
		.kind = MESSAGE_TEXT,
		.grant = RECORD_GRANT_CLAIM,
		.if_match = -1,
	};

	record_put_send(stmt, &send);
}

/* Sends and tells the outcome; *sent_r where there is one. */
static enum err try_send(struct pg_conn *c, const char *ticket, const char *uid, int wait_ms,
			 struct record_sent *sent_r)
{
	struct pg_stmt stmt;
	PGresult *result;
	enum err err;

	put_send(&stmt, ticket, uid);
	err = pg_conn_exec(c, &stmt, clock_mono_ms() + wait_ms, &result);
	pg_stmt_deinit(&stmt);
	if (err == ERR_NONE)
		assert_int_equal(record_parse_send(result, str_of(ticket), sent_r), 0);
	else
		assert_null(result);
	PQclear(result);
	return err;
}

static enum err try_read(struct pg_conn *c, int wait_ms)
{
	struct pg_stmt stmt;
	PGresult *result;
	enum err err;

	record_put_tail(&stmt, STR("any"), 5);
	err = pg_conn_exec(c, &stmt, clock_mono_ms() + wait_ms, &result);
	pg_stmt_deinit(&stmt);
	PQclear(result);
	return err;
}

enum { LONG_MS = 20000 };

/* The server commits, and the answer is lost on its way. */
static void a_lost_answer(void **state)
{
	struct relay *relay = relay_start();
	struct pg_opts opts = relay_opts(relay);
	struct pg_conn *c = pg_conn_new(&opts);
	struct record_sent sent;

	(void)state;
	assert_int_equal(try_send(c, "lost", "u1", LONG_MS, &sent), ERR_NONE);
	relay_set(relay, RELAY_CUT);
	assert_int_equal(try_send(c, "lost", "u2", LONG_MS, &sent), ERR_UNCERTAIN);
	assert_string_not_equal(pg_conn_error(c), "");
	assert_string_equal(pg_conn_sqlstate(c), "");
	relay_set(relay, RELAY_PASS);
	assert_int_equal(try_send(c, "lost", "u2", LONG_MS, &sent), ERR_NONE);
	assert_int_equal(sent.outcome, RECORD_REPLAYED);
	assert_int_equal(sent.event.seq, 2);
	assert_int_equal(sent.ticket.last_seq, 2);

	/* What only reads has nothing to be uncertain about. */
	assert_int_equal(try_read(c, LONG_MS), ERR_NONE);
	relay_set(relay, RELAY_CUT);
	assert_int_equal(try_read(c, LONG_MS), ERR_TIMEOUT);
	/* A connection that is lost before the statement went out is none of its business. */
	assert_int_equal(try_send(c, "lost", "u3", LONG_MS, &sent), ERR_UNAVAILABLE);
	pg_conn_free(c);
	relay_stop(relay);
	assert_int_equal(live_pg_number("SELECT last_seq FROM bellhop.ticket"
					" WHERE ticket_id = 'lost'"),
			 2);
}

static void a_silent_server(void **state)
{
	struct relay *relay = relay_start();
	struct pg_opts opts = relay_opts(relay);
	struct pg_conn *c = pg_conn_new(&opts);
	struct record_sent sent;
	int64_t start_ms;

	(void)state;
	assert_int_equal(try_send(c, "silent", "u1", LONG_MS, &sent), ERR_NONE);
	assert_int_equal(try_read(c, LONG_MS), ERR_NONE);
	relay_set(relay, RELAY_STALL);
	start_ms = clock_mono_ms();
	assert_int_equal(try_send(c, "silent", "u2", 200, &sent), ERR_UNCERTAIN);
	assert_true(clock_mono_ms() - start_ms < 2000);
	/* Now even connecting gets no answer. */
	start_ms = clock_mono_ms();
	assert_int_equal(try_read(c, 200), ERR_UNAVAILABLE);
	assert_int_equal(try_send(c, "silent", "u3", 200, &sent), ERR_UNAVAILABLE);
	assert_true(clock_mono_ms() - start_ms < 4000);
	assert_int_equal(try_read(c, 0), ERR_UNAVAILABLE);
	relay_set(relay, RELAY_PASS);
	assert_int_equal(try_send(c, "silent", "u3", LONG_MS, &sent), ERR_NONE);
	assert_true(sent.event.seq >= 2);
	relay_set(relay, RELAY_STALL);
	assert_int_equal(try_send(c, "silent", "u4", 200, &sent), ERR_UNCERTAIN);
	pg_conn_free(c);
	relay_stop(relay);
}

static void a_locked_ticket(void **state)
{
	struct pg_opts opts = live_pg_opts();
	struct pg_conn *c = pg_conn_new(&opts);
	struct record_sent sent;

	(void)state;
	assert_int_equal(try_send(c, "locked", "u1", LONG_MS, &sent), ERR_NONE);
	live_pg_run("BEGIN; SELECT 1 FROM bellhop.ticket WHERE ticket_id = 'locked' FOR UPDATE");
	assert_int_equal(try_send(c, "locked", "u2", LONG_MS, &sent), ERR_UNAVAILABLE);
	assert_string_equal(pg_conn_sqlstate(c), "55P03");
	live_pg_run("ROLLBACK");
	/* The connection has survived it, and nothing was written. */
	assert_int_equal(pg_conn_generation(c), 1);
	assert_int_equal(try_send(c, "locked", "u2", LONG_MS, &sent), ERR_NONE);
	assert_int_equal(sent.outcome, RECORD_CREATED);
	assert_int_equal(sent.event.seq, 2);
	assert_int_equal(pg_conn_generation(c), 1);
	pg_conn_free(c);
}

static void a_statement_timeout(void **state)
{
	static const struct pg_query slow = {
		.name = "slow", .sql = "SELECT pg_sleep(30)", .is_write = true};
	struct pg_opts opts = live_pg_opts();
	struct pg_conn *c = pg_conn_new(&opts);
	struct pg_stmt stmt;
	PGresult *result;

	(void)state;
	pg_stmt_init(&stmt, &slow);
	assert_int_equal(pg_conn_exec(c, &stmt, live_pg_deadline(), &result), ERR_UNAVAILABLE);
	assert_string_equal(pg_conn_sqlstate(c), "57014");
	pg_stmt_deinit(&stmt);
	assert_int_equal(pg_conn_generation(c), 1);
	assert_int_equal(try_read(c, LONG_MS), ERR_NONE);
	pg_conn_free(c);
}

/* Ends every server process that serves the role bellhop, once it waits if `is_waiting`. */
static void end_backends(bool is_waiting)
{
	int64_t deadline_ms = live_pg_deadline();
	int64_t ended = 0;

	/* Within a transaction the view would show the same for ever. */
	while (ended == 0 && clock_mono_ms() < deadline_ms) {
		live_pg_run("SELECT pg_stat_clear_snapshot()");
		ended = live_pg_number(
			"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
			" WHERE usename = 'bellhop'%s",
			is_waiting ? " AND wait_event_type = 'Lock'" : "");
	}
	assert_true(ended > 0);
}

static void an_ended_session(void **state)
{
	struct pg_opts opts = live_pg_opts();
	struct pg_conn *c = pg_conn_new(&opts);
	struct record_sent sent;
	pid_t pid;
	int status;

	(void)state;
	assert_int_equal(try_send(c, "ended", "u1", LONG_MS, &sent), ERR_NONE);
	end_backends(false);
	/* Gone while idle, and replaced before anything was sent. */
	WAIT_FOR(live_pg_number("SELECT count(*) FROM pg_stat_activity"
				" WHERE usename = 'bellhop'") == 0);
	assert_int_equal(try_send(c, "ended", "u2", LONG_MS, &sent), ERR_NONE);
	assert_int_equal(pg_conn_generation(c), 2);
	pg_conn_free(c);

	/* In the middle of a send the server says so, and nothing has happened. */
	live_pg_run("BEGIN; SELECT 1 FROM bellhop.ticket WHERE ticket_id = 'ended' FOR UPDATE");
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		c = pg_conn_new(&opts);
		_exit((int)try_send(c, "ended", "u3", LONG_MS, &sent));
	}
	end_backends(true);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), ERR_UNAVAILABLE);
	live_pg_run("ROLLBACK");
	assert_int_equal(live_pg_number("SELECT last_seq FROM bellhop.ticket"
					" WHERE ticket_id = 'ended'"),
			 2);
}

static void what_cannot_work(void **state)
{
	static const struct {
		struct pg_query query;
		enum err err;
	} rows[] = {
		{{"w1", "SELECT * FROM bellhop.nowhere", true}, ERR_REFUSED},
		{{"w2", "SELEKT", true}, ERR_REFUSED},
		{{"w3", "SELECT 1 / 0", true}, ERR_INVALID},
		{{"w4", "INSERT INTO bellhop.deployment SELECT * FROM bellhop.deployment", true},
		 ERR_INVALID},
		{{"w5", "DO $$ BEGIN RAISE EXCEPTION 'no'; END $$", true}, ERR_REFUSED},
		{{"w6", "DO $$ BEGIN RAISE disk_full; END $$", true}, ERR_UNAVAILABLE},
		{{"w7", "DO $$ BEGIN RAISE deadlock_detected; END $$", true}, ERR_UNAVAILABLE},
		{{"w8", "COPY bellhop.migration TO STDOUT", false}, ERR_TIMEOUT},
	};
	struct pg_opts opts = live_pg_opts();
	struct pg_conn *c = pg_conn_new(&opts);

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct pg_stmt stmt;
		PGresult *result;

		pg_stmt_init(&stmt, &rows[i].query);
		assert_int_equal(pg_conn_exec(c, &stmt, live_pg_deadline(), &result), rows[i].err);
		assert_null(result);
		pg_stmt_deinit(&stmt);
		assert_int_equal(try_read(c, LONG_MS), ERR_NONE);
	}
	pg_conn_free(c);

	opts.url = "host=/nonexistent dbname=bellhop";
	c = pg_conn_new(&opts);
	assert_int_equal(try_read(c, LONG_MS), ERR_UNAVAILABLE);
	assert_null(strchr(pg_conn_error(c), '\n'));
	assert_string_not_equal(pg_conn_error(c), "");
	assert_null(pg_conn_deployment(c));
	pg_conn_free(c);
	opts.url = "this is no connection string";
	c = pg_conn_new(&opts);
	assert_int_equal(try_read(c, LONG_MS), ERR_UNAVAILABLE);
	pg_conn_free(c);
}

static void without_names(void **state)
{
	struct pg_opts opts = live_pg_opts();
	struct pg_conn *c;
	struct record_sent sent;

	(void)state;
	opts.is_pooled = true;
	c = pg_conn_new(&opts);
	for (int i = 0; i < 3; i++)
		assert_int_equal(try_send(c, "pooled", i == 0 ? "u1" : "u2", LONG_MS, &sent),
				 ERR_NONE);
	assert_int_equal(sent.outcome, RECORD_REPLAYED);
	pg_conn_free(c);
}

/* A content that no socket buffer takes at once, there and back. */
static void a_large_message(void **state)
{
	enum { SIZE = 4 << 20 };
	static char content[SIZE];
	struct pg_opts opts = live_pg_opts();
	struct pg_conn *c = pg_conn_new(&opts);
	const struct record_send send = {
		.ticket = STR("large"),
		.sender_id = STR("alice"),
		.role = STR("agent"),
		.content = {content, SIZE},
		.uid = STR("u1"),
		.digest = STR("digest"),
		.kind = MESSAGE_TEXT,
		.grant = RECORD_GRANT_CLAIM,
		.if_match = -1,
	};
	struct record_sent sent;
	struct pg_stmt stmt;
	PGresult *result;

	(void)state;
	for (int i = 0; i < SIZE; i++)
		content[i] = (char)i;
	record_put_send(&stmt, &send);
	result = live_pg_exec(c, &stmt);
	assert_int_equal(record_parse_send(result, send.ticket, &sent), 0);
	assert_true(str_eq(sent.event.content, send.content));
	PQclear(result);
	pg_conn_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_lost_answer),    cmocka_unit_test(a_silent_server),
		cmocka_unit_test(a_locked_ticket),  cmocka_unit_test(a_statement_timeout),
		cmocka_unit_test(an_ended_session), cmocka_unit_test(what_cannot_work),
		cmocka_unit_test(without_names),    cmocka_unit_test(a_large_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
