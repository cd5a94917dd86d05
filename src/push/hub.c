/* SPDX-License-Identifier: BSD-2-Clause */
/* Takes the events of one ticket in order and passes them on to those who follow it. */
#include "config.h"

#include "push/hub.h"

#include <stdlib.h>

#include "chat/participant.h"
#include "push/ring.h"
#include "store/event.h"

enum { RING_BYTES_MAX = 1 << 20 };

TAILQ_HEAD(link_list, link);

struct hub {
	char *ticket;
	int64_t epoch;
	int64_t last_public;
	bool is_started;
	struct ring *ring;
	struct link_list links;
	size_t n_links;
	const struct hub_observer *observer; /* may be NULL */
	struct hub_keep keep;
};

struct hub *hub_new(struct str ticket, size_t ring_events)
{
	struct hub *hub = calloc(1, sizeof(*hub));

	if (hub == NULL)
		return NULL;
	TAILQ_INIT(&hub->links);
	hub->ticket = str_dup(ticket);
	hub->ring = ring_new(ring_events, RING_BYTES_MAX);
	if (hub->ticket == NULL || hub->ring == NULL) {
		hub_free(hub);
		return NULL;
	}
	return hub;
}

void hub_free(struct hub *hub)
{
	if (hub == NULL)
		return;
	ring_free(hub->ring);
	free(hub->ticket);
	free(hub);
}

void hub_start(struct hub *hub, int64_t epoch, int64_t last, int64_t last_public)
{
	hub->epoch = epoch;
	hub->last_public = last_public;
	hub->is_started = true;
	ring_restart(hub->ring, last);
}

bool hub_is_started(const struct hub *hub)
{
	return hub->is_started;
}

void hub_restart(struct hub *hub, int64_t epoch, int64_t last, int64_t last_public)
{
	struct link *link, *next;

	hub_start(hub, epoch, last, last_public);
	/* In the history that holds now others may have been removed than in the one that was left. */
	hub->keep.is_unchecked = hub->n_links > 0;
	for (link = TAILQ_FIRST(&hub->links); link != NULL; link = next) {
		next = TAILQ_NEXT(link, of_hub);
		link->pos = link->let_in_at = last;
		link->shown = hub_newest(hub, link->viewer);
		link->state = LINK_LIVE;
		link->ops->restarted(link);
	}
}

static bool link_is_removed_by(const struct link *link, const struct ticket_event *event)
{
	return event->kind == EVENT_PARTICIPANT && link->user.p != NULL &&
	       event->seq > link->let_in_at && participant_removes(event, link->user);
}

/* Compares numbers alone. */
static enum link_step link_move(struct link *link, const struct ticket_event *event)
{
	if (event->seq <= link->pos)
		return LINK_OLD;
	if (!message_is_visible(event, link->viewer)) {
		link->pos = event->seq;
		return LINK_OLD;
	}
	if (message_prev(event, link->viewer) > link->shown)
		return LINK_GAP_BEFORE;
	link->pos = event->seq;
	link->shown = event->seq;
	return LINK_NEXT;
}

enum link_step link_step(struct link *link, const struct ticket_event *event)
{
	return link_is_removed_by(link, event) ? LINK_REVOKED : link_move(link, event);
}

static void hub_give(struct link *link, const struct ticket_event *event)
{
	switch (link_move(link, event)) {
	case LINK_OLD:
	case LINK_REVOKED:
		return;
	case LINK_NEXT:
		link->ops->live(link, event->seq);
		return;
	case LINK_GAP_BEFORE:
		link->state = LINK_REPLAY;
		link->ops->lost(link);
		return;
	}
}

enum hub_fed hub_feed(struct hub *hub, const struct ticket_event *event)
{
	struct participant_change change = {0};
	struct link *link, *next;

	if (event->epoch != hub->epoch || event->seq <= ring_last(hub->ring))
		return HUB_OLD;
	if (event->seq > ring_last(hub->ring) + 1)
		return HUB_HOLE;
	if (ring_append(hub->ring, event) != 0)
		return HUB_FULL;
	if (event->is_public)
		hub->last_public = event->seq;
	participant_parse(event, &change);
	for (link = TAILQ_FIRST(&hub->links); link != NULL; link = next) {
		next = TAILQ_NEXT(link, of_hub);
		if (change.is_removed && event->seq > link->let_in_at &&
		    str_eq(link->user, str_of(change.user)))
			link->ops->revoked(link);
		else if (link->state == LINK_LIVE)
			hub_give(link, event);
	}
	if (hub->observer != NULL)
		hub->observer->fed(hub->observer->arg, hub, event);
	return HUB_FED;
}

