/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What may be lost and comes by Pub/Sub: one connection to Redis that has subscribed to the channels
 * that are wanted. Messages that are published while it is away are gone; it connects again by itself
 * and subscribes to everything anew.
 *
 * Following is counted: a channel stays as long as anybody follows it. Callbacks run from the event
 * loop only, never from inside a call of this module; in them everything here may be called, except
 * live_free(). Payloads are borrowed for the call, come as they were published, and are to be trusted
 * in nothing.
 */
#ifndef BELLHOP_PUSH_LIVE_H
#define BELLHOP_PUSH_LIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct event_base;
struct live;
struct redis_target;

struct live_ops {
	/* Something was published for a ticket, a user, everybody. Each may be NULL. */
	void (*ticket)(void *arg, struct str ticket, struct str payload);
	void (*user)(void *arg, struct str user, struct str payload);
	void (*system)(void *arg, struct str payload);

	/*
	 * Whatever is published for the ticket from now on is heard; what was before can be asked for
	 * without missing anything between. Each time that it is subscribed to: after a connection was lost,
	 * too.
	 */
	void (*joined)(void *arg, struct str ticket);
	void *arg;
};

struct live_opts {
	struct event_base *base;
	const struct redis_target *target; /* copied */
	const char *prefix;		   /* of all channels, copied */
	int64_t connect_timeout_ms;
	struct live_ops ops; /* copied */
};

/* Connects, and follows `system` from the start. NULL when out of memory. */
struct live *live_new(const struct live_opts *opts);

/* Forgets everything, and calls nobody. NULL is fine. */
void live_free(struct live *live);

/* Are the channels being heard? */
bool live_is_up(const struct live *live);

/* Follows the channel of a ticket, a user. 0, or -1 when out of memory. */
int live_follow_ticket(struct live *live, struct str ticket);
int live_follow_user(struct live *live, struct str user);

/* Takes one live_follow_*() back. What is not followed is fine. */
void live_unfollow_ticket(struct live *live, struct str ticket);
void live_unfollow_user(struct live *live, struct str user);

#endif
