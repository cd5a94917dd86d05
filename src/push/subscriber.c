/* SPDX-License-Identifier: BSD-2-Clause */
/* One listening client between its connection and the hubs of its tickets. */
#include "config.h"

#include "push/subscriber.h"

#include <event2/event.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "push/chase.h"
#include "push/hubs.h"
#include "push/push.h"
#include "push/replay.h"
#include "push/ring.h"
#include "push/stores.h"
#include "push/turn.h"
#include "web/cursor.h"
#include "web/json_write.h"

enum {
	AUTH_NOTICE_MS = 60000, /* how long before its end a token is announced to end */
	SLOW_GRACE_MS = 500,	/* to make up for a burst of events */
	COME_BACK_PER_MS = 2,	/* clients that may come back per millisecond after a stop */
	MODES = MODE_DOWN + 1,
};

TAILQ_HEAD(subscriber_list, subscriber);

struct subscribers {
	struct push *push;
	struct subscriber_list list;
	size_t count;
	struct frame *modes[MODES]; /* the event `mode`, one for each */
};

/* A subscriber's place in the hub of one ticket. */
struct seat {
	struct link link;
	struct replay *replay;
	struct subscriber *sub;
	bool is_void;
	int64_t due; /* as in struct subscriber_start; 0 once it was given */
};

struct subscriber {
	TAILQ_ENTRY(subscriber) entry;
	struct turn_job bury;
	struct push *push;
	struct fcgi_conn *conn;
	struct out *out;
	struct identity who;
	struct event *expiry;
	struct event *slow; /* runs after too much was queued */
	struct seat *seats;
	size_t n_seats;
	enum mode mode;
	bool is_warned; /* that the token ends soon */
	bool is_ended;
	int64_t started_ms;
	int64_t events;
};

int64_t push_jitter_ms(int64_t ms)
{
	return ms <= 1 ? ms : ms / 2 + (int64_t)randombytes_uniform((uint32_t)ms);
}

/* ---- the end ---- */

static void subscriber_free(struct subscriber *sub)
{
	for (size_t i = 0; i < sub->n_seats; i++)
		replay_free(sub->seats[i].replay);
	free(sub->seats);
	if (sub->expiry != NULL)
		event_free(sub->expiry);
	if (sub->slow != NULL)
		event_free(sub->slow);
	if (sub->out != NULL)
		sub->out->ops->free(sub->out);
	authn_identity_deinit(&sub->who);
	free(sub);
}

static void bury(struct turn_job *job)
{
	subscriber_free((struct subscriber *)((char *)job - offsetof(struct subscriber, bury)));
}

static void log_end(const struct subscriber *sub, struct str ticket, const char *reason)
{
	const struct log_ctx ctx = {
		.request_id = str_of(sub->out->request_id),
		.ticket = ticket,
		.user = sub->who.user_id,
	};

	log_info(&ctx, sub->out->is_stream ? "stream ended" : "poll ended",
		 LOG_STR("reason", reason), LOG_INT("events", sub->events),
		 LOG_INT("duration_ms", clock_mono_ms() - sub->started_ms));
}

static bool seat_is_taken(const struct seat *seat)
{
	return seat->link.hub != NULL;
}

/* One that was left before is fine. */
static void seat_leave(struct seat *seat)
{
	struct hub *hub = seat->link.hub;

	if (hub == NULL)
		return;
	replay_reset(seat->replay);
	hub_leave(&seat->link);
	hubs_release(seat->sub->push->hubs, hub);
	seat->due = 0;
}

/* The first seat that was not left; NULL if there is none. */
static const struct seat *subscriber_seat(const struct subscriber *sub)
{
	for (size_t i = 0; i < sub->n_seats; i++) {
		if (seat_is_taken(&sub->seats[i]))
			return &sub->seats[i];
	}
	return NULL;
}

/* Leaves everything. What still stands on it is freed at the end of the turn. */
static void subscriber_end(struct subscriber *sub, const char *reason)
{
	const struct seat *seat = subscriber_seat(sub);

	if (sub->is_ended)
		return;
	sub->is_ended = true;
	log_end(sub, seat == NULL ? (struct str){0} : hub_ticket(seat->link.hub), reason);
	for (size_t i = 0; i < sub->n_seats; i++)
		seat_leave(&sub->seats[i]);
	event_del(sub->expiry);
	event_del(sub->slow);
	TAILQ_REMOVE(&sub->push->subscribers->list, sub, entry);
	sub->push->subscribers->count--;
	turn_ask(sub->push->turn, &sub->bury);
}

