/* SPDX-License-Identifier: BSD-2-Clause */
/* What listeners are told of who types and who has read, and when. */
#include "config.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "cmocka_setup.h"
#include "push/frame.h"
#include "push/hub.h"
#include "push/reads.h"
#include "push/typing.h"
#include "push_events.h"

enum { SHORT_MS = 30, LONG_MS = 60000 };

struct listener {
	struct link link;
	struct buf heard; /* "event data;" ... */
	size_t n;
	bool leaves; /* at the next notice */
};

struct fixture {
	struct event_base *base;
	struct typing *typing;
	struct reads *reads;
	struct hub *hub;
	struct listener staff, public;
};

static void on_live(struct link *link, int64_t seq)
{
	(void)link;
	(void)seq;
}

static void on_other(struct link *link)
{
	(void)link;
}

static void on_notice(struct link *link, struct frame *frame)
{
	struct listener *listener = link->owner;

	assert_null(frame_id(frame).p);
	buf_printf(&listener->heard, "%s %.*s;", frame->event, STR_ARG(frame_data(frame)));
	listener->n++;
	if (listener->leaves)
		hub_leave(link);
}

static const struct link_ops ops = {.live = on_live,
				    .lost = on_other,
				    .restarted = on_other,
				    .revoked = on_other,
				    .notice = on_notice};

static void join(struct hub *hub, struct listener *listener, enum message_viewer viewer)
{
	*listener = (struct listener){.link = {.ops = &ops, .viewer = viewer}, .heard = BUF_INIT};
	listener->link.owner = listener;
	hub_join(hub, &listener->link);
}

static int begin(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->base = event_base_new();
	assert_non_null(f->base);
	f->typing = typing_new(f->base);
	assert_non_null(f->typing);
	f->reads = reads_new(f->base);
	assert_non_null(f->reads);
	f->hub = hub_new(STR("T-1"), 8);
	assert_non_null(f->hub);
	hub_start(f->hub, 1, 0, 0);
	join(f->hub, &f->staff, MESSAGE_FOR_STAFF);
	join(f->hub, &f->public, MESSAGE_FOR_PUBLIC);
	*state = f;
	return 0;
}

static int end(void **state)
{
	struct fixture *f = *state;

	hub_leave(&f->staff.link);
	hub_leave(&f->public.link);
	buf_deinit(&f->staff.heard);
	buf_deinit(&f->public.heard);
	typing_forget(f->typing, f->hub);
	reads_forget(f->reads, f->hub);
	typing_free(f->typing);
	reads_free(f->reads);
	hub_free(f->hub);
	event_base_free(f->base);
	free(f);
	return 0;
}

/* Runs the loop until somebody has heard so much. */
static void run_until(struct fixture *f, const struct listener *listener, size_t n)
{
	int64_t deadline_ms = clock_mono_ms() + 10000;

	while (listener->n < n) {
		if (clock_mono_ms() > deadline_ms)
			fail_msg("heard %zu of %zu", listener->n, n);
		event_base_loop(f->base, EVLOOP_ONCE);
	}
}

/* What was heard since it was last asked. */
static void assert_heard(struct listener *listener, const char *expected)
{
	assert_string_equal(listener->heard.len == 0 ? "" : buf_cstr(&listener->heard), expected);
	buf_deinit(&listener->heard);
	buf_init(&listener->heard);
}

#define START(user, name, ms)                                                         \
	"typing-start {\"ticket_id\":\"T-1\",\"user_id\":\"" user "\",\"name\":" name \
	",\"expires_in_ms\":" ms "};"
#define STOP(user, name)                                                             \
	"typing-stop {\"ticket_id\":\"T-1\",\"user_id\":\"" user "\",\"name\":" name \
	",\"expires_in_ms\":0};"

/* ---- typing ---- */

static void typing_is_told_and_ends(void **state)
{
	struct fixture *f = *state;

	typing_start(f->typing, f->hub, STR("ann"), STR("Ann"), LONG_MS);
	assert_heard(&f->staff, START("ann", "\"Ann\"", "60000"));
	assert_heard(&f->public, START("ann", "\"Ann\"", "60000"));
	typing_start(f->typing, f->hub, STR("bob"), (struct str){NULL, 0}, LONG_MS);
	assert_heard(&f->staff, START("bob", "null", "60000"));
	typing_stop(f->typing, f->hub, STR("ann"), STR("Ann"));
	assert_heard(&f->staff, STOP("ann", "\"Ann\""));
	/* Nobody here has heard that he began; somebody elsewhere may have. */
	typing_stop(f->typing, f->hub, STR("cat"), STR("Cat"));
	assert_heard(&f->staff, STOP("cat", "\"Cat\""));
	assert_int_equal(f->staff.n, f->public.n);
}

