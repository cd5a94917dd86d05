/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Asks the stores who the people of a ticket are, once somebody listens to it: Redis for those who look
 * at it, the record for the participants, and while that is away Redis, if its list is whole. One ticket at
 * a time; what cannot be asked now is asked a little later.
 */
#ifndef BELLHOP_PUSH_MUSTER_H
#define BELLHOP_PUSH_MUSTER_H

#include <stdbool.h>

struct crowds;
struct event_base;
struct hub;
struct hubs;
struct muster;
struct stores;

/* NULL when out of memory. */
struct muster *muster_new(struct event_base *base, struct stores *stores, struct crowds *crowds);
void muster_free(struct muster *muster);

/* A hub was made; it goes. -1 when out of memory. */
int muster_hub(struct muster *muster, struct hub *hub);
void muster_forget(struct muster *muster, struct hub *hub);

/* Has what was asked for since then been answered? From then on the crowd knows who looks. */
bool muster_is_done(const struct hub *hub);

/* What is published for the hub's ticket is heard from now on: asks for what was before. */
void muster_joined(struct muster *muster, struct hub *hub);

#endif
