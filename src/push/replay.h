/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Brings one link from where it stands to the newest event of its hub: page by page from whatever
 * reaches back far enough, the hub's ring, the window in Redis, PostgreSQL, and only as fast as its
 * taker has room. When nothing is left between, the link goes live in the same loop turn: replay
 * first, join last. Every page is checked to be dense; one with a hole is asked of PostgreSQL
 * instead, and what PostgreSQL itself has not is gone.
 */
#ifndef BELLHOP_PUSH_REPLAY_H
#define BELLHOP_PUSH_REPLAY_H

#include "push/hub.h"

struct event_base;
struct frame;
struct replay;
struct stores;

enum { REPLAY_PAGE = 100, REPLAY_RETRY_MS = 500 };

/* The taker. Callbacks may end it, but must not free the replay before they have returned. */
struct replay_ops {
	/* Is there room for more? False, too, once the taker has ended. */
	bool (*has_room)(void *taker);

	/* The next event that may be seen. */
	void (*event)(void *taker, struct frame *frame);

	/* Events from..to that this viewer could see are gone for good. */
	void (*gap)(void *taker, int64_t from, int64_t to);

	/* The link is live now. */
	void (*joined)(void *taker);

	/*
	 * It waits before it asks again, so that others may ask meanwhile; or it has waited. The taker
	 * calls replay_pump(), of this one too, when it likes.
	 */
	void (*ready)(void *taker);

	/* Out of memory. */
	void (*failed)(void *taker);
};

/* For a link that has joined its hub. NULL when out of memory. */
struct replay *replay_new(struct event_base *base, struct stores *stores, struct link *link,
			  const struct replay_ops *ops, void *taker);

/* Gives up what is under way. NULL is fine. */
void replay_free(struct replay *replay);

/* Goes on if the link is behind, nothing is under way and there is room. */
void replay_pump(struct replay *replay);

/* Is a page asked for, and not here yet? */
bool replay_is_asking(const struct replay *replay);

/* Forgets the page under way: the link was put somewhere else. */
void replay_reset(struct replay *replay);

#endif
