/* SPDX-License-Identifier: BSD-2-Clause */
/* Pages from the ring, Redis or PostgreSQL until a link is level with its hub. */
#include "config.h"

#include "push/replay.h"

#include <event2/event.h>
#include <stdlib.h>

#include "base/log.h"
#include "push/ring.h"
#include "push/stores.h"
#include "push/texts.h"
#include "store/hot.h"
#include "store/record.h"

enum page_source { FROM_WINDOW, FROM_RECORD };

struct replay {
	struct stores *stores;
	struct link *link;
	const struct replay_ops *ops;
	void *taker;
	struct redis_async_call *window_call;
	struct pg_call *record_call;
	struct event *retry;
	bool is_waiting;      /* retry runs */
	int64_t window_first; /* the window is known to begin here, 0: not known */
};

/* ---- taking a page ---- */

/* False, too, once the taker has ended and the link has left its hub. */
static bool is_behind(const struct replay *replay)
{
	return replay->link->hub != NULL && replay->link->state == LINK_REPLAY;
}

static void give(struct replay *replay, struct frame *frame)
{
	if (frame != NULL)
		replay->ops->event(replay->taker, frame);
	else
		replay->ops->failed(replay->taker);
}

/* What may be seen up to `prev` is gone: says so, and makes the event behind it the next one. */
static void skip_gone(struct replay *replay, int64_t prev)
{
	struct link *link = replay->link;
	int64_t from = link->shown + 1;

	link->shown = prev;
	replay->ops->gap(replay->taker, from, prev);
}

/*
 * Retention took what is below first_seq. Says so where the viewer has missed something by it; to the
 * public the next event tells that by its `prev`, if there is one.
 */
static void pass_erased(struct replay *replay, const struct record_ticket *ticket)
{
	struct link *link = replay->link;
	int64_t last = ticket->first_seq - 1;
	int64_t gone = last;

	if (link->pos >= last)
		return;
	if (link->viewer == MESSAGE_FOR_PUBLIC)
		gone = ticket->last_public <= last ? ticket->last_public : 0;
	if (gone > link->shown)
		skip_gone(replay, gone);
	if (is_behind(replay))
		link->pos = last;
}

/*
 * Gives one page to the taker. Returns -1 at a hole, what came before it being given; in a page from
 * the record a hole is a fact, and a gap to the client.
 */
static int take_page(struct replay *replay, enum page_source source,
		     const struct ticket_event *events, size_t n)
{
	struct texts *texts = stores_texts(replay->stores);
	struct link *link = replay->link;
	struct ticket_event opened;
	struct frame *frame;

	for (size_t i = 0; i < n && is_behind(replay); i++) {
		const struct ticket_event *event = &events[i];
		enum link_step step;

		if (event->seq <= link->pos)
			continue;
		if (source == FROM_WINDOW && event->seq != link->pos + 1)
			return -1;
		step = link_step(link, event);
		if (step == LINK_GAP_BEFORE) {
			if (source == FROM_WINDOW)
				return -1;
			skip_gone(replay, message_prev(event, link->viewer));
			step = link_step(link, event);
		}
		if (step == LINK_REVOKED)
			link->ops->revoked(link);
		if (step != LINK_NEXT)
			continue;
		frame = texts_open(texts, event, &opened) == 0
				? frame_of_event(&opened, link->viewer)
				: NULL;
		give(replay, frame);
		frame_unref(frame);
	}
	return 0;
}

/* ---- asking ---- */

static void wait_and_retry(struct replay *replay)
{
	const struct timeval wait = {REPLAY_RETRY_MS / 1000, REPLAY_RETRY_MS % 1000 * 1000};

	replay->is_waiting = event_add(replay->retry, &wait) == 0;
	if (replay->is_waiting)
		replay->ops->ready(replay->taker);
	else
		replay->ops->failed(replay->taker);
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
	struct replay *replay = arg;

	(void)fd;
	(void)what;
	replay->is_waiting = false;
	replay->ops->ready(replay->taker);
}

static void on_record(void *arg, enum err err, const PGresult *result)
{
	struct replay *replay = arg;
	struct record_events page;
	int64_t pos = replay->link->pos;

	replay->record_call = NULL;
	if (err != ERR_NONE ||
	    record_parse_events(result, hub_ticket(replay->link->hub), &page) != 0) {
		wait_and_retry(replay);
		return;
	}
	if (page.ticket.epoch != hub_epoch(replay->link->hub)) {
		/* The hub will be started anew, and this link with it. */
		stores_note_epoch(replay->stores, page.ticket.epoch);
		wait_and_retry(replay);
	} else {
		pass_erased(replay, &page.ticket);
		take_page(replay, FROM_RECORD, page.events, page.count);
		if (replay->link->pos == pos && is_behind(replay))
			wait_and_retry(replay);
		else
			replay_pump(replay);
	}
	record_events_deinit(&page);
}

