/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pages of history against a naive model: a ticket of random events, a window that holds its end, a
 * record that holds all of it. Every page of every kind has to be what the model says, wherever the
 * window begins and whatever happens to it while the page is read.
 */
#include "config.h"

#include "chat/history.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "web/json_write.h"

enum { EVENTS = 70, TEXT_SIZE = 16 };

/* events[seq], as pushed: an edit carries the new text, and its message keeps the old one. */
struct model {
	struct ticket_event events[EVENTS + 1];
	struct ticket_event now[EVENTS + 1]; /* messages with all changes applied */
	char texts[EVENTS + 1][TEXT_SIZE];
	struct history_totals totals;
};

static struct model model;

static unsigned next_random(unsigned *state)
{
	*state = *state * 1103515245U + 12345U;
	return *state >> 16;
}

/* A message that may still change, at or below seq; 0 if there is none. */
static int64_t pick_target(int64_t below, unsigned *random)
{
	for (int tries = 0; tries < 8; tries++) {
		int64_t seq = 1 + (int64_t)next_random(random) % below;

		if (model.events[seq].kind == EVENT_MESSAGE && model.now[seq].deleted_at_ms == 0)
			return seq;
	}
	return 0;
}

static void make_change(struct ticket_event *event, int64_t target, bool is_deletion)
{
	struct ticket_event *now = &model.now[target];

	event->kind = is_deletion ? EVENT_DELETE : EVENT_EDIT;
	event->target = target;
	event->target_n = now->n;
	event->target_n_public = now->n_public;
	event->message_kind = now->message_kind;
	event->is_public = now->is_public;
	event->sender_id = now->sender_id;
	event->uid = now->uid;
	if (is_deletion) {
		now->deleted_at_ms = event->seq;
		now->deleted_by = STR("boss");
		now->content = (struct str){0};
		/* Pushing a deletion scrubs what the stream holds of it, at the least. */
		for (int64_t seq = target; seq < event->seq; seq++) {
			if (seq != target && model.events[seq].target != target)
				continue;
			model.events[seq].content = (struct str){0};
			model.events[seq].deleted_at_ms = now->deleted_at_ms;
			model.events[seq].deleted_by = now->deleted_by;
		}
	} else {
		now->rev++;
		now->edited_at_ms = event->seq;
		now->content = str_of(model.texts[event->seq]);
	}
	event->rev = now->rev;
	event->content = now->content;
	event->edited_at_ms = now->edited_at_ms;
	event->deleted_at_ms = now->deleted_at_ms;
	event->deleted_by = now->deleted_by;
}

static void make_event(int64_t seq, unsigned changes_percent, unsigned *random)
{
	struct ticket_event *event = &model.events[seq];
	unsigned dice = next_random(random) % 100;
	int64_t target = seq > 1 && dice < changes_percent ? pick_target(seq - 1, random) : 0;

	snprintf(model.texts[seq], TEXT_SIZE, "text %d", (int)seq);
	event->ticket = STR("T-1");
	event->epoch = 1;
	event->seq = seq;
	event->is_public = true;
	event->sender_id = STR("ann");
	if (target != 0) {
		make_change(event, target, dice % 3 == 0);
	} else if (dice == 99) {
		event->kind = EVENT_PARTICIPANT;
	} else {
		event->kind = EVENT_MESSAGE;
		event->message_kind = dice % 4 == 0 ? MESSAGE_NOTE : MESSAGE_TEXT;
		event->is_public = event->message_kind == MESSAGE_TEXT;
		event->content = str_of(model.texts[seq]);
		event->uid = event->content;
		event->rev = 1;
		event->sent_at_ms = seq;
		model.totals.n++;
		model.totals.n_public += event->is_public;
	}
	event->n = model.totals.n;
	event->n_public = model.totals.n_public;
	event->prev_public = model.totals.last_public;
	if (event->is_public)
		model.totals.last_public = seq;
	model.totals.last_seq = seq;
	model.now[seq] = *event;
}

static void make_model(unsigned seed, unsigned changes_percent)
{
	memset(&model, 0, sizeof(model));
	model.totals.epoch = 1;
	model.totals.first_seq = 1;
	for (int64_t seq = 1; seq <= EVENTS; seq++)
		make_event(seq, changes_percent, &seed);
}

static bool is_shown(int64_t seq, enum message_viewer viewer)
{
	return model.events[seq].kind == EVENT_MESSAGE &&
	       message_is_visible(&model.events[seq], viewer);
}

