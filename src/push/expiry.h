/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When a token ends, and when that is near. The wall clock decides, and it may be set: so what is left is
 * asked anew each time.
 */
#ifndef BELLHOP_PUSH_EXPIRY_H
#define BELLHOP_PUSH_EXPIRY_H

#include <stdbool.h>
#include <stdint.h>

enum { EXPIRY_SOON_MS = 60000 };

struct event_base;
struct expiry;

/* None may free the expiry; in them all others are allowed. */
struct expiry_ops {
	/* EXPIRY_SOON_MS or less are left; once for each time that it is watched. */
	void (*soon)(void *owner, int64_t left_ms);

	/* Nothing is left: watched no longer. */
	void (*over)(void *owner);

	/* Out of memory: watched no longer. */
	void (*failed)(void *owner);
};

/*
 * The end (wall clock) of what a token of that end, 0 for none, has been let into just now. Whoever was let in
 * after it, in the leeway that clocks are given, has the rest of that, and is told to renew the token: else a
 * browser would come back again and again until it is refused for good. A poll, which is no stream, was let in
 * for as long as it waits.
 */
int64_t expiry_end_ms(int64_t exp_ms, bool is_stream);

/* Watches nothing yet. NULL when out of memory. ops is borrowed. */
struct expiry *expiry_new(struct event_base *base, const struct expiry_ops *ops, void *owner);

/* NULL is fine. */
void expiry_free(struct expiry *expiry);

/* Watches this end (wall clock) in the place of another one; 0: there is none. It may call back at once. */
void expiry_watch(struct expiry *expiry, int64_t end_ms);

/* Nothing is told any more. */
void expiry_stop(struct expiry *expiry);

#endif
