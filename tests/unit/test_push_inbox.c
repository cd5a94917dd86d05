/* SPDX-License-Identifier: BSD-2-Clause */
/* Who is asked about when, with a record that answers when the test says so. */
#include "config.h"

#include "push/inbox.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cmocka_setup.h"
#include "push/frame.h"

struct pg_call {
	pg_call_done *done;
	void *arg;
	bool is_public;
	char params[512]; /* arrays of users and tickets */
};

static struct event_base *base;
static struct inbox *inbox;
static struct pg_call calls[8];
static int n_calls, n_followed, n_cancelled, n_told;

static int follow(void *arg, struct str user)
{
	(void)arg;
	assert_true(user.n > 0);
	n_followed++;
	return 0;
}

static void unfollow(void *arg, struct str user)
{
	(void)arg;
	assert_true(user.n > 0);
	n_followed--;
}

static struct pg_call *ask(void *arg, struct pg_stmt *stmt, pg_call_done *done, void *done_arg)
{
	struct pg_call *call = &calls[n_calls];

	(void)arg;
	assert_true(n_calls < (int)LENGTH(calls));
	assert_true(pg_stmt_ok(stmt));
	*call = (struct pg_call){.done = done, .arg = done_arg};
	call->is_public = strstr(stmt->query->name, "public") != NULL;
	for (int i = 0; i < stmt->count; i++)
		snprintf(call->params + strlen(call->params),
			 sizeof(call->params) - strlen(call->params), "%.*s",
			 stmt->params[i].length, stmt->bytes.data + stmt->params[i].offset);
	pg_stmt_deinit(stmt);
	n_calls++;
	return call;
}

static void cancel(struct pg_call *call)
{
	(void)call;
	n_cancelled++;
}

static void tell(struct inbox_member *member, struct frame *frame)
{
	(void)member;
	(void)frame;
	n_told++;
}

/* Lets the loop do what is to be done now. */
static void turn(void)
{
	event_base_loop(base, EVLOOP_NONBLOCK);
}

/* Turns the loop until so many were asked. */
static void turn_until_asked(int n)
{
	int64_t deadline_ms = clock_mono_ms() + 10000;

	while (n_calls < n) {
		assert_true(clock_mono_ms() < deadline_ms);
		event_base_loop(base, EVLOOP_ONCE);
	}
}

static void answer(int i, enum err err)
{
	PGresult *result = err == ERR_NONE ? PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK) : NULL;

	calls[i].done(calls[i].arg, err, result);
	PQclear(result);
}

static int setup(void **state)
{
	const struct inbox_ops ops = {
		.follow = follow, .unfollow = unfollow, .ask = ask, .cancel = cancel};

	(void)state;
	n_calls = n_followed = n_cancelled = n_told = 0;
	base = event_base_new();
	inbox = inbox_new(base, &ops);
	return base != NULL && inbox != NULL ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	inbox_free(inbox);
	event_base_free(base);
	return 0;
}

static void nobody_is_asked_for_who_does_not_listen(void **state)
{
	struct inbox_member a = {.tell = tell}, b = {.tell = tell};

	(void)state;
	inbox_published(inbox, STR("rita"), STR("T-1"), true);
	assert_int_equal(inbox_enter(inbox, STR("rita"), MESSAGE_FOR_PUBLIC, &a), 0);
	assert_int_equal(inbox_enter(inbox, STR("rita"), MESSAGE_FOR_PUBLIC, &b), 0);
	assert_int_equal(n_followed, 1);
	inbox_published(inbox, STR("rita"), STR("T-1"), false);
	inbox_published(inbox, STR("ritas"), STR("T-1"), true);
	turn();
	assert_int_equal(n_calls, 0);
	inbox_leave(inbox, &a);
	inbox_leave(inbox, &a);
	assert_int_equal(n_followed, 1);
	inbox_leave(inbox, &b);
	assert_int_equal(n_followed, 0);
}

