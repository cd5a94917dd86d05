/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A subscriber's place in one ticket: its link to the hub, what replays to it, and what it is still
 * owed. A seat may leave while its subscriber goes on; it is freed later, because callbacks may stand
 * on it.
 */
#ifndef BELLHOP_PUSH_SEAT_H
#define BELLHOP_PUSH_SEAT_H

#include <sys/queue.h>

#include "push/hub.h"
#include "push/out.h"

struct frame;
struct identity;
struct lease;
struct push;
struct replay;
struct seat;

/* What a seat tells its subscriber. Any of them may end the subscriber, none may free the seat. */
struct seat_ops {
	/* Is there room for more of what is replayed? False, too, once the subscriber has ended. */
	bool (*has_room)(const struct seat *seat);

	/* A durable event or a gap. OUT_SLOW is the seat's business, other failures the taker's. */
	enum out_result (*event)(struct seat *seat, struct frame *frame, enum outq_kind kind);

	/* Too much that is live waits: it went back to what is replayed as the socket drains. */
	void (*lagged)(struct seat *seat);

	/* One place is free to ask for pages: seat_pump() those who want to, this one too. */
	void (*ready)(struct seat *seat);

	/* What it was owed has been given. */
	void (*settled)(struct seat *seat);

	/* Another epoch has begun in this ticket; the gap was given. */
	void (*restarted)(struct seat *seat);

	/* Its user may not see the ticket any more: it has to leave. */
	void (*revoked)(struct seat *seat);

	/* An event without an id that may be lost. */
	void (*notice)(struct seat *seat, struct frame *frame);

	/* Out of memory. */
	void (*failed)(struct seat *seat);
};

struct seat {
	TAILQ_ENTRY(seat) entry; /* of its subscriber */
	struct link link;
	struct push *push;
	struct replay *replay;
	const struct seat_ops *ops;
	void *taker;
	struct lease *lease; /* the taker's: says that its user looks at the ticket */
	uint64_t key;	     /* of the ticket in cursors */
	bool is_void;	     /* what the client knew is of another epoch, and it was not told yet */
	int64_t due;	     /* it has not caught up before it was given that; 0 once it was */
};

TAILQ_HEAD(seat_list, seat);

/* Where a seat begins. */
struct seat_start {
	struct hub *hub;
	int64_t pos;	   /* every event up to here is known to it, or not for it */
	int64_t shown;	   /* its cursor */
	bool is_void;	   /* what it knew is of another epoch: it is told first */
	int64_t let_in_at; /* as in struct link */
	int64_t due; /* the newest event for it: it has not caught up before it was given that */
};

/* In no hub yet. NULL when out of memory. */
struct seat *seat_new(struct push *push, const struct seat_ops *ops, void *taker);

/* Leaves its hub if it is in one. NULL is fine. */
void seat_free(struct seat *seat);

/* Enters the hub; nothing is given before seat_begin(). `who` is borrowed until it leaves. */
void seat_sit(struct seat *seat, const struct seat_start *start, const struct identity *who);

/* Tells what has to be told first. */
void seat_begin(struct seat *seat);

/*
 * The same user has another role or other tickets now; `who` as before. True where only the record can say
 * whether the ticket is still the user's, who was let in by a token that said so, or could not be removed.
 * seat_pump() afterwards.
 */
bool seat_renew(struct seat *seat, const struct identity *who);

/* Goes on replaying if it is behind and there is room. */
void seat_pump(struct seat *seat);

/* Leaves its hub: nothing more is given, and nothing asked. */
void seat_leave(struct seat *seat);

/* Is it in its hub; does it follow it; would it ask a store for its next page, does it now? */
bool seat_is_taken(const struct seat *seat);
bool seat_is_live(const struct seat *seat);
bool seat_wants_page(const struct seat *seat);
bool seat_is_asking(const struct seat *seat);

/* Is there anything that it was not given yet? */
bool seat_has_more(const struct seat *seat);

#endif