/* The form has come to its end by itself: answered, or the client takes nothing any more. */
static void on_out_ended(void *owner, const char *reason)
{
	struct subscriber *sub = owner;

	if (sub->is_ended)
		return;
	fcgi_conn_finish(sub->conn);
	subscriber_end(sub, reason);
}

static void subscriber_fail(struct subscriber *sub)
{
	if (sub->is_ended)
		return;
	fcgi_conn_close(sub->conn, FCGI_CONN_CLOSED);
}

static void subscriber_bye_at(struct subscriber *sub, const char *code, int64_t retry_ms)
{
	if (sub->is_ended)
		return;
	sub->out->ops->bye(sub->out, code, retry_ms);
	subscriber_end(sub, code);
}

static void subscriber_bye(struct subscriber *sub, const char *code)
{
	subscriber_bye_at(sub, code, push_jitter_ms(sub->push->limits.retry_ms));
}

static void on_conn_closed(void *owner, enum fcgi_conn_end end)
{
	subscriber_end(owner, fcgi_conn_end_text(end));
}

/* ---- what is sent ---- */

/* Returns OUT_SLOW, which is the caller's business; everything else is dealt with. */
static enum out_result subscriber_event(struct subscriber *sub, struct frame *frame,
					enum outq_kind kind)
{
	enum out_result result;

	if (sub->is_ended)
		return OUT_OK;
	result = sub->out->ops->event(sub->out, frame, kind);
	if (result == OUT_OK)
		sub->events++;
	else if (result == OUT_FAILED)
		subscriber_fail(sub);
	return result;
}

static void subscriber_notice(struct subscriber *sub, struct frame *frame)
{
	if (sub->is_ended)
		return;
	if (frame == NULL || sub->out->ops->notice(sub->out, frame) != OUT_OK)
		subscriber_fail(sub);
}

static struct frame *gap_frame(const struct seat *seat, int64_t from, int64_t to,
			       const char *reason)
{
	const struct hub *hub = seat->link.hub;
	struct buf data = BUF_INIT;
	struct json_write json;
	struct frame *frame = NULL;
	char id[CURSOR_TEXT_SIZE];

	json_write_init(&json, &data);
	json_write_open_object(&json);
	json_write_member_str(&json, "ticket_id", hub_ticket(hub));
	json_write_member_int(&json, "from", from);
	json_write_member_int(&json, "to", to);
	json_write_member_cstr(&json, "reason", reason);
	json_write_close(&json);
	if (json_write_finish(&json) == 0)
		frame = frame_new("gap", cursor_format(hub_epoch(hub), to, id), buf_str(&data));
	buf_deinit(&data);
	return frame;
}

static void seat_gap(struct seat *seat, int64_t from, int64_t to, const char *reason)
{
	struct frame *frame;

	if (seat->sub->is_ended)
		return;
	frame = gap_frame(seat, from, to, reason);
	if (frame != NULL)
		subscriber_event(seat->sub, frame, OUTQ_REPLAY);
	else
		subscriber_fail(seat->sub);
	frame_unref(frame);
}

/* All that the client knew belongs to another epoch; it stands at `shown` now. */
static void seat_void(struct seat *seat)
{
	seat_gap(seat, 1, seat->link.shown, "epoch");
}

/* ---- what hubs tell ---- */

static bool is_live(const struct subscriber *sub)
{
	for (size_t i = 0; i < sub->n_seats; i++) {
		if (seat_is_taken(&sub->seats[i]) && sub->seats[i].link.state != LINK_LIVE)
			return false;
	}
	return true;
}

/*
 * More live events wait than a client may leave unread. That can be one burst, too, which even the
 * fastest could not have taken: the link goes back to what is replayed as the socket drains, and
 * who has not caught up after a while is slow.
 */
static void seat_lag(struct seat *seat)
{
	const struct timeval wait = {SLOW_GRACE_MS / 1000, SLOW_GRACE_MS % 1000 * 1000};
	struct subscriber *sub = seat->sub;

	hub_lag(&seat->link);
	if (!evtimer_pending(sub->slow, NULL) && event_add(sub->slow, &wait) != 0)
		subscriber_bye(sub, "slow");
}

