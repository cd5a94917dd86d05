/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tells the listeners of a ticket how far its people have read. A mark is told at once; of those that
 * follow soon only the newest, at most one for a ticket and user in READS_EVERY_MS. No I/O.
 */
#ifndef BELLHOP_PUSH_READS_H
#define BELLHOP_PUSH_READS_H

#include "push/hub.h"

struct event_base;
struct reads;

enum {
	READS_EVERY_MS = 250,
	READS_USERS_MAX = 1000 /* of a ticket, who have just read; more are not told of */
};

/* NULL when out of memory. */
struct reads *reads_new(struct event_base *base);

/* All hubs must be forgotten. NULL is fine. */
void reads_free(struct reads *reads);

struct reads_mark {
	struct str user;
	int64_t seq;
	int64_t public_seq; /* what requesters are told, with the same time; 0: nothing */
	int64_t at_ms;
};

void reads_take(struct reads *reads, struct hub *hub, const struct reads_mark *mark);

/* The hub goes. */
void reads_forget(struct reads *reads, struct hub *hub);

#endif
