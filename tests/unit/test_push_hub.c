/* SPDX-License-Identifier: BSD-2-Clause */
/* A hub gives each of its links every event that it may see, once and in order, whoever brings them. */
#include "config.h"

#include <stdlib.h>

#include "cmocka_setup.h"
#include "push/frame.h"
#include "push/hub.h"
#include "push/ring.h"
#include "push_events.h"

enum { EVENTS = 400 };

struct listener {
	struct link link;
	int64_t seen[EVENTS];
	size_t n, lost, restarted, revoked, notices;
	struct frame *noticed; /* borrowed, the last */
	bool leaves;	       /* at the next event */
};

static void on_live(struct link *link, int64_t seq)
{
	struct listener *listener = link->owner;

	assert_non_null(ring_find(hub_ring(link->hub), seq));
	listener->seen[listener->n++] = seq;
	if (listener->leaves)
		hub_leave(link);
}

static void on_lost(struct link *link)
{
	((struct listener *)link->owner)->lost++;
}

static void on_restarted(struct link *link)
{
	((struct listener *)link->owner)->restarted++;
}

static void on_revoked(struct link *link)
{
	((struct listener *)link->owner)->revoked++;
	hub_leave(link);
}

static void on_notice(struct link *link, struct frame *frame)
{
	struct listener *listener = link->owner;

	listener->noticed = frame;
	listener->notices++;
	if (listener->leaves)
		hub_leave(link);
}

static const struct link_ops ops = {on_live, on_lost, on_restarted, on_revoked, on_notice};

static void join(struct hub *hub, struct listener *listener, enum message_viewer viewer)
{
	*listener = (struct listener){.link = {.ops = &ops, .viewer = viewer}};
	listener->link.owner = listener;
	listener->link.pos = hub_last(hub);
	listener->link.shown = hub_newest(hub, viewer);
	hub_join(hub, &listener->link);
	assert_true(link_reaches_ring(&listener->link));
	listener->link.state = LINK_LIVE;
}

static struct hub *started(int64_t epoch)
{
	struct hub *hub = hub_new(STR("T-1"), 64);

	assert_non_null(hub);
	assert_false(hub_is_started(hub));
	hub_start(hub, epoch, 0, 0);
	return hub;
}

/* Two sources bring the same events, out of step, with repetitions and holes. */
static void everybody_sees_everything_once(void **state)
{
	struct push_events ticket = {.epoch = 1};
	struct ticket_event events[EVENTS];
	struct hub *hub = started(1);
	static struct listener staff, public;
	int64_t prev = 0;
	size_t public_count = 0;
	unsigned int seed = 1;

	(void)state;
	for (int i = 0; i < EVENTS; i++)
		events[i] = push_events_next(&ticket, rand_r(&seed) % 3 == 0);
	join(hub, &staff, MESSAGE_FOR_STAFF);
	join(hub, &public, MESSAGE_FOR_PUBLIC);
	while (hub_last(hub) < EVENTS) {
		int64_t seq = hub_last(hub) + 1 + rand_r(&seed) % 5 - 2;
		enum hub_fed fed, expected = HUB_FED;

		if (seq < 1 || seq > EVENTS)
			continue;
		if (seq <= hub_last(hub))
			expected = HUB_OLD;
		else if (seq > hub_last(hub) + 1)
			expected = HUB_HOLE;
		fed = hub_feed(hub, &events[seq - 1]);
		assert_int_equal(fed, expected);
	}
	assert_int_equal(staff.n, EVENTS);
	for (int i = 0; i < EVENTS; i++) {
		assert_int_equal(staff.seen[i], i + 1);
		if (!events[i].is_public)
			continue;
		assert_int_equal(public.seen[public_count++], i + 1);
		assert_int_equal(events[i].prev_public, prev);
		prev = i + 1;
	}
	assert_int_equal(public.n, public_count);
	assert_int_equal(staff.lost + public.lost, 0);
	assert_int_equal(hub_newest(hub, MESSAGE_FOR_PUBLIC), prev);
	hub_leave(&staff.link);
	hub_leave(&public.link);
	assert_int_equal(hub_links(hub), 0);
	hub_free(hub);
}

static void links_may_leave_while_they_are_told(void **state)
{
	struct push_events ticket = {.epoch = 1};
	struct ticket_event event = push_events_next(&ticket, false);
	struct hub *hub = started(1);
	static struct listener a, b, c;

	(void)state;
	join(hub, &a, MESSAGE_FOR_STAFF);
	join(hub, &b, MESSAGE_FOR_STAFF);
	join(hub, &c, MESSAGE_FOR_STAFF);
	a.leaves = b.leaves = true;
	assert_int_equal(hub_feed(hub, &event), HUB_FED);
	assert_int_equal(a.n + b.n + c.n, 3);
	assert_int_equal(hub_links(hub), 1);
	hub_leave(&c.link);
	hub_leave(&c.link);
	hub_free(hub);
}

