/* SPDX-License-Identifier: BSD-2-Clause */
/* Who hears of whose presence. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "cmocka_setup.h"
#include "push/crowds.h"
#include "push/frame.h"
#include "push_events.h"

enum { RING = 8 };

struct listener {
	struct link link;
	size_t notices;
	char last[256];
};

static void on_notice(struct link *link, struct frame *frame)
{
	struct listener *listener = link->owner;

	listener->notices++;
	assert_string_equal(frame->event, "presence");
	snprintf(listener->last, sizeof(listener->last), "%.*s", STR_ARG(frame_data(frame)));
}

static void on_live(struct link *link, int64_t seq)
{
	(void)link;
	(void)seq;
}

static const struct link_ops ops = {.live = on_live, .notice = on_notice};

struct fixture {
	struct crowds *crowds;
	struct hub *one, *two;
	struct listener at_one, at_two;
};

static void sit(struct listener *listener, struct hub *hub)
{
	*listener = (struct listener){.link = {.ops = &ops, .owner = listener}};
	hub_join(hub, &listener->link);
}

static int set_up(void **state)
{
	static struct fixture f;

	f = (struct fixture){
		.crowds = crowds_new(),
		.one = hub_new(STR("T-1"), RING),
		.two = hub_new(STR("T-2"), RING),
	};
	assert_non_null(f.crowds);
	assert_non_null(f.one);
	assert_non_null(f.two);
	hub_start(f.one, 1, 0, 0);
	hub_start(f.two, 1, 0, 0);
	sit(&f.at_one, f.one);
	sit(&f.at_two, f.two);
	*state = &f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	hub_leave(&f->at_one.link);
	hub_leave(&f->at_two.link);
	crowds_forget(f->crowds, f->one);
	crowds_forget(f->crowds, f->two);
	hub_free(f->one);
	hub_free(f->two);
	crowds_free(f->crowds);
	return 0;
}

static void tell(struct fixture *f, const char *user, enum presence_status status, int64_t seen_ms)
{
	const struct presence_state state = {.status = status, .seen_ms = seen_ms};

	crowds_presence(f->crowds, str_of(user), &state);
}

static void test_those_of_the_ticket_alone(void **state)
{
	struct fixture *f = *state;

	crowds_add(f->crowds, f->one, STR("ann"), CROWDS_PARTICIPANT);
	tell(f, "ann", PRESENCE_ONLINE, 0);
	assert_int_equal(f->at_one.notices, 1);
	assert_string_equal(f->at_one.last,
			    "{\"user_id\":\"ann\",\"status\":\"online\",\"last_seen\":null}");
	assert_int_equal(f->at_two.notices, 0);
	tell(f, "bob", PRESENCE_ONLINE, 0);
	assert_int_equal(f->at_one.notices, 1);
	crowds_add(f->crowds, f->two, STR("ann"), CROWDS_LOOKING);
	tell(f, "ann", PRESENCE_OFFLINE, 1790000000123);
	assert_int_equal(f->at_one.notices, 2);
	assert_int_equal(f->at_two.notices, 1);
	assert_string_equal(f->at_two.last, "{\"user_id\":\"ann\",\"status\":\"offline\",\"last_"
					    "seen\":\"2026-09-21T14:13:20.123Z\"}");
}

/* The answer was given before that was said, and comes after it. */
static void test_an_answer_does_not_undo_what_was_said_since(void **state)
{
	const struct str old[] = {STR("bob"), STR("cy")};
	struct fixture *f = *state;
	char *now;

	crowds_here(f->crowds, f->one, STR("bob"), PRESENCE_ONLINE);
	crowds_ask_lookers(f->crowds, f->one);
	crowds_here(f->crowds, f->one, STR("ann"), PRESENCE_ONLINE);
	crowds_here(f->crowds, f->one, STR("bob"), PRESENCE_OFFLINE);
	crowds_learn_looker(f->crowds, f->one, STR("bob"));
	assert_int_equal(f->at_one.notices, 3);
	crowds_set_lookers(f->crowds, f->one, old, 2);
	assert_int_equal(f->at_one.notices, 4);
	assert_non_null(strstr(f->at_one.last, "\"cy\""));
	now = crowds_lookers_json(f->one);
	assert_non_null(now);
	assert_string_equal(now, "[\"ann\",\"cy\"]");
	free(now);
	assert_int_equal(crowds_count(f->one), 2);

	/* The next one counts in full. */
	crowds_ask_lookers(f->crowds, f->one);
	crowds_set_lookers(f->crowds, f->one, old, 2);
	now = crowds_lookers_json(f->one);
	assert_non_null(now);
	assert_string_equal(now, "[\"cy\",\"bob\"]");
	free(now);
}