static void who_says_nothing_more_types_no_longer(void **state)
{
	struct fixture *f = *state;

	typing_start(f->typing, f->hub, STR("ann"), STR("Ann"), SHORT_MS);
	typing_learn(f->typing, f->hub, STR("bob"), STR("Bob"), 2 * SHORT_MS);
	run_until(f, &f->staff, 3);
	assert_heard(&f->staff,
		     START("ann", "\"Ann\"", "30") STOP("ann", "\"Ann\"") STOP("bob", "\"Bob\""));
}

static void still_typing_is_told_seldom_and_prolongs(void **state)
{
	struct fixture *f = *state;

	typing_start(f->typing, f->hub, STR("ann"), STR("Ann"), SHORT_MS);
	typing_start(f->typing, f->hub, STR("ann"), STR("Ann"), LONG_MS);
	assert_int_equal(f->staff.n, 1);
	typing_start(f->typing, f->hub, STR("bob"), STR("Bob"), 2 * SHORT_MS);
	run_until(f, &f->staff, 3);
	assert_heard(&f->staff, START("ann", "\"Ann\"", "30") START("bob", "\"Bob\"", "60")
					STOP("bob", "\"Bob\""));
	clock_shift_ms(TYPING_AGAIN_MS);
	typing_start(f->typing, f->hub, STR("ann"), STR("Ann"), LONG_MS);
	assert_heard(&f->staff, START("ann", "\"Ann\"", "60000"));
	/* Who has stopped begins anew. */
	typing_stop(f->typing, f->hub, STR("ann"), STR("Ann"));
	typing_start(f->typing, f->hub, STR("ann"), STR("Ann"), LONG_MS);
	assert_int_equal(f->staff.n, 6);
}

static void who_is_known_is_not_learnt_anew(void **state)
{
	struct fixture *f = *state;

	typing_start(f->typing, f->hub, STR("ann"), STR("Ann"), SHORT_MS);
	typing_learn(f->typing, f->hub, STR("ann"), STR("Ann"), LONG_MS);
	run_until(f, &f->staff, 2);
	assert_heard(&f->staff, START("ann", "\"Ann\"", "30") STOP("ann", "\"Ann\""));
}

static void a_message_ends_its_senders_typing(void **state)
{
	struct fixture *f = *state;
	struct push_events ticket = {.epoch = 1};
	struct ticket_event event = push_events_next(&ticket, false);

	typing_event(f->typing, f->hub, &event);
	typing_start(f->typing, f->hub, event.sender_id, STR("Ann"), LONG_MS);
	typing_start(f->typing, f->hub, STR("other"), STR("Other"), LONG_MS);
	typing_event(f->typing, f->hub, &event);
	assert_int_equal(f->staff.n, 3);
	typing_event(f->typing, f->hub, &event);
	event.kind = EVENT_EDIT;
	event.sender_id = STR("other");
	typing_event(f->typing, f->hub, &event);
	assert_int_equal(f->staff.n, 3);
}

static void removal_ends_typing(void **state)
{
	struct fixture *f = *state;
	struct push_events ticket = {.epoch = 1};
	struct ticket_event added =
		push_events_participant(&ticket, STR("{\"user_id\":\"ann\",\"role\":\"agent\"}"));
	struct ticket_event removed =
		push_events_participant(&ticket, STR("{\"user_id\":\"ann\",\"role\":\"removed\"}"));

	typing_start(f->typing, f->hub, STR("ann"), STR("Ann"), LONG_MS);
	typing_event(f->typing, f->hub, &added);
	assert_int_equal(f->staff.n, 1);
	typing_event(f->typing, f->hub, &removed);
	assert_heard(&f->staff, START("ann", "\"Ann\"", "60000") STOP("ann", "\"Ann\""));
}

static void typists_are_bounded(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < TYPING_TYPISTS_MAX + 50; i++) {
		char user[16];

		snprintf(user, sizeof(user), "u%d", i);
		typing_start(f->typing, f->hub, str_of(user), (struct str){NULL, 0}, LONG_MS);
	}
	assert_int_equal(f->staff.n, TYPING_TYPISTS_MAX);
	typing_stop(f->typing, f->hub, STR("u0"), (struct str){NULL, 0});
	typing_start(f->typing, f->hub, STR("ann"), STR("Ann"), LONG_MS);
	assert_int_equal(f->staff.n, TYPING_TYPISTS_MAX + 2);
}