static void on_slow(evutil_socket_t fd, short what, void *arg)
{
	struct subscriber *sub = arg;

	(void)fd;
	(void)what;
	if (!is_live(sub) && fcgi_conn_waiting(sub->conn) > 0)
		subscriber_bye(sub, "slow");
}

static void tell_caught_up(struct subscriber *sub)
{
	for (size_t i = 0; i < sub->n_seats; i++) {
		if (sub->seats[i].due > 0)
			return;
	}
	if (!sub->is_ended && is_live(sub))
		sub->out->ops->caught_up(sub->out);
}

/* Has everything been given that there was when the client asked? */
static void seat_look(struct seat *seat)
{
	if (seat->due > 0 && seat->link.shown >= seat->due) {
		seat->due = 0;
		tell_caught_up(seat->sub);
	}
}

static void on_live(struct link *link, int64_t seq)
{
	struct seat *seat = link->owner;
	struct frame *frame = ring_frame(hub_ring(link->hub), seq, link->viewer);

	if (frame == NULL)
		subscriber_fail(seat->sub);
	else if (subscriber_event(seat->sub, frame, OUTQ_LIVE) == OUT_SLOW)
		seat_lag(seat);
	else
		seat_look(seat);
}

static void on_lost(struct link *link)
{
	struct seat *seat = link->owner;

	replay_pump(seat->replay);
}

static void on_restarted(struct link *link)
{
	struct seat *seat = link->owner;

	replay_reset(seat->replay);
	seat_void(seat);
	seat->due = 0;
	if (!seat->sub->is_ended)
		seat->sub->out->ops->caught_up(seat->sub->out);
}

static struct frame *revoked_frame(struct str ticket)
{
	struct buf data = BUF_INIT;
	struct json_write json;
	struct frame *frame = NULL;

	json_write_init(&json, &data);
	json_write_open_object(&json);
	json_write_member_str(&json, "ticket_id", ticket);
	json_write_close(&json);
	if (json_write_finish(&json) == 0)
		frame = frame_new("revoked", (struct str){0}, buf_str(&data));
	buf_deinit(&data);
	return frame;
}

/* Says so and leaves the ticket; the others go on, and without any it is the end. */
static void seat_revoke(struct seat *seat)
{
	struct subscriber *sub = seat->sub;
	struct frame *frame = revoked_frame(hub_ticket(seat->link.hub));
	const struct log_ctx ctx = {
		.request_id = str_of(sub->out->request_id),
		.ticket = hub_ticket(seat->link.hub),
		.user = sub->who.user_id,
	};

	log_info(&ctx, "ticket revoked");
	subscriber_notice(sub, frame);
	frame_unref(frame);
	if (sub->is_ended)
		return;
	seat_leave(seat);
	if (subscriber_seat(sub) != NULL) {
		tell_caught_up(sub);
		return;
	}
	sub->out->ops->end(sub->out);
	subscriber_end(sub, "revoked");
}

static void on_revoked(struct link *link)
{
	seat_revoke(link->owner);
}

/* What may be lost is lost to those who leave unread what they have. */
static void on_notice(struct link *link, struct frame *frame)
{
	struct subscriber *sub = ((struct seat *)link->owner)->sub;

	if (fcgi_conn_waiting(sub->conn) <= sub->push->limits.slow_bytes)
		subscriber_notice(sub, frame);
}

static const struct link_ops link_ops = {
	.live = on_live,
	.lost = on_lost,
	.restarted = on_restarted,
	.revoked = on_revoked,
	.notice = on_notice,
};

/* ---- what replays tell ---- */

static bool on_has_room(void *taker)
{
	const struct seat *seat = taker;

	return !seat->sub->is_ended && seat->sub->out->ops->has_room(seat->sub->out);
}

static void on_replayed(void *taker, struct frame *frame)
{
	struct seat *seat = taker;

	subscriber_event(seat->sub, frame, OUTQ_REPLAY);
}

static void on_erased(void *taker, int64_t from, int64_t to)
{
	seat_gap(taker, from, to, "erased");
}

