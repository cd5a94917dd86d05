/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Brings tickets back to Redis that somebody begins to listen to: an idle one has left it, and would be
 * asked of PostgreSQL each time. A few at once; beyond that a ticket stays where it is until the next
 * who listens, reads or sends. Failing is no harm.
 */
#ifndef BELLHOP_PUSH_RESTORE_H
#define BELLHOP_PUSH_RESTORE_H

#include <stdint.h>

#include "base/str.h"

struct restore;
struct stores;

/* NULL when out of memory. */
struct restore *restore_new(struct stores *stores);

/* What is under way is left to the sweep. NULL is fine. */
void restore_free(struct restore *restore);

/*
 * The ticket has begun and has no stream in Redis, whose partition is swept, as of now_ms of Redis' clock.
 * The ticket is copied.
 */
void restore_ask(struct restore *restore, struct str ticket, int64_t now_ms);

#endif
