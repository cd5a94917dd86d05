/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Replay against stores that are made up: a window that begins anywhere and may have holes, a record
 * that may have lost its oldest, both answering whenever they like or not at all, a client that takes
 * as much as it likes, and events that go on coming meanwhile. Whatever happens, the client gets
 * everything that exists and that it may see, once and in order.
 */
#include "config.h"

#include <event2/event.h>
#include <stdlib.h>

#include "cmocka_setup.h"
#include "push/frame.h"
#include "push/replay.h"
#include "push/ring.h"
#include "push/stores.h"
#include "push/texts.h"
#include "push_events.h"
#include "store/hot.h"
#include "store/record.h"

enum { EVENTS_MAX = 1200, ROUNDS = 300, STEPS_MAX = 20000, FAILURES_MAX = 6 };

/* ---- the stores ---- */

static struct world {
	struct ticket_event events[EVENTS_MAX]; /* seq is at seq - 1 */
	int64_t last;				/* committed */
	int64_t window_first;			/* 0: no stream */
	int64_t window_hole;			/* this one is missing */
	int64_t record_first;
	bool may_read_window;
	int64_t from; /* of the question under way */
	redis_async_cb *window_cb;
	pg_call_done *record_cb;
	void *arg;
} world;

static int pending; /* what handles point to */

bool stores_may_read_window(const struct stores *stores, unsigned int partition)
{
	(void)stores;
	(void)partition;
	return world.may_read_window;
}

static struct texts *no_keys;

struct texts *stores_texts(const struct stores *stores)
{
	(void)stores;
	return no_keys;
}

int64_t stores_epoch(const struct stores *stores)
{
	(void)stores;
	return 1;
}

const struct redis_keys *stores_keys(const struct stores *stores)
{
	(void)stores;
	return NULL;
}

unsigned int stores_partition(const struct stores *stores, struct str ticket)
{
	(void)stores;
	(void)ticket;
	return 0;
}

void stores_note_epoch(struct stores *stores, int64_t epoch)
{
	(void)stores;
	(void)epoch;
}

struct redis_async_call *stores_ask_redis(struct stores *stores, const struct buf *commands,
					  size_t nreplies, redis_async_cb *cb, void *arg)
{
	(void)stores;
	(void)commands;
	assert_int_equal(nreplies, 1);
	assert_null(world.window_cb);
	assert_null(world.record_cb);
	world.window_cb = cb;
	world.arg = arg;
	return (struct redis_async_call *)&pending;
}

struct pg_call *stores_ask_record(struct stores *stores, struct pg_stmt *stmt, pg_call_done *done,
				  void *arg)
{
	(void)stores;
	(void)stmt;
	assert_null(world.window_cb);
	assert_null(world.record_cb);
	world.record_cb = done;
	world.arg = arg;
	return (struct pg_call *)&pending;
}

void redis_async_cancel(struct redis_async_call *call)
{
	assert_ptr_equal(call, &pending);
	world.window_cb = NULL;
}

void pg_call_cancel(struct pg_call *call)
{
	assert_ptr_equal(call, &pending);
	world.record_cb = NULL;
}

size_t hot_put_range(struct buf *b, const struct redis_keys *keys, const struct hot_range *range)
{
	(void)b;
	(void)keys;
	world.from = range->from;
	return 1;
}

int hot_parse_events(const redisReply *entries, struct str ticket, int64_t epoch,
		     struct ticket_event *events_r, size_t max)
{
	int64_t seq = world.from > world.window_first ? world.from : world.window_first;
	size_t n = 0;

	(void)entries;
	(void)ticket;
	assert_int_equal(epoch, 1);
	for (; world.window_first > 0 && seq <= world.last && n < max; seq++) {
		if (seq != world.window_hole)
			events_r[n++] = world.events[seq - 1];
	}
	return (int)n;
}

void record_put_range(struct pg_stmt *stmt, const struct record_range_query *query)
{
	static const struct pg_query none = {.name = "none", .sql = ""};

	pg_stmt_init(stmt, &none);
	world.from = query->from;
}

int record_parse_events(const PGresult *result, struct str ticket, struct record_events *events_r)
{
	int64_t seq = world.from > world.record_first ? world.from : world.record_first;

	(void)result;
	(void)ticket;
	*events_r = (struct record_events){.ticket = {.epoch = 1}};
	if (seq <= world.last) {
		events_r->events = &world.events[seq - 1];
		events_r->count = (size_t)(world.last - seq + 1);
		if (events_r->count > REPLAY_PAGE)
			events_r->count = REPLAY_PAGE;
	}
	return 0;
}

