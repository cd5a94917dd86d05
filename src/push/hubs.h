/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All hubs of the process, found by ticket. A hub stays for a while after its last listener left, so
 * that a page reload finds its ring warm.
 */
#ifndef BELLHOP_PUSH_HUBS_H
#define BELLHOP_PUSH_HUBS_H

#include "push/hub.h"

struct event_base;
struct hubs;

enum { HUBS_LINGER_MS = 10000 };

struct hubs_ops {
	/* A hub was made. 0; or -1 when out of memory: it is freed again, without `gone`. */
	int (*made)(void *arg, struct hub *hub);

	/* Told before a hub is freed. */
	void (*gone)(void *arg, struct hub *hub);
	void *arg;
};

/* NULL when out of memory. `ops` is copied. */
struct hubs *hubs_new(struct event_base *base, size_t ring_events, const struct hubs_ops *ops);

/* Frees all hubs; none may have links left. */
void hubs_free(struct hubs *hubs);

/* The hub of a ticket, made if there is none. NULL when out of memory. */
struct hub *hubs_open(struct hubs *hubs, struct str ticket);

/* The hub of a ticket, NULL if there is none. */
struct hub *hubs_find(const struct hubs *hubs, struct str ticket);

/* To be called when a link has left: without any, the hub goes after HUBS_LINGER_MS. */
void hubs_release(struct hubs *hubs, struct hub *hub);

/* Walks all: hubs_next(hubs, NULL) is the first, NULL the end. None may go meanwhile. */
struct hub *hubs_next(const struct hubs *hubs, const struct hub *hub);

#endif
