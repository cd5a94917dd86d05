/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who types in the tickets that somebody listens to, and what the listeners are told of it: typing-start
 * when it is said, typing-stop when that is said, when nothing more is said in time, and when the
 * typist's message comes or he is removed. No I/O.
 */
#ifndef BELLHOP_PUSH_TYPING_H
#define BELLHOP_PUSH_TYPING_H

#include "push/hub.h"

struct event_base;
struct ticket_event;
struct typing;

enum {
	TYPING_TYPISTS_MAX = 100, /* of a ticket; more are not told of */
	TYPING_AGAIN_MS = 1000	  /* so often at most is it told that somebody still types */
};

/* NULL when out of memory. */
struct typing *typing_new(struct event_base *base);

/* All hubs must be forgotten. NULL is fine. */
void typing_free(struct typing *typing);

/* It was said that a user types, for ms from now on; without a name it is empty or absent. */
void typing_start(struct typing *typing, struct hub *hub, struct str user, struct str name,
		  int64_t ms);

/* The same, as a new listener is told by hello: nothing is sent, but a stop will be. Whoever is known
 * is known better. */
void typing_learn(struct typing *typing, struct hub *hub, struct str user, struct str name,
		  int64_t ms);

/* It was said that a user types no longer. */
void typing_stop(struct typing *typing, struct hub *hub, struct str user, struct str name);

/* An event of the ticket has come. */
void typing_event(struct typing *typing, struct hub *hub, const struct ticket_event *event);

/* The hub goes. */
void typing_forget(struct typing *typing, struct hub *hub);

#endif