void record_events_deinit(struct record_events *events)
{
	(void)events;
}

/* One of the stores answers, or fails. */
static void answer(bool is_good)
{
	redisReply *reply = NULL;
	redis_async_cb *window_cb = world.window_cb;
	pg_call_done *record_cb = world.record_cb;

	world.window_cb = NULL;
	world.record_cb = NULL;
	if (window_cb != NULL)
		window_cb(world.arg, is_good ? ERR_NONE : ERR_TIMEOUT, &reply, 1);
	else if (record_cb != NULL)
		record_cb(world.arg, is_good ? ERR_NONE : ERR_TIMEOUT, NULL);
}

/* ---- the client ---- */

static struct client {
	int64_t expected; /* seq of the last visible event that it has, or knows to be gone */
	int64_t gone_to;
	size_t room;
	bool is_live, is_revoked;
	enum message_viewer viewer;
	struct replay *replay;
} client;

static bool has_room(void *taker)
{
	(void)taker;
	return client.room > 0;
}

static int64_t seq_of(const struct frame *frame)
{
	struct str id = frame_id(frame), epoch;
	int64_t seq = 0;

	assert_true(str_split(&id, '.', &epoch));
	assert_int_equal(str_to_i64(id, 1, EVENTS_MAX, &seq), 0);
	return seq;
}

static void take(int64_t seq)
{
	assert_int_equal(message_prev(&world.events[seq - 1], client.viewer), client.expected);
	client.expected = seq;
	if (client.room > 0)
		client.room--;
}

static void on_event(void *taker, struct frame *frame)
{
	(void)taker;
	take(seq_of(frame));
}

static void on_gap(void *taker, int64_t from, int64_t to)
{
	(void)taker;
	assert_true(from > client.expected && to >= from);
	assert_true(to < world.record_first);
	client.expected = client.gone_to = to;
}

static void on_joined(void *taker)
{
	(void)taker;
	client.is_live = true;
}

static void on_ready(void *taker)
{
	(void)taker;
	if (client.replay != NULL)
		replay_pump(client.replay);
}

static void on_failed(void *taker)
{
	(void)taker;
	fail();
}

static const struct replay_ops replay_ops = {
	.has_room = has_room,
	.event = on_event,
	.gap = on_gap,
	.joined = on_joined,
	.ready = on_ready,
	.failed = on_failed,
};

static void on_live(struct link *link, int64_t seq)
{
	(void)link;
	assert_true(client.is_live);
	take(seq);
}

static void on_never(struct link *link)
{
	(void)link;
	fail();
}

static const struct link_ops link_ops = {on_live, on_never, on_never, on_never};

/* ---- the rounds ---- */

static unsigned int seed;

static int64_t random_to(int64_t max)
{
	return rand_r(&seed) % (max + 1);
}

static void make_world(void)
{
	struct push_events ticket = {.epoch = 1};

	world = (struct world){.record_first = 1};
	for (int i = 0; i < EVENTS_MAX; i++)
		world.events[i] = push_events_next(&ticket, random_to(3) == 0);
	world.last = 1 + random_to(EVENTS_MAX / 2);
	world.may_read_window = random_to(3) > 0;
	if (random_to(4) > 0)
		world.window_first = 1 + random_to(world.last - 1);
	if (random_to(1) > 0)
		world.window_hole = 1 + random_to(world.last - 1);
	if (random_to(2) == 0)
		world.record_first = 1 + random_to(world.last - 1);
	if (world.window_first > 0 && world.window_first < world.record_first)
		world.window_first = world.record_first;
}

static int64_t newest_visible(void)
{
	int64_t seq = world.last;

	while (seq > 0 && !message_is_visible(&world.events[seq - 1], client.viewer))
		seq--;
	return seq;
}

/* The hub holds some of the newest; it may also be behind the stores, as after a hole. */
static struct hub *make_hub(void)
{
	struct hub *hub = hub_new(STR("T-1"), 64);
	int64_t start = random_to(world.last), last_public = 0;

	assert_non_null(hub);
	for (int64_t seq = 1; seq <= start; seq++) {
		if (world.events[seq - 1].is_public)
			last_public = seq;
	}
	hub_start(hub, 1, start, last_public);
	while (hub_last(hub) < world.last)
		assert_int_equal(hub_feed(hub, &world.events[hub_last(hub)]), HUB_FED);
	return hub;
}

