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
#include "chat/access.h"
#include "chat/renewal.h"
#include "push/chase.h"
#include "push/expiry.h"
#include "push/frame.h"
#include "push/inbox.h"
#include "push/leases.h"
#include "push/push.h"
#include "push/revoked.h"
#include "push/stores.h"
#include "push/turn.h"
#include "push/users.h"
#include "web/cursor.h"

enum {
	SLOW_GRACE_MS = 500,  /* to make up for a burst of events */
	COME_BACK_PER_MS = 2, /* clients that may come back per millisecond after a stop */
	PAGES_AT_ONCE = 4,    /* that one subscriber may have under way */
	MODES = MODE_DOWN + 1,
};

TAILQ_HEAD(subscriber_list, subscriber);

struct subscribers {
	struct push *push;
	struct subscriber_list list;
	size_t count;
	struct frame *modes[MODES]; /* the event `mode`, one for each */
	struct users *users;
};

struct subscriber {
	TAILQ_ENTRY(subscriber) entry;
	struct turn_job bury;
	struct turn_job pump; /* others may ask for pages where one seat is done */
	struct push *push;
	struct fcgi_conn *conn;
	struct out *out;
	struct identity who;
	struct expiry *expiry;
	struct event *slow;	/* runs after too much was queued */
	struct seat_list seats; /* in the order of their keys */
	struct seat_list left;	/* those who left it, until it ends */
	struct user_member member;
	struct inbox_member inbox;
	struct lease *lease;   /* says that its user is there */
	struct frame *noticed; /* the last notice of a seat */
	enum mode mode;
	bool is_many; /* its cursors name tickets */
	bool is_ended;
	int64_t started_ms;
	int64_t began_us;   /* wall clock */
	int64_t present_ms; /* so long from its beginning a poll says so */
	int64_t events;
};

int64_t push_jitter_ms(int64_t ms)
{
	return ms <= 1 ? ms : ms / 2 + (int64_t)randombytes_uniform((uint32_t)ms);
}

/* ---- the end ---- */

static void seats_free(struct seat_list *seats)
{
	struct seat *seat;

	while ((seat = TAILQ_FIRST(seats)) != NULL) {
		TAILQ_REMOVE(seats, seat, entry);
		seat_free(seat);
	}
}

