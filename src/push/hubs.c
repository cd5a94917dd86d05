/* SPDX-License-Identifier: BSD-2-Clause */
/* The hubs of the process by ticket, and how long they outlive their listeners. */
#include "config.h"

#include "push/hubs.h"

#include <event2/event.h>
#include <stdlib.h>

#include "base/hash.h"

struct entry {
	UT_hash_handle hh;
	struct hubs *hubs;
	struct hub *hub;
	struct event *linger;
};

struct hubs {
	struct event_base *base;
	const struct timeval *linger; /* one of libevent's common time-outs: a queue, not a heap */
	size_t ring_events;
	struct hubs_ops ops;
	struct entry *entries; /* hash by the hub's ticket */
};

struct hubs *hubs_new(struct event_base *base, size_t ring_events, const struct hubs_ops *ops)
{
	const struct timeval linger = {HUBS_LINGER_MS / 1000, HUBS_LINGER_MS % 1000 * 1000};
	struct hubs *hubs = calloc(1, sizeof(*hubs));

	if (hubs == NULL)
		return NULL;
	hubs->base = base;
	hubs->ring_events = ring_events;
	hubs->ops = *ops;
	hubs->linger = event_base_init_common_timeout(base, &linger);
	if (hubs->linger == NULL) {
		free(hubs);
		return NULL;
	}
	return hubs;
}

static void entry_discard(struct entry *entry)
{
	hub_free(entry->hub);
	if (entry->linger != NULL)
		event_free(entry->linger);
	free(entry);
}

static void entry_free(struct entry *entry)
{
	struct hubs *hubs = entry->hubs;

	hubs->ops.gone(hubs->ops.arg, entry->hub);
	HASH_DEL(hubs->entries, entry);
	entry_discard(entry);
}

static void on_linger(evutil_socket_t fd, short what, void *arg)
{
	struct entry *entry = arg;

	(void)fd;
	(void)what;
	if (hub_links(entry->hub) == 0)
		entry_free(entry);
}

void hubs_free(struct hubs *hubs)
{
	struct entry *entry, *next;

	if (hubs == NULL)
		return;
	HASH_ITER(hh, hubs->entries, entry, next)
		entry_free(entry);
	free(hubs);
}

static struct entry *hubs_entry(const struct hubs *hubs, struct str ticket)
{
	struct entry *entry;

	HASH_FIND(hh, hubs->entries, ticket.p, ticket.n, entry);
	return entry;
}

struct hub *hubs_find(const struct hubs *hubs, struct str ticket)
{
	const struct entry *entry = hubs_entry(hubs, ticket);

	return entry == NULL ? NULL : entry->hub;
}

struct hub *hubs_open(struct hubs *hubs, struct str ticket)
{
	struct entry *entry = hubs_entry(hubs, ticket);
	struct str key;

	if (entry != NULL) {
		/* Lingers on from now: its listener is about to join. */
		if (event_add(entry->linger, hubs->linger) != 0)
			return NULL;
		return entry->hub;
	}
	entry = calloc(1, sizeof(*entry));
	if (entry == NULL)
		return NULL;
	entry->hubs = hubs;
	entry->hub = hub_new(ticket, hubs->ring_events);
	entry->linger = evtimer_new(hubs->base, on_linger, entry);
	if (entry->hub == NULL || entry->linger == NULL ||
	    event_add(entry->linger, hubs->linger) != 0 ||
	    hubs->ops.made(hubs->ops.arg, entry->hub) != 0) {
		entry_discard(entry);
		return NULL;
	}
	hub_keep(entry->hub)->entry = entry;
	key = hub_ticket(entry->hub);
	HASH_ADD_KEYPTR(hh, hubs->entries, key.p, key.n, entry);
	if (!hash_has_added(entry)) {
		hubs->ops.gone(hubs->ops.arg, entry->hub);
		entry_discard(entry);
		return NULL;
	}
	return entry->hub;
}

void hubs_release(struct hubs *hubs, struct hub *hub)
{
	struct entry *entry = hub_keep(hub)->entry;

	if (hub_links(hub) == 0)
		event_add(entry->linger, hubs->linger);
}

struct hub *hubs_next(const struct hubs *hubs, const struct hub *hub)
{
	const struct entry *entry = hubs->entries;

	if (hub != NULL)
		entry = ((struct entry *)hub_keep((struct hub *)hub)->entry)->hh.next;
	return entry == NULL ? NULL : entry->hub;
}
