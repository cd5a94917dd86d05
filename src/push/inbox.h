/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tells those who listen to their inbox what is new in their tickets. That something is comes from
 * Redis and says hardly more than where; what it is the record is asked, for all users at once. The first
 * news of a ticket are told at once, those that follow as the newest state once a second.
 *
 * Nothing here is certain to be told: who comes back, or was told of another mode, reads the list.
 */
#ifndef BELLHOP_PUSH_INBOX_H
#define BELLHOP_PUSH_INBOX_H

#include <sys/queue.h>

#include "base/str.h"
#include "chat/message.h"
#include "store/pg_async.h"

struct event_base;
struct frame;
struct inbox;
struct inbox_box;
struct texts;

enum {
	INBOX_EVERY_MS = 1000,
	INBOX_TICKETS_MAX =
		1000,	  /* of a user that may be news at a time; of more nothing is told */
	INBOX_BATCH = 100 /* tickets of one statement */
};

/* A listener; embedded in the subscriber, who owns it. All zero, it listens to nothing. */
struct inbox_member {
	TAILQ_ENTRY(inbox_member) entry;
	struct inbox_box *box;

	/* News to be sent, borrowed. Nobody may be made or freed by it. */
	void (*tell)(struct inbox_member *member, struct frame *frame);
};

/* What it needs; for the process live and stores give it. */
struct inbox_ops {
	/* Follows the channel of a user, and back. 0, or -1 when out of memory. */
	int (*follow)(void *arg, struct str user);
	void (*unfollow)(void *arg, struct str user);

	/* As pg_async_exec(), and its reverse. */
	struct pg_call *(*ask)(void *arg, struct pg_stmt *stmt, pg_call_done *done, void *done_arg);
	void (*cancel)(struct pg_call *call);
	void *arg;

	struct texts *texts; /* borrowed; opens what the record tells */
};

/* ops is copied. NULL when out of memory. */
struct inbox *inbox_new(struct event_base *base, const struct inbox_ops *ops);

/* No member may be left. NULL is fine. */
void inbox_free(struct inbox *inbox);

/* The member listens to the user's inbox as the viewer. 0, or -1 when out of memory. */
int inbox_enter(struct inbox *inbox, struct str user, enum message_viewer viewer,
		struct inbox_member *member);

/* One that does not listen is fine. */
void inbox_leave(struct inbox *inbox, struct inbox_member *member);

/* Something has happened in a ticket of the user. */
void inbox_published(struct inbox *inbox, struct str user, struct str ticket, bool is_public);

/* How many tickets are news at the moment, or were within the last second; for tests. */
size_t inbox_count(const struct inbox *inbox);

#endif
