/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Follows watched tickets in Redis. Readers are connections that block in one XREAD over up to
 * TAIL_READER_TICKETS streams and a wake stream of their own; a new ticket wakes its reader, which
 * joins it with its next call. What comes is fed to the hubs; holes go to the chase.
 *
 * A stream that was deleted, cut or made anew is no error to XREAD, only silence: at each connection and
 * every TAIL_BLOCK_MS the tails are compared with the hubs, and the record is asked where they differ.
 */
#ifndef BELLHOP_PUSH_TAIL_H
#define BELLHOP_PUSH_TAIL_H

#include "push/hub.h"

struct chase;
struct event_base;
struct stores;
struct tail;

enum { TAIL_READER_TICKETS = 16, TAIL_COUNT = 100, TAIL_BLOCK_MS = 5000 };

/* At most max_readers connections, 1 or more, are made to Redis. NULL when out of memory. */
struct tail *tail_new(struct event_base *base, struct stores *stores, struct chase *chase,
		      size_t max_readers);
void tail_free(struct tail *tail);

/* Follows a started hub from where it is. -1 when out of memory, or where all readers are full. */
int tail_watch(struct tail *tail, struct hub *hub);

/* No more; a hub that is not watched is fine. */
void tail_unwatch(struct tail *tail, struct hub *hub);

/* The hub can go on (its hole was filled): join it again. */
void tail_resume(struct tail *tail, struct hub *hub);

/* The epoch has changed, and with it all key names. */
void tail_restart(struct tail *tail);

#endif