/* ---- the two servers ---- */

struct servers {
	int64_t window_first; /* 0: no window */
	int64_t hole;	      /* a seq that is missing in it, 0 = none */
	int trim_by;	      /* so many events leave the window after each answer */
	bool loses_window;
	bool loses_record;
	int64_t erased; /* what is below or at this has left the record, too */
	int window_asks, record_asks;
};

static void answer_window(struct history *h, struct servers *servers, const struct history_ask *ask)
{
	struct ticket_event *events = calloc((size_t)ask->count, sizeof(*events));
	size_t count = 0;

	servers->window_asks++;
	assert_non_null(events);
	assert_true(ask->from <= ask->to);
	for (int64_t i = 0; i <= ask->to - ask->from && count < (size_t)ask->count; i++) {
		int64_t seq = ask->is_newest_first ? ask->to - i : ask->from + i;

		if (seq >= servers->window_first && seq <= EVENTS && seq != servers->hole)
			events[count++] = model.events[seq];
	}
	if (servers->loses_window)
		history_lose_window(h);
	else
		history_take_window(h, events, count);
	servers->window_first += servers->trim_by;
	free(events);
}

static void answer_record(struct history *h, struct servers *servers, const struct history_ask *ask,
			  enum message_viewer viewer)
{
	struct ticket_event *events = calloc((size_t)ask->count, sizeof(*events));
	struct history_totals totals = model.totals;
	size_t count = 0;

	totals.first_seq = servers->erased + 1;
	totals.first_n = model.events[servers->erased].n;
	totals.first_n_public = model.events[servers->erased].n_public;
	servers->record_asks++;
	assert_non_null(events);
	for (int64_t i = 1; i <= EVENTS && count < (size_t)ask->count; i++) {
		int64_t seq = ask->after >= 0 ? i : EVENTS + 1 - i;

		if (is_shown(seq, viewer) && seq > ask->after && seq > servers->erased &&
		    (ask->before == 0 || seq < ask->before))
			events[count++] = model.now[seq];
	}
	if (servers->loses_record)
		history_lose_record(h);
	else
		history_take_record(h, &totals, events, count);
	free(events);
}

static enum history_step run(struct history *h, struct servers *servers, enum message_viewer viewer)
{
	struct history_ask ask;
	enum history_step step;

	for (int turns = 0; turns < 100; turns++) {
		step = history_next(h, &ask);
		if (step == HISTORY_ASK_WINDOW)
			answer_window(h, servers, &ask);
		else if (step == HISTORY_ASK_RECORD)
			answer_record(h, servers, &ask, viewer);
		else
			return step;
	}
	fail_msg("the page never ends");
	return HISTORY_FAILED;
}

/* ---- what a page should be ---- */

struct expected {
	int64_t seqs[HISTORY_LIMIT_MAX];
	int count;
	bool has_more_before, has_more_after;
};

/* Down from below `bound`, newest first; returns how many. */
static int expect_down(int64_t bound, int limit, enum message_viewer viewer, int64_t *seqs_r)
{
	int count = 0;

	for (int64_t seq = bound - 1 < EVENTS ? bound - 1 : EVENTS; seq >= 1 && count < limit;
	     seq--) {
		if (is_shown(seq, viewer))
			seqs_r[count++] = seq;
	}
	return count;
}

static void expect(const struct history_query *q, struct expected *x)
{
	int64_t down[HISTORY_LIMIT_MAX], bound = INT64_MAX;
	int n = 0, limit = q->limit;

	*x = (struct expected){0};
	if (q->bound == HISTORY_BEFORE)
		bound = q->at;
	if (q->bound == HISTORY_AROUND) {
		bound = q->at + 1;
		limit = (limit + 1) / 2;
	}
	if (q->bound != HISTORY_AFTER)
		n = expect_down(bound, limit, q->viewer, down);
	while (n > 0)
		x->seqs[x->count++] = down[--n];
	if (q->bound == HISTORY_AFTER || q->bound == HISTORY_AROUND) {
		for (int64_t seq = q->at + 1; seq <= EVENTS && x->count < q->limit; seq++) {
			if (is_shown(seq, q->viewer))
				x->seqs[x->count++] = seq;
		}
	}
	for (int64_t seq = 1; seq <= EVENTS; seq++) {
		if (!is_shown(seq, q->viewer))
			continue;
		if (x->count > 0 ? seq < x->seqs[0] : q->bound == HISTORY_AFTER)
			x->has_more_before = true;
		if (x->count > 0 ? seq > x->seqs[x->count - 1] : q->bound == HISTORY_BEFORE)
			x->has_more_after = true;
	}
}

