/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One ticket that somebody listens to: its newest events in a ring, and the links to its listeners.
 * A subscriber has one link for each ticket that it listens to, a hub one for each subscriber: the
 * link is where the two meet, and it knows how far this subscriber is in this ticket.
 *
 * The hub accepts events from whoever brings them, Redis or PostgreSQL, in any order and as often as
 * they like: it takes the one that comes next, ignores what it has, and reports a hole. Numbers are
 * dense, so nothing can be missed or seen twice without being noticed here. No I/O.
 */
#ifndef BELLHOP_PUSH_HUB_H
#define BELLHOP_PUSH_HUB_H

#include <sys/queue.h>

#include "base/str.h"
#include "chat/message.h"

struct crowd;
struct frame;
struct reads_list;
struct ticket_event;
struct hub;
struct link;
struct reader;
struct ring;
struct typing_list;
struct roll;

/* What becomes of a link; given by its subscriber. None may free the hub. */
struct link_ops {
	/* An event that the link may see has come; live links only. `seq` is in the hub's ring. */
	void (*live)(struct link *link, int64_t seq);

	/* What the link should see next is not in sight: it must go back to replay from link->pos. */
	void (*lost)(struct link *link);

	/* The hub has started afresh in another epoch: what the link knew is void. */
	void (*restarted)(struct link *link);

	/* Its user was removed from the ticket: it must leave, with nothing more. Live or not. */
	void (*revoked)(struct link *link);

	/* Something without a number that the link may see, and that may be lost; in any state. */
	void (*notice)(struct link *link, struct frame *frame);
};

enum link_state {
	LINK_REPLAY, /* behind the hub: pages are fetched */
	LINK_LIVE    /* follows the hub */
};

struct link {
	TAILQ_ENTRY(link) of_hub;
	struct hub *hub;
	const struct link_ops *ops;
	void *owner; /* the subscriber */
	enum message_viewer viewer;
	struct str user; /* absent: nobody can take the ticket from it */
	bool is_granted; /* the token names the ticket: nobody needs to have added the user */
	bool is_unproven; /* the token named it no longer, and the record has yet to say who was added */
	int64_t let_in_at; /* the user was let in as of this event; a removal after it counts */
	enum link_state state;
	int64_t pos;   /* every event up to here has been sent or may not be seen */
	int64_t shown; /* the newest of them that may be seen: the cursor */
};

/* How an event stands to a link. */
enum link_step {
	LINK_OLD,	 /* has been sent, or may not be seen: pos has moved past it */
	LINK_NEXT,	 /* is to be sent now; pos and shown have moved to it */
	LINK_GAP_BEFORE, /* something that may be seen lies between; nothing has moved */
	LINK_REVOKED	 /* it removes the link's user; nothing has moved */
};

/* ---- hubs ---- */

/* The ticket is copied. NULL when out of memory. Its position is unset until hub_start(). */
struct hub *hub_new(struct str ticket, size_t ring_events);

/* No link may be left. NULL is fine. */
void hub_free(struct hub *hub);

/* The hub knows everything up to `last`, the newest public one of it being last_public. */
void hub_start(struct hub *hub, int64_t epoch, int64_t last, int64_t last_public);

bool hub_is_started(const struct hub *hub);

/*
 * Another epoch holds: the ring is emptied, every link is put to the new newest event and told so.
 */
void hub_restart(struct hub *hub, int64_t epoch, int64_t last, int64_t last_public);

enum hub_fed {
	HUB_FED,  /* taken and given to the live links */
	HUB_OLD,  /* known, or of another epoch */
	HUB_HOLE, /* there are events before it that the hub has not seen */
	HUB_FULL  /* out of memory; nothing has changed */
};

enum hub_fed hub_feed(struct hub *hub, const struct ticket_event *event);

/*
 * The record itself has nothing before `seq`: the hub goes on from there; its links are told by way
 * of `lost`.
 */
void hub_skip(struct hub *hub, int64_t seq);

/* What has become of a user's membership since the event `since`, as far as the hub has heard. */
enum hub_member {
	HUB_MEMBER_SAME,
	HUB_MEMBER_REMOVED,
	HUB_MEMBER_UNKNOWN /* it does not hold all events since: ask again */
};

enum hub_member hub_look_for(const struct hub *hub, struct str user, int64_t since);

/* Is told of each event that the hub takes, after its links. It may do anything but free the hub. */
struct hub_observer {
	void (*fed)(void *arg, struct hub *hub, const struct ticket_event *event);
	void *arg;
};

/* From now on; `observer` is borrowed until the hub is freed. */
void hub_observe(struct hub *hub, const struct hub_observer *observer);

/*
 * Gives a frame without an id to all links, to each the one for its viewer; NULL: nothing for those.
 * The frames stay the caller's.
 */
void hub_notice(struct hub *hub, struct frame *for_staff, struct frame *for_public);

/* Retention has erased what is below first_seq: nobody is told of it any more. */
void hub_forget(struct hub *hub, int64_t first_seq);

/* Somebody whom the record knows in the ticket. */
struct hub_person {
	struct str user;
	bool is_removed;
};

/* All of them, in the order of str_cmp(): whoever may not listen by that loses the ticket. */
void hub_check(struct hub *hub, const struct hub_person *people, size_t n);

/* The record does not answer: whoever is unproven loses the ticket. */
void hub_expel(struct hub *hub);

struct str hub_ticket(const struct hub *hub);
int64_t hub_epoch(const struct hub *hub);
int64_t hub_last(const struct hub *hub);
int64_t hub_newest(const struct hub *hub, enum message_viewer viewer);
struct ring *hub_ring(struct hub *hub);
size_t hub_links(const struct hub *hub);

/* What others keep with a hub. */
struct hub_keep {
	void *entry;		/* hubs.c: its place in the table */
	struct reader *reader;	/* tail.c: who follows it, NULL if nobody */
	unsigned int partition; /* tail.c: set while it is followed */
	bool is_absence_known;	/* tail.c: that Redis is behind was checked with the record */
	bool is_asked;		/* chase.c: to be compared with the record */
	bool has_hole;		/* chase.c: cannot go on before that is filled */
	int64_t hole_after;	/* chase.c: the event before it */
	struct crowd *crowd;	/* crowds.c: the ticket's people, NULL if none is known */
	struct roll *roll;	/* muster.c: whether they were asked for */
	bool is_untrusted;	/* chase.c: Redis was not to be believed when last looked at */
	bool is_unchecked;	/* hub.c: a removal may have been missed; chase.c asks the record */
	struct typing_list *typing; /* typing.c: who types, NULL if nobody */
	struct reads_list *reads;   /* reads.c: who has just read, NULL if nobody */
};
struct hub_keep *hub_keep(struct hub *hub);

/* ---- links ---- */

/* The link enters in state LINK_REPLAY with pos and shown as set by the caller. */
void hub_join(struct hub *hub, struct link *link);

/* Leaves its hub; a link that is in none is fine. */
void hub_leave(struct link *link);

/*
 * From now on the link sees what this viewer may, as if it had come back with its cursor: state LINK_REPLAY
 * again. Whoever may see more now is given that, too, as far as it came after the cursor.
 */
void hub_turn(struct link *link, enum message_viewer viewer);

/* Takes back the event that its `live` callback is being told of: the link replays from there. */
void hub_lag(struct link *link);

/* True if the ring holds, or nothing lies, between the link and the hub's newest event. */
bool link_reaches_ring(const struct link *link);

/* Compares an event with the link's place and moves it; see enum link_step. */
enum link_step link_step(struct link *link, const struct ticket_event *event);

#endif
