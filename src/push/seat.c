/* SPDX-License-Identifier: BSD-2-Clause */
/* Passes what hubs and replays tell on to a subscriber, and keeps what the client is owed. */
#include "config.h"

#include "push/seat.h"

#include <stdlib.h>

#include "chat/access.h"
#include "push/chase.h"
#include "push/frame.h"
#include "push/hubs.h"
#include "push/push.h"
#include "push/replay.h"
#include "push/ring.h"
#include "web/authn.h"
#include "web/cursor.h"
#include "web/json_write.h"

/* ---- gaps ---- */

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
	struct frame *frame = gap_frame(seat, from, to, reason);

	if (frame != NULL)
		seat->ops->event(seat, frame, OUTQ_REPLAY);
	else
		seat->ops->failed(seat);
	frame_unref(frame);
}

/* All that the client knew belongs to another epoch; it stands at `shown` now. */
static void seat_void(struct seat *seat)
{
	seat->is_void = false;
	seat_gap(seat, 1, seat->link.shown, "epoch");
}

/* ---- what hubs tell ---- */

/*
 * More live events wait than a client may leave unread. That can be one burst, too, which even the
 * fastest could not have taken: the link goes back to what is replayed as the socket drains, and
 * who has not caught up after a while is slow.
 */
static void seat_lag(struct seat *seat)
{
	hub_lag(&seat->link);
	seat->ops->lagged(seat);
}

/* Has everything been given that there was when the client asked? */
static void seat_look(struct seat *seat)
{
	if (seat->due > 0 && seat->link.shown >= seat->due) {
		seat->due = 0;
		seat->ops->settled(seat);
	}
}

static void on_live(struct link *link, int64_t seq)
{
	struct seat *seat = link->owner;
	struct frame *frame = ring_frame(hub_ring(link->hub), seq, link->viewer);

	if (frame == NULL)
		seat->ops->failed(seat);
	else if (seat->ops->event(seat, frame, OUTQ_LIVE) == OUT_SLOW)
		seat_lag(seat);
	else if (seat_is_taken(seat))
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
	if (seat_is_taken(seat))
		seat->ops->restarted(seat);
}

static void on_revoked(struct link *link)
{
	struct seat *seat = link->owner;

	seat->ops->revoked(seat);
}

static void on_notice(struct link *link, struct frame *frame)
{
	struct seat *seat = link->owner;

	seat->ops->notice(seat, frame);
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

	return seat->ops->has_room(seat);
}

static void on_replayed(void *taker, struct frame *frame)
{
	struct seat *seat = taker;

	seat->ops->event(seat, frame, OUTQ_REPLAY);
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
		chase_ask(seat->push->chase, seat->link.hub);
	} else {
		seat->due = 0;
		seat->ops->settled(seat);
	}
	if (seat_is_taken(seat))
		seat->ops->ready(seat);
}

static void on_ready(void *taker)
{
	struct seat *seat = taker;

	seat->ops->ready(seat);
}

static void on_replay_failed(void *taker)
{
	struct seat *seat = taker;

	seat->ops->failed(seat);
}

static const struct replay_ops replay_ops = {
	.has_room = on_has_room,
	.event = on_replayed,
	.gap = on_erased,
	.joined = on_joined,
	.ready = on_ready,
	.failed = on_replay_failed,
};

/* ---- one seat ---- */

struct seat *seat_new(struct push *push, const struct seat_ops *ops, void *taker)
{
	struct seat *seat = calloc(1, sizeof(*seat));

	if (seat == NULL)
		return NULL;
	seat->push = push;
	seat->ops = ops;
	seat->taker = taker;
	seat->replay = replay_new(push->base, push->stores, &seat->link, &replay_ops, seat);
	if (seat->replay == NULL) {
		free(seat);
		return NULL;
	}
	return seat;
}

void seat_free(struct seat *seat)
{
	if (seat == NULL)
		return;
	seat_leave(seat);
	replay_free(seat->replay);
	free(seat);
}

/* By what the link's user may listen. */
static void seat_bind(struct seat *seat, struct str ticket, const struct identity *who)
{
	bool is_bound = who->role != ROLE_SERVICE && who->role != ROLE_ADMIN;

	seat->link.is_granted = authn_identity_grants(who, ticket);
	seat->link.user = is_bound ? who->user_id : (struct str){0};
}

void seat_sit(struct seat *seat, const struct seat_start *start, const struct identity *who)
{
	seat->key = cursor_key(hub_ticket(start->hub));
	seat->is_void = start->is_void;
	seat->due = start->due;
	seat->link.ops = &link_ops;
	seat->link.owner = seat;
	seat->link.viewer = access_viewer(who);
	seat->link.let_in_at = start->let_in_at;
	seat_bind(seat, hub_ticket(start->hub), who);
	seat->link.pos = start->pos;
	seat->link.shown = start->shown;
	hub_join(start->hub, &seat->link);
}

void seat_begin(struct seat *seat)
{
	if (seat_is_taken(seat) && seat->is_void)
		seat_void(seat);
}

bool seat_renew(struct seat *seat, const struct identity *who)
{
	struct link *link = &seat->link;
	bool was_proven = link->user.p != NULL && !link->is_unproven;

	seat_bind(seat, hub_ticket(link->hub), who);
	if (link->viewer != access_viewer(who)) {
		/* What is under way was asked for the other viewer's place. */
		replay_reset(seat->replay);
		hub_turn(link, access_viewer(who));
		seat->due = 0;
	}
	link->is_unproven = link->user.p != NULL && !(link->is_granted && was_proven);
	return link->is_unproven;
}

void seat_pump(struct seat *seat)
{
	replay_pump(seat->replay);
}

void seat_leave(struct seat *seat)
{
	struct hub *hub = seat->link.hub;

	if (hub == NULL)
		return;
	replay_reset(seat->replay);
	hub_leave(&seat->link);
	hubs_release(seat->push->hubs, hub);
	seat->due = 0;
}

bool seat_is_taken(const struct seat *seat)
{
	return seat->link.hub != NULL;
}

bool seat_is_live(const struct seat *seat)
{
	return seat->link.state == LINK_LIVE;
}

bool seat_wants_page(const struct seat *seat)
{
	return !seat_is_live(seat) && !link_reaches_ring(&seat->link);
}

bool seat_is_asking(const struct seat *seat)
{
	return replay_is_asking(seat->replay);
}

bool seat_has_more(const struct seat *seat)
{
	const struct link *link = &seat->link;

	/* What is due may be more than the hub knows of. */
	return hub_newest(link->hub, link->viewer) > link->shown || seat->due > link->shown;
}