static void commit_one(struct hub *hub)
{
	if (world.last < EVENTS_MAX)
		assert_int_equal(hub_feed(hub, &world.events[world.last++]), HUB_FED);
}

/* Now and then a question fails; not often, as each costs REPLAY_RETRY_MS of real time. */
static bool may_fail(void)
{
	static int failures;

	if (failures == FAILURES_MAX || random_to(20) > 0)
		return false;
	failures++;
	return true;
}

static void play(struct event_base *base, struct hub *hub, struct replay *replay)
{
	for (int step = 0; step < STEPS_MAX; step++) {
		if (client.is_live && client.expected == newest_visible())
			return;
		switch (random_to(4)) {
		case 0:
			commit_one(hub);
			break;
		case 1:
			answer(!may_fail());
			break;
		case 2:
			/* After a failure, until it asks again. */
			if (event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED) > 0)
				event_base_loop(base, EVLOOP_ONCE);
			break;
		default:
			client.room += (size_t)random_to(40);
			replay_pump(replay);
			answer(true);
			break;
		}
	}
	fail();
}

static void everything_comes_once_and_in_order(void **state)
{
	struct event_base *base = event_base_new();

	(void)state;
	assert_non_null(base);
	for (seed = 1; seed <= ROUNDS; seed++) {
		unsigned int round = seed;
		struct link link = {.ops = &link_ops};
		struct replay *replay;
		struct hub *hub;

		client = (struct client){0};
		client.viewer = random_to(1) > 0 ? MESSAGE_FOR_STAFF : MESSAGE_FOR_PUBLIC;
		make_world();
		hub = make_hub();
		link.viewer = client.viewer;
		link.pos = random_to(world.last);
		while (link.pos > 0 &&
		       !message_is_visible(&world.events[link.pos - 1], client.viewer))
			link.pos--;
		link.shown = client.expected = link.pos;
		hub_join(hub, &link);
		replay = client.replay = replay_new(base, NULL, &link, &replay_ops, &client);
		assert_non_null(replay);
		play(base, hub, replay);
		assert_true(client.gone_to == 0 || link.pos >= client.gone_to);
		replay_free(replay);
		hub_leave(&link);
		hub_free(hub);
		seed = round;
	}
	event_base_free(base);
}

static void on_revoked(struct link *link)
{
	client.is_revoked = true;
	hub_leave(link);
}

static const struct link_ops revocable_ops = {on_live, on_never, on_never, on_revoked};

/*
 * The stores are ahead of the hub: a page brings the user's own removal before the hub has heard of
 * it. What comes after it is not given; one from before the user was let in is given like any event.
 */
static void a_page_ends_where_its_user_was_removed(void **state)
{
	static const bool from_window[] = {true, false};
	struct event_base *base = event_base_new();

	(void)state;
	assert_non_null(base);
	for (size_t i = 0; i < 2; i++) {
		struct hub *hub = hub_new(STR("T-1"), 64);
		struct link link = {.ops = &revocable_ops,
				    .viewer = MESSAGE_FOR_STAFF,
				    .user = STR("ann"),
				    .let_in_at = 30};
		struct replay *replay;

		assert_non_null(hub);
		client = (struct client){.viewer = MESSAGE_FOR_STAFF, .room = EVENTS_MAX};
		seed = 1;
		make_world();
		world.record_first = 1;
		world.window_first = from_window[i] ? 1 : 0;
		world.window_hole = 0;
		world.may_read_window = from_window[i];
		world.last = 60;
		world.events[20].kind = world.events[49].kind = EVENT_PARTICIPANT;
		world.events[20].is_public = world.events[49].is_public = true;
		world.events[20].detail = world.events[49].detail =
			STR("{\"user_id\":\"ann\",\"role\":\"removed\"}");
		hub_start(hub, 1, 40, 40);
		hub_join(hub, &link);
		replay = client.replay = replay_new(base, NULL, &link, &replay_ops, &client);
		assert_non_null(replay);
		replay_pump(replay);
		answer(true);
		assert_true(client.is_revoked);
		assert_int_equal(client.expected, 49);
		assert_null(world.window_cb);
		assert_null(world.record_cb);
		replay_pump(replay);
		assert_int_equal(client.expected, 49);
		replay_free(replay);
		hub_free(hub);
	}
	event_base_free(base);
}

static int setup(void **state)
{
	(void)state;
	no_keys = texts_new();
	return no_keys != NULL ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	texts_free(no_keys);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_comes_once_and_in_order),
		cmocka_unit_test(a_page_ends_where_its_user_was_removed),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
