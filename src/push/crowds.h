/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The people of each ticket that somebody listens to: its participants, and who is looking at it. What
 * becomes of their presence is told to the listeners, to each once, however many tickets they share.
 * No I/O; muster.c asks the stores who they are.
 */
#ifndef BELLHOP_PUSH_CROWDS_H
#define BELLHOP_PUSH_CROWDS_H

#include "push/hub.h"
#include "store/presence.h"

struct crowd;
struct crowds;
struct ticket_event;

enum { CROWDS_PEOPLE_MAX = 1000 }; /* of a ticket; of more, nothing is told */

/* CROWDS_NOTED: a participant of whom the public has heard nothing: told of to staff alone. */
enum crowds_part { CROWDS_PARTICIPANT = 1, CROWDS_LOOKING = 2, CROWDS_NOTED = 4 };

/* NULL when out of memory. */
struct crowds *crowds_new(void);

/* All hubs must be forgotten. NULL is fine. */
void crowds_free(struct crowds *crowds);

/* A user is a participant of the hub's ticket, or looks at it, from now on, or no longer. */
void crowds_add(struct crowds *crowds, struct hub *hub, struct str user, enum crowds_part part);
void crowds_remove(struct crowds *crowds, struct hub *hub, struct str user, enum crowds_part part);

/*
 * Who looks at the hub's ticket is being asked. What is said of somebody from now on (crowds_here) comes by
 * another way and is newer than the answer, which may have been given before.
 */
void crowds_ask_lookers(struct crowds *crowds, struct hub *hub);

/* Somebody was found looking at a time when that was asked: unless something was said of him since. */
void crowds_learn_looker(struct crowds *crowds, struct hub *hub, struct str user);

/*
 * The answer: these n users, and nobody else, look at the hub's ticket, but for those of whom something was
 * said meanwhile. Listeners are told what that changes, so that it does not matter what they, or this
 * process, have missed.
 */
void crowds_set_lookers(struct crowds *crowds, struct hub *hub, const struct str *users, size_t n);

/* The hub goes. */
void crowds_forget(struct crowds *crowds, struct hub *hub);

/* The hub has taken an event: who speaks is a participant, and some change who is one. */
void crowds_event(struct crowds *crowds, struct hub *hub, const struct ticket_event *event);

/* It was said that a user looks at the hub's ticket, or (PRESENCE_OFFLINE) no longer. */
void crowds_here(struct crowds *crowds, struct hub *hub, struct str user,
		 enum presence_status status);

/* It was said that a user's status is another one now; seen_ms is 0 where there is none to tell. */
void crowds_presence(struct crowds *crowds, struct str user, const struct presence_state *state);

/* Who is known to look at the hub's ticket: a JSON array of user ids, to be freed. NULL when out of memory. */
char *crowds_lookers_json(const struct hub *hub);

/* How many of the ticket's people are known; while it is being asked, with those who have just gone. */
size_t crowds_count(const struct hub *hub);

#endif