/* A link that may see another part of the ticket stands where it would stand with its cursor. */
static void who_is_somebody_else_now_goes_on_from_his_cursor(void **state)
{
	struct push_events ticket = {.epoch = 1};
	struct ticket_event note, message;
	struct hub *hub = started(1);
	static struct listener a, b;

	(void)state;
	join(hub, &a, MESSAGE_FOR_PUBLIC);
	join(hub, &b, MESSAGE_FOR_STAFF);
	message = push_events_next(&ticket, false);
	hub_feed(hub, &message);
	note = push_events_next(&ticket, true);
	hub_feed(hub, &note);
	assert_int_equal(a.link.pos, 2);
	hub_turn(&a.link, MESSAGE_FOR_STAFF);
	hub_turn(&b.link, MESSAGE_FOR_PUBLIC);
	/* The note comes after the cursor of one, and is the cursor of the other. */
	assert_int_equal(a.link.state, LINK_REPLAY);
	assert_int_equal(link_step(&a.link, &note), LINK_NEXT);
	assert_int_equal(a.link.shown, 2);
	assert_int_equal(b.link.shown, 2);
	note = push_events_next(&ticket, true);
	message = push_events_next(&ticket, false);
	assert_int_equal(link_step(&a.link, &note), LINK_NEXT);
	assert_int_equal(link_step(&b.link, &note), LINK_OLD);
	assert_int_equal(b.link.shown, 2);
	assert_int_equal(link_step(&a.link, &message), LINK_NEXT);
	assert_int_equal(link_step(&b.link, &message), LINK_NEXT);
	assert_int_equal(message_prev(&message, MESSAGE_FOR_PUBLIC), 1);
	hub_leave(&a.link);
	hub_leave(&b.link);
	hub_free(hub);
}

static void another_epoch_is_not_taken(void **state)
{
	struct push_events ticket = {.epoch = 2};
	struct ticket_event event = push_events_next(&ticket, false);
	struct hub *hub = started(1);
	static struct listener staff;

	(void)state;
	join(hub, &staff, MESSAGE_FOR_STAFF);
	assert_int_equal(hub_feed(hub, &event), HUB_OLD);
	hub_restart(hub, 2, 7, 5);
	assert_int_equal(staff.restarted, 1);
	assert_int_equal(staff.link.pos, 7);
	assert_int_equal(staff.link.shown, 7);
	assert_int_equal(hub_newest(hub, MESSAGE_FOR_PUBLIC), 5);
	hub_leave(&staff.link);
	hub_free(hub);
}

static void what_the_record_lacks_is_skipped_and_told(void **state)
{
	struct push_events ticket = {.epoch = 1, .seq = 9, .n = 9, .n_public = 9, .last_public = 9};
	struct ticket_event event = push_events_next(&ticket, false);
	struct hub *hub = started(1);
	static struct listener staff;

	(void)state;
	join(hub, &staff, MESSAGE_FOR_STAFF);
	assert_int_equal(hub_feed(hub, &event), HUB_HOLE);
	hub_skip(hub, event.seq);
	assert_int_equal(staff.lost, 1);
	assert_int_equal(staff.link.state, LINK_REPLAY);
	assert_int_equal(hub_feed(hub, &event), HUB_FED);
	assert_int_equal(staff.n, 0);
	assert_int_equal(link_step(&staff.link, &event), LINK_GAP_BEFORE);
	hub_leave(&staff.link);
	hub_free(hub);
}

static void a_lagging_link_gets_its_event_again(void **state)
{
	struct push_events ticket = {.epoch = 1};
	struct ticket_event events[3];
	struct hub *hub = started(1);
	static struct listener public;

	(void)state;
	for (int i = 0; i < 3; i++)
		events[i] = push_events_next(&ticket, i == 1);
	join(hub, &public, MESSAGE_FOR_PUBLIC);
	for (int i = 0; i < 3; i++)
		hub_feed(hub, &events[i]);
	assert_int_equal(public.n, 2);
	hub_lag(&public.link);
	assert_int_equal(public.link.pos, 2);
	assert_int_equal(public.link.shown, 1);
	assert_int_equal(link_step(&public.link, &events[2]), LINK_NEXT);
	hub_leave(&public.link);
	hub_free(hub);
}

