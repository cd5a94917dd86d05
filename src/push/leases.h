/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What this process says in Redis about who is there: a lease on each user who listens to it, and one
 * on each user and ticket. It is given when the first listener comes, prolonged while one is left, and
 * taken back some time after the last has gone, unless somebody came back meanwhile. Should the
 * process die, its leases end by themselves.
 *
 * While Redis is away nothing is said; all of it is said again once it is back. Nothing is taken back
 * at the end of the process: the clients come back to another, within what is left of the leases.
 */
#ifndef BELLHOP_PUSH_LEASES_H
#define BELLHOP_PUSH_LEASES_H

#include "base/str.h"

struct event_base;
struct lease;
struct leases;
struct stores;
struct turn;

enum {
	LEASES_TTL_MS = 30000,	 /* how long a lease outlives its process */
	LEASES_RENEW_MS = 10000, /* how often it is prolonged */
	LEASES_LINGER_MS = 10000 /* how long a page may take to load again */
};

/* NULL when out of memory. */
struct leases *leases_new(struct event_base *base, struct turn *turn, struct stores *stores);

/* Frees everything, and says nothing. NULL is fine. */
void leases_free(struct leases *leases);

/*
 * The user listens, to the ticket or (absent) at all. The lease is for leases_leave(), once for each
 * leases_enter(). NULL when out of memory: then it is as if the user were not there.
 */
struct lease *leases_enter(struct leases *leases, struct str ticket, struct str user);

/* Counts for linger_ms more (60 s at most, and 15), unless others do. NULL is fine. */
void leases_leave(struct leases *leases, struct lease *lease, int64_t linger_ms);

/* How many there are, and how many of them were not said yet; for tests. */
size_t leases_count(const struct leases *leases);

#endif
