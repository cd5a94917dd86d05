/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A worker's list of revocations: read from the record whenever it is older than REVOKED_MAX_AGE_MS, and
 * from the copy in Redis by a worker that starts while PostgreSQL is away.
 */
#ifndef BELLHOP_API_REVOKED_H
#define BELLHOP_API_REVOKED_H

#include <stdbool.h>
#include <stdint.h>

#include "api/stores.h"

struct identity;
struct revoked;

enum { REVOKED_MAX_AGE_MS = 500 };

enum revoked_verdict {
	REVOKED_NO,
	REVOKED_YES,
	REVOKED_UNKNOWN /* not all of the list could be had yet: nobody can be let in */
};

/* NULL when out of memory. The stores are borrowed. */
struct revoked *revoked_new(struct stores *stores);
void revoked_free(struct revoked *list);

/*
 * For a worker with nothing else to do: reads a page of the record if the list is too old, so that it has
 * what there was when PostgreSQL goes away. The next time that there may be something to do, of
 * clock_mono_ms(): at once, while there are more pages.
 */
int64_t revoked_tick(struct revoked *list);

/* Has the record more of them than were read? */
bool revoked_is_behind(const struct revoked *list);

/*
 * Was the identity's token revoked? May ask a store; where there are very many, for no longer than about
 * twice the time that PostgreSQL has for an answer.
 */
enum revoked_verdict revoked_look(struct revoked *list, const struct identity *who);

#endif