static void ask_record(struct replay *replay)
{
	const struct record_range_query query = {
		.ticket = hub_ticket(replay->link->hub),
		.from = replay->link->pos + 1,
		.to = INT64_MAX,
		.limit = REPLAY_PAGE,
	};
	struct pg_stmt stmt;

	record_put_range(&stmt, &query);
	replay->record_call = stores_ask_record(replay->stores, &stmt, on_record, replay);
	pg_stmt_deinit(&stmt);
	if (replay->record_call == NULL)
		wait_and_retry(replay);
}

/* Remembers where the window begins, so that the record is asked up to there. */
static void note_window(struct replay *replay, const struct ticket_event *events, int n)
{
	if (n == 0)
		replay->window_first = INT64_MAX;
	else if (events[0].seq > replay->link->pos + 1)
		replay->window_first = events[0].seq;
}

static void on_window(void *arg, enum err err, redisReply **replies, size_t n_replies)
{
	struct replay *replay = arg;
	struct hub *hub = replay->link->hub;
	struct ticket_event events[REPLAY_PAGE];
	int n = -1;

	(void)n_replies;
	replay->window_call = NULL;
	if (err == ERR_NONE)
		n = hot_parse_events(replies[0], hub_ticket(hub), hub_epoch(hub), events,
				     REPLAY_PAGE);
	if (n >= 0)
		note_window(replay, events, n);
	if (n > 0 && take_page(replay, FROM_WINDOW, events, (size_t)n) == 0)
		replay_pump(replay);
	else if (is_behind(replay))
		ask_record(replay);
}

static void ask_window(struct replay *replay)
{
	const struct hot_range range = {
		.ticket = hub_ticket(replay->link->hub),
		.from = replay->link->pos + 1,
		.to = INT64_MAX,
		.count = REPLAY_PAGE,
	};
	struct buf commands = BUF_INIT;
	size_t replies = hot_put_range(&commands, stores_keys(replay->stores), &range);

	replay->window_call =
		stores_ask_redis(replay->stores, &commands, replies, on_window, replay);
	buf_deinit(&commands);
	if (replay->window_call == NULL)
		wait_and_retry(replay);
}

/* The nearest source that reaches back. A page proves itself by its numbers, swept or not. */
static void ask_page(struct replay *replay)
{
	const struct link *link = replay->link;
	unsigned int partition = stores_partition(replay->stores, hub_ticket(link->hub));

	if (stores_may_read_window(replay->stores, partition) &&
	    hub_epoch(link->hub) == stores_epoch(replay->stores) &&
	    link->pos + 1 >= replay->window_first)
		ask_window(replay);
	else
		ask_record(replay);
}

/* ---- the ring, and joining ---- */

/* Copies from the ring; when it is used up the link is live, in this same turn. */
static void take_ring(struct replay *replay)
{
	struct link *link = replay->link;
	struct ring *ring = hub_ring(link->hub);

	while (link->pos < ring_last(ring)) {
		int64_t seq = link->pos + 1;

		if (!replay->ops->has_room(replay->taker))
			return;
		switch (link_step(link, ring_find(ring, seq))) {
		case LINK_OLD:
			break;
		case LINK_NEXT:
			give(replay, ring_frame(ring, seq, link->viewer));
			break;
		case LINK_GAP_BEFORE:
			skip_gone(replay, message_prev(ring_find(ring, seq), link->viewer));
			break;
		case LINK_REVOKED:
			link->ops->revoked(link);
			break;
		}
		if (!is_behind(replay))
			return;
	}
	link->state = LINK_LIVE;
	replay->ops->joined(replay->taker);
}

void replay_pump(struct replay *replay)
{
	if (!is_behind(replay) || replay_is_asking(replay) || replay->is_waiting ||
	    !replay->ops->has_room(replay->taker))
		return;
	if (link_reaches_ring(replay->link))
		take_ring(replay);
	else
		ask_page(replay);
}

bool replay_is_asking(const struct replay *replay)
{
	return replay->window_call != NULL || replay->record_call != NULL;
}

void replay_reset(struct replay *replay)
{
	if (replay->window_call != NULL)
		redis_async_cancel(replay->window_call);
	if (replay->record_call != NULL)
		pg_call_cancel(replay->record_call);
	event_del(replay->retry);
	replay->window_call = NULL;
	replay->record_call = NULL;
	replay->is_waiting = false;
	replay->window_first = 0;
}

struct replay *replay_new(struct event_base *base, struct stores *stores, struct link *link,
			  const struct replay_ops *ops, void *taker)
{
	struct replay *replay = calloc(1, sizeof(*replay));

	if (replay == NULL)
		return NULL;
	replay->stores = stores;
	replay->link = link;
	replay->ops = ops;
	replay->taker = taker;
	replay->retry = evtimer_new(base, on_retry, replay);
	if (replay->retry == NULL) {
		free(replay);
		return NULL;
	}
	return replay;
}

void replay_free(struct replay *replay)
{
	if (replay == NULL)
		return;
	replay_reset(replay);
	event_free(replay->retry);
	free(replay);
}