static void check_message(const struct ticket_event *got, const struct ticket_event *wanted)
{
	assert_int_equal(got->seq, wanted->seq);
	assert_int_equal(got->n, wanted->n);
	assert_int_equal(got->rev, wanted->rev);
	assert_int_equal(got->deleted_at_ms, wanted->deleted_at_ms);
	assert_int_equal(got->edited_at_ms, wanted->edited_at_ms);
	assert_int_equal(got->content.p == NULL, wanted->content.p == NULL);
	assert_true(str_eq(got->content, wanted->content));
}

static void check_page(const struct history *h, const struct history_query *q)
{
	struct expected x;

	expect(q, &x);
	assert_int_equal(history_count(h), x.count);
	for (int i = 0; i < x.count; i++)
		check_message(history_event(h, (size_t)i), &model.now[x.seqs[i]]);
	assert_int_equal(history_has_more_before(h), x.has_more_before);
	assert_int_equal(history_has_more_after(h), x.has_more_after);
	assert_true(history_is_dense(h));
	assert_int_equal(history_cursor_seq(h), q->viewer == MESSAGE_FOR_STAFF
							? model.totals.last_seq
							: model.totals.last_public);
}

static void check_query(const struct history_query *q, struct servers servers)
{
	struct history *h = history_new(q, &model.totals, servers.window_first);

	assert_non_null(h);
	assert_int_equal(run(h, &servers, q->viewer), HISTORY_DONE);
	check_page(h, q);
	history_free(h);
}

static const enum history_bound bounds[] = {HISTORY_NEWEST, HISTORY_BEFORE, HISTORY_AFTER,
					    HISTORY_AROUND};
static const int limits[] = {1, 2, 7, 50, 200};

/* Every query against one state of the servers. */
static void check_all(const struct servers *servers)
{
	for (int v = MESSAGE_FOR_PUBLIC; v <= MESSAGE_FOR_STAFF; v++) {
		for (size_t l = 0; l < sizeof(limits) / sizeof(limits[0]); l++) {
			for (size_t b = 0; b < 4; b++) {
				for (int64_t at = bounds[b] == HISTORY_AFTER ? 0 : 1;
				     at <= EVENTS + 2; at += bounds[b] == HISTORY_NEWEST ? 99 : 5) {
					const struct history_query q = {bounds[b], at, limits[l],
									(enum message_viewer)v};

					check_query(&q, *servers);
				}
			}
		}
	}
}

static void test_joins_window_and_record(void **state)
{
	static const unsigned percents[] = {0, 10, 50};

	(void)state;
	for (unsigned seed = 1; seed <= 6; seed++) {
		make_model(seed, percents[seed % 3]);
		for (int64_t first = 0; first <= EVENTS; first += 7)
			check_all(&(struct servers){.window_first = first});
	}
}

static void test_survives_trims_holes_and_loss_of_the_window(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 4; seed++) {
		make_model(seed, seed * 10);
		for (int64_t first = 1; first <= EVENTS; first += 13) {
			check_all(&(struct servers){.window_first = first, .trim_by = 9});
			check_all(&(struct servers){.window_first = first, .hole = first + 11});
			check_all(&(struct servers){.window_first = first, .loses_window = true});
		}
	}
}

static void test_begins_without_totals(void **state)
{
	const struct history_totals unknown = {.last_seq = HISTORY_UNKNOWN};

	(void)state;
	make_model(5, 10);
	for (size_t b = 0; b < 4; b++) {
		for (int64_t at = 1; at <= EVENTS + 2; at++) {
			const struct history_query q = {bounds[b], at, 7, MESSAGE_FOR_PUBLIC};
			struct servers servers = {0};
			struct history *h = history_new(&q, &unknown, 0);

			assert_int_equal(run(h, &servers, q.viewer), HISTORY_DONE);
			check_page(h, &q);
			history_free(h);
		}
	}
}

