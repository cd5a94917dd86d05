/* SPDX-License-Identifier: BSD-2-Clause */
/* A ring buffer of events, indexed by their numbers, which are dense. */
#include "config.h"

#include "push/ring.h"

#include <stdlib.h>

#include "store/event.h"

enum { VIEWERS = 2, CAP_MIN = 8 };

struct item {
	struct ticket_event *event;
	struct frame *frames[VIEWERS]; /* by enum message_viewer; NULL until wanted */
	size_t bytes;
};

struct ring {
	int64_t last;
	size_t count; /* items held, the oldest being last - count + 1 */
	size_t cap;   /* places, at most max_events; most tickets never need many */
	size_t max_events, max_bytes, bytes;
	struct item *items; /* seq is at seq mod cap */
};

struct ring *ring_new(size_t max_events, size_t max_bytes)
{
	struct ring *ring = calloc(1, sizeof(*ring));

	if (ring == NULL)
		return NULL;
	ring->max_events = max_events;
	ring->max_bytes = max_bytes;
	return ring;
}

static struct item *ring_item(const struct ring *ring, int64_t seq)
{
	return &ring->items[(size_t)seq % ring->cap];
}

static void ring_drop_oldest(struct ring *ring)
{
	struct item *item = ring_item(ring, ring_first(ring));

	for (int i = 0; i < VIEWERS; i++)
		frame_unref(item->frames[i]);
	event_copy_free(item->event);
	ring->bytes -= item->bytes;
	ring->count--;
	*item = (struct item){0};
}

void ring_restart(struct ring *ring, int64_t last)
{
	while (ring->count > 0)
		ring_drop_oldest(ring);
	ring->last = last;
}

void ring_forget(struct ring *ring, int64_t seq)
{
	for (int64_t told = ring->last; told >= ring_first(ring); told--) {
		const struct ticket_event *event = ring_item(ring, told)->event;

		if (told >= seq && (message_seq(event) >= seq || event->content.p == NULL))
			continue;
		while (ring_first(ring) <= told)
			ring_drop_oldest(ring);
	}
}

void ring_free(struct ring *ring)
{
	if (ring == NULL)
		return;
	ring_restart(ring, 0);
	free(ring->items);
	free(ring);
}

int64_t ring_last(const struct ring *ring)
{
	return ring->last;
}

int64_t ring_first(const struct ring *ring)
{
	return ring->last - (int64_t)ring->count + 1;
}

/* Keeps the byte bound, but never at the cost of the newest event. */
static void ring_grow(struct ring *ring, struct item *item, size_t bytes)
{
	item->bytes += bytes;
	ring->bytes += bytes;
	while (ring->bytes > ring->max_bytes && ring->count > 1 &&
	       ring_item(ring, ring_first(ring)) != item)
		ring_drop_oldest(ring);
}

/* Doubles the places, up to max_events; every item moves to its number's new place. */
static int ring_widen(struct ring *ring)
{
	size_t cap = ring->cap == 0 ? CAP_MIN : ring->cap * 2;
	struct item *items;

	if (cap > ring->max_events)
		cap = ring->max_events;
	items = calloc(cap, sizeof(*items));
	if (items == NULL)
		return -1;
	for (int64_t seq = ring_first(ring); seq <= ring->last; seq++)
		items[(size_t)seq % cap] = *ring_item(ring, seq);
	free(ring->items);
	ring->items = items;
	ring->cap = cap;
	return 0;
}

/* Forgets the frames of an item: they are made again of what it holds now. */
static void ring_drop_frames(struct ring *ring, struct item *item)
{
	for (int i = 0; i < VIEWERS; i++) {
		if (item->frames[i] == NULL)
			continue;
		item->bytes -= item->frames[i]->len;
		ring->bytes -= item->frames[i]->len;
		frame_unref(item->frames[i]);
		item->frames[i] = NULL;
	}
}

/* The item tells the message as the deletion does. 0, or -1 when out of memory. */
static int ring_rewrite(struct ring *ring, struct item *item, const struct ticket_event *deletion)
{
	struct ticket_event told = *item->event, *copy;

	told.rev = deletion->rev;
	told.content = (struct str){0};
	told.edited_at_ms = deletion->edited_at_ms;
	told.deleted_at_ms = deletion->deleted_at_ms;
	told.deleted_by = deletion->deleted_by;
	copy = event_copy(&told);
	if (copy == NULL)
		return -1;
	ring_drop_frames(ring, item);
	item->bytes -= item->event->content.n;
	ring->bytes -= item->event->content.n;
	event_copy_free(item->event);
	item->event = copy;
	return 0;
}

/* Takes the content of a deleted message out; what cannot be rewritten leaves, and all before it. */
static void ring_scrub(struct ring *ring, const struct ticket_event *deletion)
{
	for (int64_t seq = ring->last; seq >= ring_first(ring); seq--) {
		struct item *item = ring_item(ring, seq);

		if (message_seq(item->event) != deletion->target || item->event->content.p == NULL)
			continue;
		if (ring_rewrite(ring, item, deletion) != 0) {
			while (ring_first(ring) <= seq)
				ring_drop_oldest(ring);
		}
	}
}

int ring_append(struct ring *ring, const struct ticket_event *event)
{
	struct ticket_event *copy;
	struct item *item;

	if (event->seq != ring->last + 1)
		return -1;
	if (ring->count == ring->cap && ring->cap < ring->max_events && ring_widen(ring) != 0)
		return -1;
	copy = event_copy(event);
	if (copy == NULL)
		return -1;
	if (ring->count == ring->cap)
		ring_drop_oldest(ring);
	ring->last = event->seq;
	ring->count++;
	item = ring_item(ring, event->seq);
	item->event = copy;
	ring_grow(ring, item, sizeof(*copy) + event->content.n);
	if (event->kind == EVENT_DELETE)
		ring_scrub(ring, copy);
	return 0;
}

const struct ticket_event *ring_find(const struct ring *ring, int64_t seq)
{
	if (seq < ring_first(ring) || seq > ring->last)
		return NULL;
	return ring_item(ring, seq)->event;
}

struct frame *ring_frame(struct ring *ring, int64_t seq, enum message_viewer viewer)
{
	struct item *item;

	if (ring_find(ring, seq) == NULL)
		return NULL;
	item = ring_item(ring, seq);
	if (item->frames[viewer] == NULL) {
		item->frames[viewer] = frame_of_event(item->event, viewer);
		if (item->frames[viewer] != NULL)
			ring_grow(ring, item, item->frames[viewer]->len);
	}
	return item->frames[viewer];
}