/* A requester's world has no notes, and its positions say nothing of them. */
static void notes_move_a_public_link_unseen(void **state)
{
	struct push_events ticket = {.epoch = 1};
	struct ticket_event first = push_events_next(&ticket, false);
	struct ticket_event note = push_events_next(&ticket, true);
	struct ticket_event last = push_events_next(&ticket, false);
	struct link link = {.viewer = MESSAGE_FOR_PUBLIC};

	(void)state;
	assert_int_equal(link_step(&link, &first), LINK_NEXT);
	assert_int_equal(link_step(&link, &note), LINK_OLD);
	assert_int_equal(link.pos, 2);
	assert_int_equal(link.shown, 1);
	assert_int_equal(link_step(&link, &last), LINK_NEXT);
	assert_int_equal(link_step(&link, &last), LINK_OLD);
	assert_int_equal(link.shown, 3);
}

#define REMOVED STR("{\"user_id\":\"ann\",\"role\":\"removed\"}")
#define ADDED	STR("{\"user_id\":\"ann\",\"role\":\"agent\"}")

static void join_as(struct hub *hub, struct listener *listener, struct str user)
{
	join(hub, listener, MESSAGE_FOR_PUBLIC);
	listener->link.user = user;
	listener->link.let_in_at = hub_last(hub);
}

static void a_removed_user_leaves_at_once(void **state)
{
	struct push_events ticket = {.epoch = 1};
	struct ticket_event first = push_events_next(&ticket, false);
	struct ticket_event added = push_events_participant(&ticket, ADDED);
	struct ticket_event removed = push_events_participant(&ticket, REMOVED);
	struct ticket_event last = push_events_next(&ticket, false);
	struct hub *hub = started(1);
	static struct listener tab, late, other, service;

	(void)state;
	join_as(hub, &tab, STR("ann"));
	join_as(hub, &late, STR("ann"));
	late.link.state = LINK_REPLAY;
	join_as(hub, &other, STR("an"));
	join(hub, &service, MESSAGE_FOR_STAFF);
	assert_int_equal(hub_feed(hub, &first), HUB_FED);
	assert_int_equal(hub_feed(hub, &added), HUB_FED);
	assert_int_equal(hub_feed(hub, &removed), HUB_FED);
	assert_int_equal(hub_feed(hub, &last), HUB_FED);
	assert_int_equal(tab.n, 2);
	assert_int_equal(tab.revoked, 1);
	assert_int_equal(late.n, 0);
	assert_int_equal(late.revoked, 1);
	assert_int_equal(other.n, 4);
	assert_int_equal(service.n, 4);
	assert_int_equal(other.revoked + service.revoked, 0);
	assert_int_equal(hub_links(hub), 2);
	hub_leave(&other.link);
	hub_leave(&service.link);
	hub_free(hub);
}

/* In another epoch seqs count anew, and who had been let in may have to go. */
static void a_hub_asks_again_who_may_listen(void **state)
{
	static const struct hub_person people[] = {
		{STR("ann"), true}, {STR("bob"), false}, {STR("eve"), true}};
	struct push_events ticket = {.epoch = 2, .seq = 3, .n = 3, .n_public = 3, .last_public = 3};
	struct ticket_event removed = push_events_participant(&ticket, REMOVED);
	struct hub *hub = started(1);
	static struct listener ann, bob, cid, dan, service;

	(void)state;
	assert_false(hub_keep(hub)->is_unchecked);
	hub_restart(hub, 1, 90, 90);
	assert_false(hub_keep(hub)->is_unchecked);
	join_as(hub, &ann, STR("ann"));
	join_as(hub, &bob, STR("bob"));
	join_as(hub, &cid, STR("cid"));
	join_as(hub, &dan, STR("dan"));
	ann.link.is_granted = dan.link.is_granted = true;
	join(hub, &service, MESSAGE_FOR_STAFF);
	hub_restart(hub, 2, 3, 3);
	assert_true(hub_keep(hub)->is_unchecked);
	hub_check(hub, people, 0);
	assert_int_equal(ann.revoked, 0);
	assert_int_equal(bob.revoked, 1);
	assert_int_equal(cid.revoked, 1);
	join_as(hub, &bob, STR("bob"));
	hub_check(hub, people, 3);
	assert_int_equal(ann.revoked, 1);
	assert_int_equal(bob.revoked + dan.revoked + service.revoked, 0);
	join_as(hub, &ann, STR("ann"));
	ann.link.let_in_at = 90;
	hub_restart(hub, 2, 3, 3);
	assert_int_equal(hub_feed(hub, &removed), HUB_FED);
	assert_int_equal(ann.revoked, 1);
	hub_leave(&bob.link);
	hub_leave(&dan.link);
	hub_leave(&service.link);
	hub_free(hub);
}