static void subscriber_free(struct subscriber *sub)
{
	seats_free(&sub->seats);
	seats_free(&sub->left);
	frame_unref(sub->noticed);
	turn_cancel(sub->push->turn, &sub->pump);
	inbox_leave(sub->push->inbox, &sub->inbox);
	expiry_free(sub->expiry);
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

static void log_end(const struct subscriber *sub, const char *reason)
{
	const struct seat *first = TAILQ_FIRST(&sub->seats);
	const struct log_ctx ctx = {
		.request_id = str_of(sub->out->request_id),
		.ticket = first != NULL && !sub->is_many ? hub_ticket(first->link.hub)
							 : (struct str){0},
		.user = sub->who.user_id,
	};

	log_info(&ctx, sub->out->is_stream ? "stream ended" : "poll ended",
		 LOG_STR("reason", reason), LOG_INT("events", sub->events),
		 LOG_INT("duration_ms", clock_mono_ms() - sub->started_ms));
}

/* ---- who is there ---- */

/* For how long the user still counts as there: a page loads again, a poll is asked again. */
static int64_t linger_ms(const struct subscriber *sub)
{
	int64_t left_ms = sub->started_ms + sub->present_ms - clock_mono_ms();

	if (sub->out->is_stream)
		return LEASES_LINGER_MS;
	return left_ms > 0 ? left_ms : 0;
}

static void subscriber_appear(struct subscriber *sub)
{
	struct leases *leases = sub->push->leases;
	struct seat *seat;

	sub->lease = leases_enter(leases, (struct str){0}, sub->who.user_id);
	TAILQ_FOREACH(seat, &sub->seats, entry)
		seat->lease = leases_enter(leases, hub_ticket(seat->link.hub), sub->who.user_id);
}

static void subscriber_vanish(struct subscriber *sub)
{
	struct leases *leases = sub->push->leases;
	struct seat *seat;

	TAILQ_FOREACH(seat, &sub->seats, entry)
		leases_leave(leases, seat->lease, linger_ms(sub));
	leases_leave(leases, sub->lease, linger_ms(sub));
}

/* Leaves everything. What still stands on it is freed at the end of the turn. */
static void subscriber_end(struct subscriber *sub, const char *reason)
{
	struct seat *seat;

	if (sub->is_ended)
		return;
	sub->is_ended = true;
	log_end(sub, reason);
	subscriber_vanish(sub);
	TAILQ_FOREACH(seat, &sub->seats, entry)
		seat_leave(seat);
	users_leave(sub->push->subscribers->users, &sub->member);
	inbox_leave(sub->push->inbox, &sub->inbox);
	expiry_stop(sub->expiry);
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

/*
 * Where the subscriber stands in all its tickets. A cursor is of one epoch: what was not told in it yet
 * is void there.
 */
static void put_cursor(const struct subscriber *sub, struct buf *cursor)
{
	struct cursor_place places[CURSOR_PLACES_MAX];
	const struct seat *seat;
	int64_t epoch = 1;
	size_t n = 0;

	TAILQ_FOREACH(seat, &sub->seats, entry) {
		if (hub_epoch(seat->link.hub) > epoch)
			epoch = hub_epoch(seat->link.hub);
	}
	TAILQ_FOREACH(seat, &sub->seats, entry) {
		bool is_void = seat->is_void || hub_epoch(seat->link.hub) != epoch;

		if (n < CURSOR_PLACES_MAX)
			places[n++] = (struct cursor_place){seat->key, is_void ? CURSOR_VOID
									       : seat->link.shown};
	}
	cursor_put_places(cursor, epoch, places, n);
}

/* Returns OUT_SLOW, which is the caller's business; everything else is dealt with. */
static enum out_result subscriber_event(struct subscriber *sub, struct frame *frame,
					enum outq_kind kind)
{
	struct buf cursor = BUF_INIT;
	struct str id = {0};
	enum out_result result;

	if (sub->is_ended)
		return OUT_OK;
	if (sub->is_many) {
		put_cursor(sub, &cursor);
		id = buf_str(&cursor);
	}
	result = buf_ok(&cursor) ? sub->out->ops->event(sub->out, frame, id, kind) : OUT_FAILED;
	buf_deinit(&cursor);
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

/* ---- what seats tell ---- */

static bool is_live(const struct subscriber *sub)
{
	const struct seat *seat;

	TAILQ_FOREACH(seat, &sub->seats, entry) {
		if (!seat_is_live(seat))
			return false;
	}
	return true;
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
	const struct seat *seat;

	TAILQ_FOREACH(seat, &sub->seats, entry) {
		if (seat->due > 0)
			return;
	}
	if (!sub->is_ended && is_live(sub))
		sub->out->ops->caught_up(sub->out);
}

/*
 * Lets those go on who are behind. What one may hold in memory is bounded, however many tickets it
 * listens to: only a few pages are asked for at once.
 */
static void subscriber_pump(struct subscriber *sub)
{
	struct seat *seat, *next;
	int asking = 0;

	TAILQ_FOREACH(seat, &sub->seats, entry)
		asking += seat_is_asking(seat);
	for (seat = TAILQ_FIRST(&sub->seats); seat != NULL && !sub->is_ended; seat = next) {
		next = TAILQ_NEXT(seat, entry);
		if (seat_is_asking(seat) || (asking >= PAGES_AT_ONCE && seat_wants_page(seat)))
			continue;
		seat_pump(seat);
		asking += seat_is_asking(seat);
	}
}

static void pump(struct turn_job *job)
{
	struct subscriber *sub =
		(struct subscriber *)((char *)job - offsetof(struct subscriber, pump));

	if (!sub->is_ended)
		subscriber_pump(sub);
}

static void on_conn_drained(void *owner)
{
	subscriber_pump(owner);
}

static bool on_has_room(const struct seat *seat)
{
	const struct subscriber *sub = seat->taker;

	return !sub->is_ended && sub->out->ops->has_room(sub->out);
}

static enum out_result on_event(struct seat *seat, struct frame *frame, enum outq_kind kind)
{
	return subscriber_event(seat->taker, frame, kind);
}

/* Who has not caught up after a while is slow. */
static void on_lagged(struct seat *seat)
{
	const struct timeval wait = {SLOW_GRACE_MS / 1000, SLOW_GRACE_MS % 1000 * 1000};
	struct subscriber *sub = seat->taker;

	if (!evtimer_pending(sub->slow, NULL) && event_add(sub->slow, &wait) != 0)
		subscriber_bye(sub, "slow");
}

static void on_ready(struct seat *seat)
{
	struct subscriber *sub = seat->taker;

	if (!is_live(sub))
		turn_ask(sub->push->turn, &sub->pump);
}

static void on_settled(struct seat *seat)
{
	tell_caught_up(seat->taker);
}

static void on_restarted(struct seat *seat)
{
	struct subscriber *sub = seat->taker;

	sub->out->ops->caught_up(sub->out);
}

static void on_failed(struct seat *seat)
{
	subscriber_fail(seat->taker);
}

/* Says so and leaves the ticket; the others go on, and without anything left it is the end. */
static void on_revoked(struct seat *seat)
{
	struct subscriber *sub = seat->taker;
	struct frame *frame = frame_of_revoked(hub_ticket(seat->link.hub));
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
	leases_leave(sub->push->leases, seat->lease, 0);
	seat_leave(seat);
	TAILQ_REMOVE(&sub->seats, seat, entry);
	TAILQ_INSERT_TAIL(&sub->left, seat, entry);
	if (!TAILQ_EMPTY(&sub->seats) || sub->member.has_inbox) {
		tell_caught_up(sub);
		turn_ask(sub->push->turn, &sub->pump);
		return;
	}
	sub->out->ops->end(sub->out);
	subscriber_end(sub, "revoked");
}

/* What may be lost is lost to those who leave unread what they have. */
static void subscriber_notice_maybe(struct subscriber *sub, struct frame *frame)
{
	if (fcgi_conn_waiting(sub->conn) <= sub->push->limits.slow_bytes)
		subscriber_notice(sub, frame);
}

/* What concerns several tickets is told once: the last notice is kept, so that no other has its address. */
static void on_notice(struct seat *seat, struct frame *frame)
{
	struct subscriber *sub = seat->taker;

	if (frame == sub->noticed)
		return;
	frame_unref(sub->noticed);
	sub->noticed = frame_ref(frame);
	subscriber_notice_maybe(sub, frame);
}

static void on_news(struct inbox_member *member, struct frame *frame)
{
	subscriber_notice_maybe(
		(struct subscriber *)((char *)member - offsetof(struct subscriber, inbox)), frame);
}

static const struct seat_ops seat_ops = {
	.has_room = on_has_room,
	.event = on_event,
	.lagged = on_lagged,
	.ready = on_ready,
	.settled = on_settled,
	.restarted = on_restarted,
	.revoked = on_revoked,
	.notice = on_notice,
	.failed = on_failed,
};

static bool on_has_more(void *owner)
{
	const struct subscriber *sub = owner;

	const struct seat *seat;

	TAILQ_FOREACH(seat, &sub->seats, entry) {
		if (seat_has_more(seat))
			return true;
	}
	return false;
}

/* ---- the token's end ---- */

/* A poll brings its token with each request, and is told nothing beforehand. */
static void on_soon(void *owner, int64_t left_ms)
{
	struct subscriber *sub = owner;
	char data[48];
	struct frame *frame;

	if (!sub->out->is_stream)
		return;
	snprintf(data, sizeof(data), "{\"expires_in\":%lld}", (long long)((left_ms + 999) / 1000));
	frame = frame_new("auth", (struct str){0}, str_of(data));
	subscriber_notice(sub, frame);
	frame_unref(frame);
}

static void on_over(void *owner)
{
	subscriber_bye(owner, "token_expired");
}

static void on_watch_failed(void *owner)
{
	subscriber_fail(owner);
}

static const struct expiry_ops expiry_ops = {
	.soon = on_soon,
	.over = on_over,
	.failed = on_watch_failed,
};

static void check_revoked(struct subscriber *sub)
{
	if (revoked_cover(sub->push->revoked, &sub->who, sub->began_us))
		subscriber_bye(sub, "token_revoked");
}

static void subscriber_check_token(struct subscriber *sub)
{
	if (!sub->is_ended)
		check_revoked(sub);
	if (!sub->is_ended)
		expiry_watch(sub->expiry, expiry_end_ms(sub->who.exp_ms, sub->out->is_stream));
}

/* ---- another token ---- */

static int subscriber_enter_inbox(struct subscriber *sub, const struct identity *who)
{
	return sub->member.has_inbox ? inbox_enter(sub->push->inbox, who->user_id,
						   access_viewer(who), &sub->inbox)
				     : 0;
}

/* Who may not be asked about is not known to be let in. */
static void renew_seats(struct subscriber *sub)
{
	struct seat *seat, *next;

	for (seat = TAILQ_FIRST(&sub->seats); seat != NULL && !sub->is_ended; seat = next) {
		next = TAILQ_NEXT(seat, entry);
		if (!seat_renew(seat, &sub->who))
			continue;
		if (stores_has_record(sub->push->stores))
			chase_people(sub->push->chase, seat->link.hub);
		else
			on_revoked(seat);
	}
}

/* Goes on as this identity, and takes it over. */
static void subscriber_become(struct subscriber *sub, struct identity *fresh)
{
	const struct log_ctx ctx = {.request_id = str_of(sub->out->request_id),
				    .user = fresh->user_id};
	struct identity old = sub->who;

	sub->who = *fresh;
	*fresh = (struct identity){0};
	log_info(&ctx, "token renewed", LOG_STR("role", ids_role_text(sub->who.role)));
	renew_seats(sub);
	if (access_viewer(&old) != access_viewer(&sub->who)) {
		inbox_leave(sub->push->inbox, &sub->inbox);
		if (!sub->is_ended && subscriber_enter_inbox(sub, &sub->who) != 0)
			subscriber_fail(sub);
	}
	authn_identity_deinit(&old);
	subscriber_check_token(sub);
}

static void subscriber_renew(struct subscriber *sub, const struct jwt_claims *claims)
{
	struct identity fresh;

	if (authn_identity_of(claims, sub->who.via, &fresh) != 0) {
		subscriber_fail(sub);
		return;
	}
	subscriber_become(sub, &fresh);
	if (!sub->is_ended)
		subscriber_pump(sub);
}

/* ---- the beginning ---- */

static enum mode subscriber_mode(const struct subscriber *sub)
{
	enum mode worst = MODE_FULL;
	const struct seat *seat;

	if (TAILQ_EMPTY(&sub->seats))
		return stores_mode_now(sub->push->stores);
	TAILQ_FOREACH(seat, &sub->seats, entry) {
		enum mode mode =
			stores_mode(sub->push->stores, hub_keep(seat->link.hub)->partition);

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
	TAILQ_INIT(&sub->seats);
	TAILQ_INIT(&sub->left);
	sub->push = push;
	sub->bury = (struct turn_job){.run = bury};
	sub->pump = (struct turn_job){.run = pump};
	sub->expiry = expiry_new(push->base, &expiry_ops, sub);
	sub->slow = evtimer_new(push->base, on_slow, sub);
	sub->member = (struct user_member){
		.owner = sub, .is_stream = opts->out->is_stream, .has_inbox = opts->has_inbox};
	if (sub->expiry == NULL || sub->slow == NULL)
		goto fail;
	for (size_t i = 0; i < opts->n_starts; i++) {
		struct seat *seat = seat_new(push, &seat_ops, sub);

		if (seat == NULL)
			goto fail;
		TAILQ_INSERT_TAIL(&sub->seats, seat, entry);
	}
	sub->inbox.tell = on_news;
	if (subscriber_enter_inbox(sub, opts->who) != 0)
		goto fail;
	if (users_enter(push->subscribers->users, opts->who->user_id, &sub->member) != 0)
		goto fail;
	return sub;
fail:
	subscriber_free(sub);
	return NULL;
}

static void subscriber_sit(struct subscriber *sub, const struct subscriber_opts *opts)
{
	const struct seat_start *start = opts->starts;
	struct seat *seat;

	TAILQ_FOREACH(seat, &sub->seats, entry)
		seat_sit(seat, start++, &sub->who);
}

/* What comes before any event. */
static void subscriber_greet(struct subscriber *sub, const struct subscriber_opts *opts)
{
	struct seat *seat, *next;

	if (sub->out->ops->open(sub->out, opts->hello) != OUT_OK)
		subscriber_fail(sub);
	for (size_t i = 0; i < opts->n_refused; i++) {
		struct frame *frame = frame_of_revoked(opts->refused[i]);

		subscriber_notice(sub, frame);
		frame_unref(frame);
	}
	for (seat = TAILQ_FIRST(&sub->seats); seat != NULL && !sub->is_ended; seat = next) {
		next = TAILQ_NEXT(seat, entry);
		seat_begin(seat);
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
	sub->is_many = opts->is_many;
	sub->who = *opts->who;
	*opts->who = (struct identity){0};
	sub->started_ms = clock_mono_ms();
	sub->present_ms = opts->present_ms;
	sub->began_us = clock_real_us();
	sub->mode = opts->hello->mode;
	fcgi_conn_own(sub->conn, &owner_ops, sub);
	TAILQ_INSERT_TAIL(&push->subscribers->list, sub, entry);
	push->subscribers->count++;
	subscriber_sit(sub, opts);
	subscriber_appear(sub);
	subscriber_greet(sub, opts);
	/* While the stores were asked, its token may have been replaced, or revoked. */
	if (opts->fresh->user_id.p != NULL && !sub->is_ended)
		subscriber_become(sub, opts->fresh);
	else
		subscriber_check_token(sub);
	subscriber_pump(sub);
	if (TAILQ_EMPTY(&sub->seats))
		tell_caught_up(sub);
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
	all->users = users_new();
	if (all->users == NULL) {
		subscribers_free(all);
		return NULL;
	}
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
	users_free(all->users);
	free(all);
}

size_t subscribers_count(const struct subscribers *all)
{
	return all->count;
}

size_t subscribers_streams_of(const struct subscribers *all, struct str user_id)
{
	return user_streams(users_find(all->users, user_id));
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

void subscribers_revoked(struct subscribers *all)
{
	struct subscriber *sub, *next;

	for (sub = TAILQ_FIRST(&all->list); sub != NULL; sub = next) {
		next = TAILQ_NEXT(sub, entry);
		check_revoked(sub);
	}
}

void subscribers_renew(struct subscribers *all, const struct renewal *renewal)
{
	const struct user *user = users_find(all->users, renewal->claims.sub);
	const struct user_member *member = user != NULL ? user_next(user, NULL) : NULL;

	while (member != NULL) {
		struct subscriber *sub = member->owner;

		/* It may end, and the last one takes its user along. */
		member = user_next(user, member);
		if (str_eq(sub->who.token_id, renewal->replaced))
			subscriber_renew(sub, &renewal->claims);
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
