/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * This process's list of revocations: follows the record every REVOKED_EVERY_MS, and begins with the copy
 * in Redis where PostgreSQL is away.
 */
#ifndef BELLHOP_PUSH_REVOKED_H
#define BELLHOP_PUSH_REVOKED_H

#include <stdbool.h>
#include <stdint.h>

struct event_base;
struct identity;
struct revoked;
struct stores;

enum { REVOKED_EVERY_MS = 500 };

/* Told when it becomes known or unknown, and when it has grown: who is covered now has to go. */
typedef void revoked_changed_cb(void *arg);

/* NULL when out of memory. */
struct revoked *revoked_new(struct event_base *base, struct stores *stores,
			    revoked_changed_cb *changed, void *arg);
void revoked_free(struct revoked *list);

/* Asks at once. */
void revoked_look(struct revoked *list);

/* Has the list been read, up to lately? As long as not, nobody can be let in. */
bool revoked_is_known(const struct revoked *list);

/* Was the token of somebody who came at began_us (wall clock) revoked? */
bool revoked_cover(const struct revoked *list, const struct identity *who, int64_t began_us);

#endif