/* The window, whose totals say nothing of what was erased, begins at the oldest event that is kept. */
static void test_after_the_seam_of_what_was_erased(void **state)
{
	for (int64_t erased = 5; erased < EVENTS; erased += 5) {
		for (int64_t at = 0; at <= EVENTS + 2; at++) {
			const struct history_query q = {HISTORY_AFTER, at, 7, MESSAGE_FOR_PUBLIC};
			struct servers servers = {.window_first = erased + 1, .erased = erased};
			bool has_more = false;
			struct history *h;

			(void)state;
			make_model((unsigned)erased, 40);
			h = history_new(&q, &model.totals, servers.window_first);
			assert_int_equal(run(h, &servers, q.viewer), HISTORY_DONE);
			for (int64_t seq = erased + 1; seq <= at && seq <= EVENTS; seq++)
				has_more = has_more || is_shown(seq, q.viewer);
			assert_int_equal(history_has_more_before(h), has_more);
			history_free(h);
		}
	}
}

static void test_window_alone_answers_what_it_holds(void **state)
{
	const struct history_query newest = {HISTORY_NEWEST, 0, 10, MESSAGE_FOR_STAFF};
	const struct history_query low = {HISTORY_BEFORE, 20, 10, MESSAGE_FOR_STAFF};
	const struct history_query across = {HISTORY_BEFORE, 45, 10, MESSAGE_FOR_STAFF};
	struct servers servers = {.window_first = 40, .loses_record = true};
	struct history *h;

	(void)state;
	make_model(1, 0);
	h = history_new(&newest, &model.totals, 40);
	assert_int_equal(run(h, &servers, MESSAGE_FOR_STAFF), HISTORY_DONE);
	assert_int_equal(servers.record_asks, 0);
	check_page(h, &newest);
	history_free(h);

	/* A page that crosses the seam is short, and says that there is more. */
	h = history_new(&across, &model.totals, 40);
	assert_int_equal(run(h, &servers, MESSAGE_FOR_STAFF), HISTORY_DONE);
	assert_true(history_count(h) > 0);
	assert_true(history_event(h, 0)->seq >= 40);
	assert_true(history_has_more_before(h));
	history_free(h);

	/* Below the seam there is nothing but its name. */
	h = history_new(&low, &model.totals, 40);
	assert_int_equal(run(h, &servers, MESSAGE_FOR_STAFF), HISTORY_SEAM);
	assert_int_equal(history_seam(h), 40);
	history_free(h);
}

static void test_an_empty_ticket(void **state)
{
	const struct history_totals none = {.epoch = 3, .first_seq = 1};
	struct seal_reader texts = {0};
	struct json_write j;
	struct buf out = BUF_INIT;

	(void)state;
	for (size_t b = 0; b < 4; b++) {
		const struct history_query q = {bounds[b], 1, 50, MESSAGE_FOR_PUBLIC};
		struct history *h = history_new(&q, &none, 0);
		struct history_ask ask;

		if (history_next(h, &ask) == HISTORY_ASK_RECORD)
			history_take_record(h, &none, NULL, 0);
		assert_int_equal(history_next(h, &ask), HISTORY_DONE);
		buf_reset(&out);
		json_write_init(&j, &out);
		history_json(h, &texts, &j);
		assert_int_equal(json_write_finish(&j), 0);
		assert_string_equal(buf_cstr(&out),
				    "{\"messages\":[],\"oldest_seq\":null,\"newest_seq\":null,"
				    "\"has_more_before\":false,\"has_more_after\":false,"
				    "\"cursor\":\"3.0\"}");
		buf_reset(&out);
		history_link(h, STR("/chat/v1/tickets/T-1/messages"), &out);
		assert_int_equal(out.len, 0);
		history_free(h);
	}
	buf_deinit(&out);
}

static void test_links_to_the_neighbours(void **state)
{
	const struct history_query q = {HISTORY_BEFORE, 31, 10, MESSAGE_FOR_STAFF};
	struct servers servers = {0};
	struct history *h;
	struct buf out = BUF_INIT;

	(void)state;
	make_model(3, 0);
	h = history_new(&q, &model.totals, 0);
	assert_int_equal(run(h, &servers, MESSAGE_FOR_STAFF), HISTORY_DONE);
	history_link(h, STR("/x"), &out);
	assert_string_equal(buf_cstr(&out), "</x?before=21&limit=10>; rel=\"prev\", "
					    "</x?after=30&limit=10>; rel=\"next\"");
	history_free(h);
	buf_deinit(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_joins_window_and_record),
		cmocka_unit_test(test_survives_trims_holes_and_loss_of_the_window),
		cmocka_unit_test(test_begins_without_totals),
		cmocka_unit_test(test_after_the_seam_of_what_was_erased),
		cmocka_unit_test(test_window_alone_answers_what_it_holds),
		cmocka_unit_test(test_an_empty_ticket),
		cmocka_unit_test(test_links_to_the_neighbours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
