/* SPDX-License-Identifier: BSD-2-Clause */
/* Where subscriptions begin. */
#include "config.h"

#include "push/begin.h"

const char *begin_parse(struct str cursor, const struct query *query, struct begin_wish *wish_r)
{
	int64_t since;
	enum query_int found;

	wish_r->kind = BEGIN_NOW;
	wish_r->init = 0;
	if (cursor.n > 0) {
		wish_r->kind = BEGIN_CURSOR;
		cursor_any_parse(cursor, &wish_r->cursor);
	}
	found = query_int(query, "since", 0, 0, &since);
	if (found == QUERY_INT_BAD)
		return "since must be 0";
	if (found == QUERY_INT_OK && wish_r->kind == BEGIN_NOW)
		wish_r->kind = BEGIN_FIRST;
	found = query_int(query, "init", 0, BEGIN_INIT_MAX, &wish_r->init);
	if (found == QUERY_INT_BAD)
		return "init must be a number from 0 to 200";
	if (found == QUERY_INT_OK && wish_r->init > 0 && wish_r->kind == BEGIN_NOW)
		wish_r->kind = BEGIN_INIT;
	return NULL;
}

void begin_of(const struct begin_wish *wish, uint64_t key, struct begin *begin_r)
{
	const struct cursor_any *cursor = &wish->cursor;
	const struct cursor_place *place;

	*begin_r = (struct begin){.kind = wish->kind};
	if (wish->kind != BEGIN_CURSOR)
		return;
	switch (cursor->form) {
	case CURSOR_BAD:
		return;
	case CURSOR_ONE:
		begin_r->cursor = (struct cursor){cursor->epoch, cursor->seq, true};
		return;
	case CURSOR_MANY:
		place = cursor_any_find(cursor, key);
		if (place == NULL)
			begin_r->kind = BEGIN_NOW;
		else if (place->seq != CURSOR_VOID)
			begin_r->cursor = (struct cursor){cursor->epoch, place->seq, true};
		return;
	}
}

void begin_place(const struct begin *begin, const struct begin_ticket *ticket,
		 const struct begin_first *first, struct begin_place *place_r)
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
			place.shown = first->prev;
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