/* The hub itself may be behind what the stores have said when the client asked. */
static void on_joined(void *taker)
{
	struct seat *seat = taker;

	if (seat->link.shown < seat->due) {
		chase_ask(seat->sub->push->chase, seat->link.hub);
	} else {
		seat->due = 0;
		tell_caught_up(seat->sub);
	}
}

static void on_replay_failed(void *taker)
{
	struct seat *seat = taker;

	subscriber_fail(seat->sub);
}

static const struct replay_ops replay_ops = {
	.has_room = on_has_room,
	.event = on_replayed,
	.gap = on_erased,
	.joined = on_joined,
	.failed = on_replay_failed,
};

static void on_conn_drained(void *owner)
{
	struct subscriber *sub = owner;

	for (size_t i = 0; i < sub->n_seats && !sub->is_ended; i++)
		replay_pump(sub->seats[i].replay);
}

static bool on_has_more(void *owner)
{
	const struct subscriber *sub = owner;

	for (size_t i = 0; i < sub->n_seats; i++) {
		const struct link *link = &sub->seats[i].link;

		if (!seat_is_taken(&sub->seats[i]))
			continue;
		/* What is due may be more than the hub knows of. */
		if (hub_newest(link->hub, link->viewer) > link->shown ||
		    sub->seats[i].due > link->shown)
			return true;
	}
	return false;
}

/* ---- the token's end ---- */

static void send_auth(struct subscriber *sub, int64_t left_ms)
{
	char data[48];
	struct frame *frame;

	snprintf(data, sizeof(data), "{\"expires_in\":%lld}", (long long)((left_ms + 999) / 1000));
	frame = frame_new("auth", (struct str){0}, str_of(data));
	subscriber_notice(sub, frame);
	frame_unref(frame);
}

/*
 * The wall clock decides, and it may be set: so what is left is asked anew each time. A poll brings
 * its token with each request, and is told nothing beforehand.
 */
static void watch_expiry(struct subscriber *sub)
{
	int64_t left_ms = sub->who.exp_ms - clock_real_ms();
	int64_t wait_ms = left_ms;
	struct timeval wait;

	if (sub->who.exp_ms == 0)
		return;
	if (left_ms <= 0) {
		subscriber_bye(sub, "token_expired");
		return;
	}
	if (left_ms > AUTH_NOTICE_MS) {
		wait_ms = left_ms - AUTH_NOTICE_MS;
	} else if (sub->out->is_stream && !sub->is_warned) {
		sub->is_warned = true;
		send_auth(sub, left_ms);
	}
	wait = (struct timeval){wait_ms / 1000, wait_ms % 1000 * 1000};
	if (!sub->is_ended && event_add(sub->expiry, &wait) != 0)
		subscriber_fail(sub);
}

static void on_expiry(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	watch_expiry(arg);
}

/* ---- the beginning ---- */

static enum mode subscriber_mode(const struct subscriber *sub)
{
	enum mode worst = MODE_FULL;

	for (size_t i = 0; i < sub->n_seats; i++) {
		enum mode mode;

		if (!seat_is_taken(&sub->seats[i]))
			continue;
		mode = stores_mode(sub->push->stores, hub_keep(sub->seats[i].link.hub)->partition);
		if (mode > worst)
			worst = mode;
	}
	return worst;
}

static const struct fcgi_owner_ops owner_ops = {
	.drained = on_conn_drained,
	.closed = on_conn_closed,
};

/* Builds everything that can fail before anything is taken over. NULL when out of memory. */
static struct subscriber *subscriber_new(struct push *push, const struct subscriber_opts *opts)
{
	struct subscriber *sub = calloc(1, sizeof(*sub));

	if (sub == NULL)
		return NULL;
	sub->push = push;
	sub->bury = (struct turn_job){.run = bury};
	sub->seats = calloc(opts->n_starts, sizeof(*sub->seats));
	sub->expiry = evtimer_new(push->base, on_expiry, sub);
	sub->slow = evtimer_new(push->base, on_slow, sub);
	if (sub->seats == NULL || sub->expiry == NULL || sub->slow == NULL) {
		subscriber_free(sub);
		return NULL;
	}
	for (; sub->n_seats < opts->n_starts; sub->n_seats++) {
		struct seat *seat = &sub->seats[sub->n_seats];

		seat->sub = sub;
		seat->replay = replay_new(push->base, push->stores, &seat->link, &replay_ops, seat);
		if (seat->replay == NULL) {
			subscriber_free(sub);
			return NULL;
		}
	}
	return sub;
}

