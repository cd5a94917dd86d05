/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where what was published goes: reads the payloads, which are to be trusted in nothing, and hands them
 * to whoever tells the listeners. Odd ones are ignored, counted and now and then logged.
 */
#ifndef BELLHOP_PUSH_NOTICES_H
#define BELLHOP_PUSH_NOTICES_H

#include "push/hub.h"

struct notices;
struct push;
struct ticket_event;

/* NULL when out of memory. */
struct notices *notices_new(struct push *push);

/* All hubs must be gone. NULL is fine. */
void notices_free(struct notices *notices);

/* What has come on the channel of a ticket. */
void notices_ticket(struct notices *notices, struct str ticket, struct str payload);

/* What has come on the channel of all. */
void notices_system(struct notices *notices, struct str payload);

/* The channel of a ticket is heard from now on. */
void notices_joined(struct notices *notices, struct str ticket);

/* A hub was made (-1 when out of memory), has taken an event, goes. */
int notices_hub_made(struct notices *notices, struct hub *hub);
void notices_fed(struct notices *notices, struct hub *hub, const struct ticket_event *event);
void notices_hub_gone(struct notices *notices, struct hub *hub);

/* Some payload could not be read. */
void notices_count_odd(struct notices *notices);

struct typing *notices_typing(struct notices *notices);
struct crowds *notices_crowds(struct notices *notices);

#endif