static void test_looking_comes_and_goes(void **state)
{
	struct fixture *f = *state;

	crowds_here(f->crowds, f->one, STR("ann"), PRESENCE_ONLINE);
	assert_string_equal(
		f->at_one.last,
		"{\"user_id\":\"ann\",\"status\":\"online\",\"last_seen\":null,\"ticket_id\":\"T-1\"}");
	tell(f, "ann", PRESENCE_AWAY, 0);
	assert_int_equal(f->at_one.notices, 2);
	crowds_here(f->crowds, f->one, STR("ann"), PRESENCE_OFFLINE);
	assert_int_equal(f->at_one.notices, 3);
	tell(f, "ann", PRESENCE_OFFLINE, 0);
	assert_int_equal(f->at_one.notices, 3);
	assert_int_equal(crowds_count(f->one), 0);
}

/* A participant who looks stays one when he looks away. */
static void test_both_at_once(void **state)
{
	struct fixture *f = *state;

	crowds_add(f->crowds, f->one, STR("ann"), CROWDS_PARTICIPANT);
	crowds_add(f->crowds, f->one, STR("ann"), CROWDS_LOOKING);
	crowds_add(f->crowds, f->one, STR("bob"), CROWDS_LOOKING);
	assert_int_equal(crowds_count(f->one), 2);
	crowds_set_lookers(f->crowds, f->one, NULL, 0);
	assert_int_equal(crowds_count(f->one), 1);
	assert_int_equal(f->at_one.notices, 2);
	f->at_one.notices = 0;
	tell(f, "ann", PRESENCE_ONLINE, 0);
	assert_int_equal(f->at_one.notices, 1);
	crowds_remove(f->crowds, f->one, STR("ann"), CROWDS_PARTICIPANT);
	crowds_remove(f->crowds, f->one, STR("ann"), CROWDS_PARTICIPANT);
	tell(f, "ann", PRESENCE_OFFLINE, 0);
	assert_int_equal(f->at_one.notices, 1);
}

/* What was missed is told, and nothing else. */
static void test_lookers_are_put_right(void **state)
{
	static const struct str now[] = {STR("bob"), STR("cat")};
	struct fixture *f = *state;

	crowds_here(f->crowds, f->one, STR("ann"), PRESENCE_ONLINE);
	crowds_here(f->crowds, f->one, STR("bob"), PRESENCE_ONLINE);
	f->at_one.notices = 0;
	crowds_set_lookers(f->crowds, f->one, now, 2);
	assert_int_equal(f->at_one.notices, 2);
	assert_string_equal(
		f->at_one.last,
		"{\"user_id\":\"ann\",\"status\":\"offline\",\"last_seen\":null,\"ticket_id\":\"T-1\"}");
	assert_int_equal(crowds_count(f->one), 2);
	crowds_set_lookers(f->crowds, f->one, now, 2);
	assert_int_equal(f->at_one.notices, 2);
	crowds_set_lookers(f->crowds, f->two, NULL, 0);
	assert_int_equal(f->at_two.notices, 0);
}

static void test_events_say_who_belongs(void **state)
{
	struct fixture *f = *state;
	struct push_events ticket = {.epoch = 1};
	struct ticket_event event = push_events_next(&ticket, false);
	char sender[65];

	snprintf(sender, sizeof(sender), "%.*s", STR_ARG(event.sender_id));
	crowds_event(f->crowds, f->one, &event);
	tell(f, sender, PRESENCE_ONLINE, 0);
	assert_int_equal(f->at_one.notices, 1);
	event = push_events_participant(&ticket, STR("{\"user_id\":\"eve\",\"role\":\"agent\"}"));
	crowds_event(f->crowds, f->one, &event);
	tell(f, "eve", PRESENCE_ONLINE, 0);
	assert_int_equal(f->at_one.notices, 2);
	event = push_events_participant(&ticket, STR("{\"user_id\":\"eve\",\"role\":\"removed\"}"));
	crowds_event(f->crowds, f->one, &event);
	tell(f, "eve", PRESENCE_OFFLINE, 0);
	assert_int_equal(f->at_one.notices, 2);
}

/* A notice of the system says nothing of its author. */
static void test_a_system_message_adds_nobody(void **state)
{
	struct fixture *f = *state;
	struct push_events ticket = {.epoch = 1};
	struct ticket_event event = push_events_next(&ticket, false);

	event.message_kind = MESSAGE_SYSTEM;
	crowds_event(f->crowds, f->one, &event);
	assert_int_equal(crowds_count(f->one), 0);
}

static void test_a_crowd_is_bounded(void **state)
{
	struct fixture *f = *state;
	char user[16];

	for (int i = 0; i < CROWDS_PEOPLE_MAX + 5; i++) {
		snprintf(user, sizeof(user), "u%d", i);
		crowds_add(f->crowds, f->one, str_of(user), CROWDS_PARTICIPANT);
	}
	assert_int_equal(crowds_count(f->one), CROWDS_PEOPLE_MAX);
	tell(f, user, PRESENCE_ONLINE, 0);
	assert_int_equal(f->at_one.notices, 0);
	crowds_forget(f->crowds, f->one);
	tell(f, "u0", PRESENCE_ONLINE, 0);
	assert_int_equal(f->at_one.notices, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_those_of_the_ticket_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_an_answer_does_not_undo_what_was_said_since,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_looking_comes_and_goes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_both_at_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_lookers_are_put_right, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_events_say_who_belongs, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_system_message_adds_nobody, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_a_crowd_is_bounded, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