static void all_that_is_due_is_asked_at_once(void **state)
{
	struct inbox_member a = {.tell = tell}, b = {.tell = tell}, staff = {.tell = tell};

	(void)state;
	inbox_enter(inbox, STR("rita"), MESSAGE_FOR_PUBLIC, &a);
	inbox_enter(inbox, STR("bob"), MESSAGE_FOR_PUBLIC, &b);
	inbox_enter(inbox, STR("bob"), MESSAGE_FOR_STAFF, &staff);
	assert_int_equal(n_followed, 3);
	inbox_published(inbox, STR("rita"), STR("T-1"), true);
	inbox_published(inbox, STR("bob"), STR("T-1"), true);
	inbox_published(inbox, STR("bob"), STR("T-2"), false);
	inbox_published(inbox, STR("rita"), STR("T-1"), true);
	turn();
	assert_int_equal(n_calls, 2);
	assert_true(calls[0].is_public);
	assert_string_equal(calls[0].params, "{\"rita\",\"bob\"}{\"T-1\",\"T-1\"}");
	assert_false(calls[1].is_public);
	assert_string_equal(calls[1].params, "{\"bob\",\"bob\"}{\"T-1\",\"T-2\"}");
	assert_int_equal(inbox_count(inbox), 4);
	/* Who has left meanwhile is not missed. */
	inbox_leave(inbox, &a);
	answer(0, ERR_NONE);
	inbox_leave(inbox, &b);
	inbox_leave(inbox, &staff);
	answer(1, ERR_NONE);
	assert_int_equal(inbox_count(inbox), 0);
}

static void more_news_wait_for_a_second(void **state)
{
	struct inbox_member a = {.tell = tell};
	int64_t told_ms;

	(void)state;
	inbox_enter(inbox, STR("rita"), MESSAGE_FOR_PUBLIC, &a);
	inbox_published(inbox, STR("rita"), STR("T-1"), true);
	turn();
	assert_int_equal(n_calls, 1);
	/* One statement at a time: the other ticket waits for its end. */
	inbox_published(inbox, STR("rita"), STR("T-2"), true);
	turn();
	assert_int_equal(n_calls, 1);
	answer(0, ERR_NONE);
	told_ms = clock_mono_ms();
	assert_int_equal(n_calls, 2);
	assert_string_equal(calls[1].params, "{\"rita\"}{\"T-2\"}");
	answer(1, ERR_NONE);
	inbox_published(inbox, STR("rita"), STR("T-1"), true);
	inbox_published(inbox, STR("rita"), STR("T-1"), true);
	turn();
	assert_int_equal(n_calls, 2);
	turn_until_asked(3);
	assert_true(clock_mono_ms() >= told_ms + INBOX_EVERY_MS);
	assert_string_equal(calls[2].params, "{\"rita\"}{\"T-1\"}");
	/* What came while it was asked may not be in the answer. */
	inbox_published(inbox, STR("rita"), STR("T-1"), true);
	answer(2, ERR_NONE);
	turn_until_asked(4);
	inbox_leave(inbox, &a);
	assert_int_equal(inbox_count(inbox), 0);
}

static void what_could_not_be_asked_is_asked_again(void **state)
{
	struct inbox_member a = {.tell = tell};

	(void)state;
	inbox_enter(inbox, STR("rita"), MESSAGE_FOR_PUBLIC, &a);
	inbox_published(inbox, STR("rita"), STR("T-1"), true);
	turn();
	answer(0, ERR_UNAVAILABLE);
	turn_until_asked(2);
	assert_string_equal(calls[1].params, "{\"rita\"}{\"T-1\"}");
	inbox_leave(inbox, &a);
}

static void a_user_has_bounded_news(void **state)
{
	struct inbox_member a = {.tell = tell};
	char ticket[16];

	(void)state;
	inbox_enter(inbox, STR("rita"), MESSAGE_FOR_PUBLIC, &a);
	for (int i = 0; i < INBOX_TICKETS_MAX + 5; i++) {
		snprintf(ticket, sizeof(ticket), "T-%d", i);
		inbox_published(inbox, STR("rita"), str_of(ticket), true);
	}
	assert_int_equal(inbox_count(inbox), INBOX_TICKETS_MAX);
	inbox_leave(inbox, &a);
	assert_int_equal(inbox_count(inbox), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nobody_is_asked_for_who_does_not_listen, setup,
						teardown),
		cmocka_unit_test_setup_teardown(all_that_is_due_is_asked_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(more_news_wait_for_a_second, setup, teardown),
		cmocka_unit_test_setup_teardown(what_could_not_be_asked_is_asked_again, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_user_has_bounded_news, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