static void listeners_may_leave_while_they_are_told(void **state)
{
	struct fixture *f = *state;

	typing_start(f->typing, f->hub, STR("ann"), STR("Ann"), SHORT_MS);
	f->staff.leaves = true;
	run_until(f, &f->public, 2);
	assert_int_equal(hub_links(f->hub), 1);
	hub_leave(&f->public.link);
	typing_start(f->typing, f->hub, STR("ann"), STR("Ann"), LONG_MS);
	assert_int_equal(f->public.n, 2);
}

/* ---- reading ---- */

#define READ(user, seq)                                                             \
	"message-read {\"ticket_id\":\"T-1\",\"user_id\":\"" user "\",\"seq\":" seq \
	",\"at\":\"2026-09-21T14:13:20.000Z\"};"

static void take(struct fixture *f, struct str user, int64_t seq, int64_t public_seq)
{
	reads_take(f->reads, f->hub,
		   &(struct reads_mark){.user = user,
					.seq = seq,
					.public_seq = public_seq,
					.at_ms = INT64_C(1790000000000)});
}

static void each_viewer_is_told_its_own_mark(void **state)
{
	struct fixture *f = *state;

	take(f, STR("ann"), 5, 4);
	take(f, STR("bob"), 5, 0);
	assert_heard(&f->staff, READ("ann", "5") READ("bob", "5"));
	assert_heard(&f->public, READ("ann", "4"));
}

static void of_many_marks_the_newest_is_told(void **state)
{
	struct fixture *f = *state;
	int64_t begun_ms = clock_mono_ms();

	take(f, STR("ann"), 1, 1);
	take(f, STR("ann"), 2, 2);
	take(f, STR("ann"), 4, 0);
	take(f, STR("ann"), 3, 3);
	take(f, STR("bob"), 9, 9);
	assert_int_equal(f->staff.n, 2);
	run_until(f, &f->staff, 3);
	assert_true(clock_mono_ms() - begun_ms >= READS_EVERY_MS - 20);
	assert_heard(&f->staff, READ("ann", "1") READ("bob", "9") READ("ann", "4"));
	assert_heard(&f->public, READ("ann", "1") READ("bob", "9") READ("ann", "2"));
	/* It was just told, so the next one waits again. */
	take(f, STR("ann"), 6, 0);
	assert_int_equal(f->staff.n, 3);
	run_until(f, &f->staff, 4);
	assert_heard(&f->staff, READ("ann", "6"));
	assert_heard(&f->public, "");
}

static void after_a_pause_it_is_told_at_once(void **state)
{
	struct fixture *f = *state;

	take(f, STR("ann"), 1, 1);
	/* Nothing is left to wait for once the pause is over. */
	event_base_dispatch(f->base);
	take(f, STR("ann"), 2, 2);
	assert_heard(&f->staff, READ("ann", "1") READ("ann", "2"));
}

static void those_who_read_are_bounded(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < READS_USERS_MAX + 50; i++) {
		char user[16];

		snprintf(user, sizeof(user), "u%d", i);
		take(f, str_of(user), 1, 1);
	}
	assert_int_equal(f->staff.n, READS_USERS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(typing_is_told_and_ends, begin, end),
		cmocka_unit_test_setup_teardown(who_says_nothing_more_types_no_longer, begin, end),
		cmocka_unit_test_setup_teardown(still_typing_is_told_seldom_and_prolongs, begin,
						end),
		cmocka_unit_test_setup_teardown(who_is_known_is_not_learnt_anew, begin, end),
		cmocka_unit_test_setup_teardown(a_message_ends_its_senders_typing, begin, end),
		cmocka_unit_test_setup_teardown(removal_ends_typing, begin, end),
		cmocka_unit_test_setup_teardown(typists_are_bounded, begin, end),
		cmocka_unit_test_setup_teardown(listeners_may_leave_while_they_are_told, begin,
						end),
		cmocka_unit_test_setup_teardown(each_viewer_is_told_its_own_mark, begin, end),
		cmocka_unit_test_setup_teardown(of_many_marks_the_newest_is_told, begin, end),
		cmocka_unit_test_setup_teardown(after_a_pause_it_is_told_at_once, begin, end),
		cmocka_unit_test_setup_teardown(those_who_read_are_bounded, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
