/* SPDX-License-Identifier: BSD-2-Clause */
/* Where subscriptions begin. */
#include "config.h"

#include "push/begin.h"

#include "store/event.h"

const char *begin_parse(struct str cursor, const struct query *query, struct begin *begin_r)
{
	int64_t since;
	enum query_int found;

	*begin_r = (struct begin){.kind = BEGIN_NOW};
	if (cursor.n > 0) {
		begin_r->kind = BEGIN_CURSOR;
		begin_r->cursor = cursor_parse(cursor);
	}
	found = query_int(query, "since", 0, 0, &since);
	if (found == QUERY_INT_BAD)
		return "since must be 0";
	if (found == QUERY_INT_OK && begin_r->kind == BEGIN_NOW)
		begin_r->kind = BEGIN_FIRST;
	found = query_int(query, "init", 0, BEGIN_INIT_MAX, &begin_r->init);
	if (found == QUERY_INT_BAD)
		return "init must be a number from 0 to 200";
	if (found == QUERY_INT_OK && begin_r->init > 0 && begin_r->kind == BEGIN_NOW)
		begin_r->kind = BEGIN_INIT;
	return NULL;
}

void begin_place(const struct begin *begin, const struct begin_ticket *ticket,
		 const struct ticket_event *first, enum message_viewer viewer,
		 struct begin_place *place_r)
{
	struct begin_place place = {.pos = ticket->last, .shown = ticket->newest};

	switch (begin->kind) {
	case BEGIN_NOW:
		break;
	case BEGIN_FIRST:
		place.pos = place.shown = 0;
		break;
	case BEGIN_INIT:
		if (first != NULL) {
			place.pos = first->seq - 1;
			place.shown = message_prev(first, viewer);
		}
		break;
	case BEGIN_CURSOR:
		place.is_void = !begin->cursor.valid || begin->cursor.epoch != ticket->epoch ||
				(ticket->is_certain && begin->cursor.seq > ticket->newest);
		if (!place.is_void)
			place.pos = place.shown = begin->cursor.seq;
		break;
	}
	place.hello = place.is_void ? begin->cursor
				    : (struct cursor){ticket->epoch, place.shown, true};
	*place_r = place;
}