void hub_observe(struct hub *hub, const struct hub_observer *observer)
{
	hub->observer = observer;
}

void hub_skip(struct hub *hub, int64_t seq)
{
	struct link *link, *next;

	ring_restart(hub->ring, seq - 1);
	hub->keep.is_unchecked = hub->n_links > 0;
	for (link = TAILQ_FIRST(&hub->links); link != NULL; link = next) {
		next = TAILQ_NEXT(link, of_hub);
		if (link->state != LINK_LIVE)
			continue;
		link->state = LINK_REPLAY;
		link->ops->lost(link);
	}
}

enum hub_member hub_look_for(const struct hub *hub, struct str user, int64_t since)
{
	enum hub_member found = HUB_MEMBER_SAME;
	struct participant_change change;

	if (ring_last(hub->ring) > since && ring_first(hub->ring) > since + 1)
		return HUB_MEMBER_UNKNOWN;
	for (int64_t seq = since + 1; seq <= ring_last(hub->ring); seq++) {
		if (participant_parse(ring_find(hub->ring, seq), &change) == 0 &&
		    str_eq(str_of(change.user), user))
			found = change.is_removed ? HUB_MEMBER_REMOVED : HUB_MEMBER_SAME;
	}
	return found;
}

void hub_notice(struct hub *hub, struct frame *for_staff, struct frame *for_public)
{
	struct link *link, *next;

	for (link = TAILQ_FIRST(&hub->links); link != NULL; link = next) {
		struct frame *frame = link->viewer == MESSAGE_FOR_STAFF ? for_staff : for_public;

		next = TAILQ_NEXT(link, of_hub);
		if (frame != NULL)
			link->ops->notice(link, frame);
	}
}

void hub_forget(struct hub *hub, int64_t first_seq)
{
	ring_forget(hub->ring, first_seq);
}

static int compare_person(const void *key, const void *element)
{
	return str_cmp(*(const struct str *)key, ((const struct hub_person *)element)->user);
}

void hub_check(struct hub *hub, const struct hub_person *people, size_t n)
{
	const struct hub_person *person;
	struct link *link, *next;

	for (link = TAILQ_FIRST(&hub->links); link != NULL; link = next) {
		next = TAILQ_NEXT(link, of_hub);
		if (link->user.p == NULL)
			continue;
		person = n == 0 ? NULL
				: bsearch(&link->user, people, n, sizeof(*people), compare_person);
		link->is_unproven = false;
		if (person == NULL ? !link->is_granted : person->is_removed)
			link->ops->revoked(link);
	}
}

void hub_expel(struct hub *hub)
{
	struct link *link, *next;

	for (link = TAILQ_FIRST(&hub->links); link != NULL; link = next) {
		next = TAILQ_NEXT(link, of_hub);
		if (link->is_unproven)
			link->ops->revoked(link);
	}
}

struct str hub_ticket(const struct hub *hub)
{
	return str_of(hub->ticket);
}

int64_t hub_epoch(const struct hub *hub)
{
	return hub->epoch;
}

int64_t hub_last(const struct hub *hub)
{
	return ring_last(hub->ring);
}

int64_t hub_newest(const struct hub *hub, enum message_viewer viewer)
{
	return viewer == MESSAGE_FOR_STAFF ? ring_last(hub->ring) : hub->last_public;
}

struct ring *hub_ring(struct hub *hub)
{
	return hub->ring;
}

size_t hub_links(const struct hub *hub)
{
	return hub->n_links;
}

struct hub_keep *hub_keep(struct hub *hub)
{
	return &hub->keep;
}

void hub_join(struct hub *hub, struct link *link)
{
	link->hub = hub;
	link->state = LINK_REPLAY;
	TAILQ_INSERT_TAIL(&hub->links, link, of_hub);
	hub->n_links++;
}

void hub_leave(struct link *link)
{
	if (link->hub == NULL)
		return;
	TAILQ_REMOVE(&link->hub->links, link, of_hub);
	link->hub->n_links--;
	link->hub = NULL;
}

void hub_turn(struct link *link, enum message_viewer viewer)
{
	/* What lies between was not for the public. */
	if (viewer == MESSAGE_FOR_STAFF)
		link->pos = link->shown;
	link->viewer = viewer;
	link->state = LINK_REPLAY;
}

void hub_lag(struct link *link)
{
	const struct ticket_event *event = ring_find(link->hub->ring, link->pos);

	link->state = LINK_REPLAY;
	link->pos = event->seq - 1;
	link->shown = message_prev(event, link->viewer);
}

bool link_reaches_ring(const struct link *link)
{
	return link->pos + 1 >= ring_first(link->hub->ring);
}