static void subscriber_sit(struct subscriber *sub, const struct subscriber_opts *opts)
{
	enum message_viewer viewer = authn_identity_is_staff(&sub->who) ? MESSAGE_FOR_STAFF
									: MESSAGE_FOR_PUBLIC;

	for (size_t i = 0; i < sub->n_seats; i++) {
		const struct subscriber_start *start = &opts->starts[i];
		struct seat *seat = &sub->seats[i];

		seat->is_void = start->is_void;
		seat->due = start->due;
		seat->link.ops = &link_ops;
		seat->link.owner = seat;
		seat->link.viewer = viewer;
		seat->link.let_in_at = start->let_in_at;
		if (sub->who.role != ROLE_SERVICE && sub->who.role != ROLE_ADMIN)
			seat->link.user = sub->who.user_id;
		seat->link.pos = start->pos;
		seat->link.shown = start->shown;
		hub_join(start->hub, &seat->link);
	}
}

int subscriber_begin(struct push *push, const struct subscriber_opts *opts)
{
	struct subscriber *sub = subscriber_new(push, opts);

	if (sub == NULL)
		return -1;
	sub->conn = opts->conn;
	sub->out = opts->out;
	sub->out->owner = sub;
	sub->out->ended = on_out_ended;
	sub->out->has_more = on_has_more;
	sub->who = *opts->who;
	*opts->who = (struct identity){0};
	sub->started_ms = clock_mono_ms();
	sub->mode = opts->hello->mode;
	fcgi_conn_own(sub->conn, &owner_ops, sub);
	TAILQ_INSERT_TAIL(&push->subscribers->list, sub, entry);
	push->subscribers->count++;
	subscriber_sit(sub, opts);
	if (sub->out->ops->open(sub->out, opts->hello) != OUT_OK)
		subscriber_fail(sub);
	for (size_t i = 0; i < sub->n_seats && !sub->is_ended; i++) {
		if (sub->seats[i].is_void && seat_is_taken(&sub->seats[i]))
			seat_void(&sub->seats[i]);
	}
	if (!sub->is_ended)
		watch_expiry(sub);
	on_conn_drained(sub);
	return 0;
}

/* ---- all of them ---- */

struct subscribers *subscribers_new(struct push *push)
{
	struct subscribers *all = calloc(1, sizeof(*all));

	if (all == NULL)
		return NULL;
	all->push = push;
	TAILQ_INIT(&all->list);
	for (int mode = 0; mode < MODES; mode++) {
		char data[32];

		snprintf(data, sizeof(data), "{\"mode\":\"%s\"}", mode_text((enum mode)mode));
		all->modes[mode] = frame_new("mode", (struct str){0}, str_of(data));
		if (all->modes[mode] == NULL) {
			subscribers_free(all);
			return NULL;
		}
	}
	return all;
}

void subscribers_free(struct subscribers *all)
{
	if (all == NULL)
		return;
	while (!TAILQ_EMPTY(&all->list))
		subscriber_fail(TAILQ_FIRST(&all->list));
	for (int mode = 0; mode < MODES; mode++)
		frame_unref(all->modes[mode]);
	free(all);
}

size_t subscribers_count(const struct subscribers *all)
{
	return all->count;
}

void subscribers_mode(struct subscribers *all)
{
	struct subscriber *sub, *next;

	for (sub = TAILQ_FIRST(&all->list); sub != NULL; sub = next) {
		enum mode mode = subscriber_mode(sub);

		next = TAILQ_NEXT(sub, entry);
		if (mode == sub->mode)
			continue;
		sub->mode = mode;
		subscriber_notice(sub, all->modes[mode]);
	}
}

void subscribers_shutdown(struct subscribers *all)
{
	int64_t retry_ms = all->push->limits.retry_ms;
	int64_t spread_ms = (int64_t)all->count / COME_BACK_PER_MS;

	if (spread_ms < retry_ms)
		spread_ms = retry_ms;
	while (!TAILQ_EMPTY(&all->list))
		subscriber_bye_at(TAILQ_FIRST(&all->list), "shutdown",
				  retry_ms / 2 +
					  (int64_t)randombytes_uniform((uint32_t)spread_ms + 1));
}