/* The hub was behind what the user was let in by: the removal is history, and shown as that. */
static void a_removal_of_before_is_history(void **state)
{
	struct push_events ticket = {.epoch = 1};
	struct ticket_event removed = push_events_participant(&ticket, REMOVED);
	struct ticket_event added = push_events_participant(&ticket, ADDED);
	struct ticket_event again = push_events_participant(&ticket, REMOVED);
	struct hub *hub = started(1);
	static struct listener ann;

	(void)state;
	join_as(hub, &ann, STR("ann"));
	ann.link.let_in_at = 2;
	assert_int_equal(hub_feed(hub, &removed), HUB_FED);
	assert_int_equal(hub_feed(hub, &added), HUB_FED);
	assert_int_equal(ann.n, 2);
	assert_int_equal(link_step(&ann.link, &again), LINK_REVOKED);
	assert_int_equal(ann.link.pos, 2);
	assert_int_equal(hub_feed(hub, &again), HUB_FED);
	assert_int_equal(ann.n, 2);
	assert_int_equal(ann.revoked, 1);
	hub_free(hub);
}

static void a_hub_tells_who_was_removed_lately(void **state)
{
	struct push_events ticket = {.epoch = 1};
	struct ticket_event events[70];
	struct hub *hub = started(1);

	(void)state;
	for (int i = 0; i < 70; i++)
		events[i] = push_events_next(&ticket, false);
	events[65].kind = events[67].kind = EVENT_PARTICIPANT;
	events[65].detail = REMOVED;
	events[67].detail = ADDED;
	for (int i = 0; i < 67; i++)
		assert_int_equal(hub_feed(hub, &events[i]), HUB_FED);
	assert_int_equal(hub_look_for(hub, STR("ann"), 65), HUB_MEMBER_REMOVED);
	assert_int_equal(hub_look_for(hub, STR("ann"), 66), HUB_MEMBER_SAME);
	assert_int_equal(hub_look_for(hub, STR("ann"), 67), HUB_MEMBER_SAME);
	assert_int_equal(hub_look_for(hub, STR("ann"), 99), HUB_MEMBER_SAME);
	assert_int_equal(hub_look_for(hub, STR("bob"), 10), HUB_MEMBER_SAME);
	assert_int_equal(hub_look_for(hub, STR("bob"), 2), HUB_MEMBER_UNKNOWN);
	assert_int_equal(hub_feed(hub, &events[67]), HUB_FED);
	assert_int_equal(hub_look_for(hub, STR("ann"), 65), HUB_MEMBER_SAME);
	/* Of what was before it began it knows nothing. */
	hub_restart(hub, 2, 100, 100);
	assert_int_equal(hub_look_for(hub, STR("ann"), 100), HUB_MEMBER_SAME);
	assert_int_equal(hub_look_for(hub, STR("ann"), 99), HUB_MEMBER_UNKNOWN);
	hub_free(hub);
}

/* Each gets what is for its viewer, whatever its state, and may leave meanwhile. */
static void notices_go_to_all_links(void **state)
{
	struct hub *hub = started(1);
	struct frame *open = frame_new("typing-start", (struct str){0}, STR("{}"));
	struct frame *secret = frame_new("message-read", (struct str){0}, STR("{}"));
	static struct listener staff, public, leaving;

	(void)state;
	join(hub, &leaving, MESSAGE_FOR_STAFF);
	join(hub, &staff, MESSAGE_FOR_STAFF);
	join(hub, &public, MESSAGE_FOR_PUBLIC);
	public.link.state = LINK_REPLAY;
	leaving.leaves = true;
	hub_notice(hub, secret, open);
	assert_ptr_equal(leaving.noticed, secret);
	assert_ptr_equal(staff.noticed, secret);
	assert_ptr_equal(public.noticed, open);
	hub_notice(hub, secret, NULL);
	assert_int_equal(leaving.notices, 1);
	assert_int_equal(staff.notices, 2);
	assert_int_equal(public.notices, 1);
	hub_leave(&staff.link);
	hub_leave(&public.link);
	hub_free(hub);
	frame_unref(open);
	frame_unref(secret);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everybody_sees_everything_once),
		cmocka_unit_test(links_may_leave_while_they_are_told),
		cmocka_unit_test(who_is_somebody_else_now_goes_on_from_his_cursor),
		cmocka_unit_test(another_epoch_is_not_taken),
		cmocka_unit_test(what_the_record_lacks_is_skipped_and_told),
		cmocka_unit_test(a_lagging_link_gets_its_event_again),
		cmocka_unit_test(notes_move_a_public_link_unseen),
		cmocka_unit_test(a_removed_user_leaves_at_once),
		cmocka_unit_test(a_hub_asks_again_who_may_listen),
		cmocka_unit_test(a_removal_of_before_is_history),
		cmocka_unit_test(a_hub_tells_who_was_removed_lately),
		cmocka_unit_test(notices_go_to_all_links),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
