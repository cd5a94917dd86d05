/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The step machine behind a page of history. A page has up to two legs, each with one direction:
 * down from a bound (newest, before, the first half of around) and up from one (after, the second
 * half of around). A leg reads the window as far as that reaches and then the record. Each leg
 * asks for one message more than it wants: that tells whether there are more.
 */
#include "config.h"

#include "chat/history.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/buf.h"
#include "store/event.h"
#include "web/cursor.h"
#include "web/json_write.h"

enum {
	CHUNK_MIN = 16,	  /* events: a small page still sees the notes between its messages */
	CHUNK_MAX = 1000, /* events in one answer of the window */
	LOOK_BACK = 8,	  /* events up to an `after`: mostly one of them is a message */
};

enum phase {
	PHASE_DOWN,
	PHASE_UP,
	PHASE_FOLD, /* looks for later edits of what the page holds */
	PHASE_KEPT, /* asks the record what retention has left below an `after` */
	PHASE_DONE,
	PHASE_SEAM,
	PHASE_FAILED
};

/* Events that this owns, one copy each. */
struct list {
	struct ticket_event **items;
	size_t count, cap;
};

struct history {
	struct history_query query;
	struct history_totals totals;
	enum phase phase;

	int64_t window_first; /* oldest seq in the window, 0 without one */
	bool uses_window;     /* nothing has spoken against it yet */
	bool has_read;	      /* something came from a server already */
	bool leg_in_record;   /* the current leg has left the window */
	bool has_lost_record;
	bool has_below;	    /* a message up to an `after` was met in the window */
	bool is_kept_known; /* the record has told what retention took */
	int64_t next;	    /* the seq that the current leg or the fold reads next */
	int64_t top;	    /* highest seq read from the window, and the messages up to it */
	int64_t top_n;	    /* … all of them, notes too */

	struct list down, up; /* in reading order: newest first, oldest first */
	struct list changes;  /* edits and deletions met in the window */
	struct list page;     /* ascending, once done */
	bool has_extra_down;  /* the leg down stopped at its limit */
	bool has_extra_up;
};

static void list_clear(struct list *list)
{
	for (size_t i = 0; i < list->count; i++)
		event_copy_free(list->items[i]);
	list->count = 0;
}

static void list_deinit(struct list *list)
{
	list_clear(list);
	free(list->items);
}

static int list_add(struct list *list, struct ticket_event *event)
{
	if (event == NULL)
		return -1;
	if (list->count == list->cap) {
		size_t cap = list->cap == 0 ? 64 : list->cap * 2;
		struct ticket_event **items = realloc(list->items, cap * sizeof(*items));

		if (items == NULL) {
			event_copy_free(event);
			return -1;
		}
		list->items = items;
		list->cap = cap;
	}
	list->items[list->count++] = event;
	return 0;
}

static bool is_staff(const struct history *h)
{
	return h->query.viewer == MESSAGE_FOR_STAFF;
}

static int64_t total_n(const struct history *h)
{
	return is_staff(h) ? h->totals.n : h->totals.n_public;
}

static int64_t first_kept(const struct history *h)
{
	return h->totals.first_seq > 1 ? h->totals.first_seq : 1;
}

/* How many messages the current leg still wants, the extra one included. */
static int leg_wants(const struct history *h)
{
	int limit = h->query.limit;

	if (h->phase == PHASE_UP)
		return limit - (int)h->down.count + 1 - (int)h->up.count;
	if (h->query.bound == HISTORY_AROUND)
		limit = (limit + 1) / 2;
	return limit + 1 - (int)h->down.count;
}

static void start_down(struct history *h, int64_t below)
{
	h->phase = PHASE_DOWN;
	h->next = below - 1 < h->totals.last_seq ? below - 1 : h->totals.last_seq;
	h->leg_in_record = !h->uses_window || h->next < h->window_first;
}

static void start_up(struct history *h, int64_t above)
{
	h->phase = PHASE_UP;
	h->next = above + 1;
	h->leg_in_record = !h->uses_window || h->next < h->window_first;
}

/* The window does not know what retention took: what is met up to the bound proves that not all went. */
static void look_back(struct history *h)
{
	if (h->leg_in_record)
		return;
	if (h->next > h->totals.last_seq)
		h->next = h->totals.last_seq + 1;
	h->next = h->next - LOOK_BACK > h->window_first ? h->next - LOOK_BACK : h->window_first;
}

static void start(struct history *h)
{
	list_clear(&h->down);
	list_clear(&h->up);
	list_clear(&h->changes);
	h->has_extra_down = h->has_extra_up = h->has_read = h->has_below = false;
	h->top = h->top_n = 0;
	switch (h->query.bound) {
	case HISTORY_NEWEST:
		start_down(h, INT64_MAX);
		break;
	case HISTORY_BEFORE:
		start_down(h, h->query.at);
		break;
	case HISTORY_AROUND:
		start_down(h, h->query.at < INT64_MAX ? h->query.at + 1 : INT64_MAX);
		break;
	case HISTORY_AFTER:
		start_up(h, h->query.at);
		look_back(h);
		break;
	}
}

/* The window cannot answer after all: once more, from the record alone. */
static void restart_from_record(struct history *h)
{
	h->uses_window = false;
	start(h);
}

/*
 * An edit or deletion tells the message's whole state, so the latest one alone counts; a deletion is
 * the last.
 */
static bool apply_change(struct ticket_event **message, const struct ticket_event *change)
{
	struct ticket_event changed = **message, *copy;

	if (change->kind == EVENT_EDIT &&
	    (changed.deleted_at_ms != 0 || change->rev <= changed.rev))
		return true;
	changed.content = change->content;
	changed.rev = change->rev;
	changed.edited_at_ms = change->edited_at_ms;
	changed.deleted_at_ms = change->deleted_at_ms;
	changed.deleted_by = change->deleted_by;
	copy = event_copy(&changed);
	if (copy == NULL)
		return false;
	event_copy_free(*message);
	*message = copy;
	return true;
}

/* The page's own copies take the state that the edits and deletions met give them. */
static bool fold(struct history *h)
{
	for (size_t c = 0; c < h->changes.count; c++) {
		const struct ticket_event *change = h->changes.items[c];

		for (size_t i = 0; i < h->page.count; i++) {
			if (h->page.items[i]->seq == change->target &&
			    !apply_change(&h->page.items[i], change))
				return false;
		}
	}
	return true;
}

/* Counts of messages have no holes either: they show a seam that does not fit. */
bool history_is_dense(const struct history *h)
{
	for (size_t i = 1; i < h->page.count; i++) {
		if (message_n(h->page.items[i], h->query.viewer) !=
		    message_n(h->page.items[i - 1], h->query.viewer) + 1)
			return false;
	}
	return true;
}

static void finish(struct history *h)
{
	list_clear(&h->page);
	for (size_t i = h->down.count; i > 0; i--) {
		h->down.count--;
		if (list_add(&h->page, h->down.items[i - 1]) != 0)
			goto failed;
	}
	for (size_t i = 0; i < h->up.count; i++) {
		struct ticket_event *event = h->up.items[i];

		h->up.items[i] = NULL;
		if (list_add(&h->page, event) != 0)
			goto failed;
	}
	h->up.count = 0;
	if (!fold(h))
		goto failed;
	if (h->uses_window && !history_is_dense(h)) {
		restart_from_record(h);
		return;
	}
	h->phase = PHASE_DONE;
	return;
failed:
	h->phase = PHASE_FAILED;
}

/* Whether only the record can tell if there is a message below the page. */
static bool is_below_unknown(const struct history *h)
{
	if (h->query.bound != HISTORY_AFTER || !h->uses_window || h->has_below || h->is_kept_known)
		return false;
	return h->up.count > 0 ? message_n(h->up.items[0], h->query.viewer) > 1 : total_n(h) > 0;
}

/*
 * All legs are read. What was read of the window ends at `top`; edits above it may concern the
 * page. The counts tell without looking whether there are any: if every later event is a message,
 * none is an edit.
 */
static void end_legs(struct history *h)
{
	int64_t later = h->totals.last_seq - h->top;

	if (is_below_unknown(h)) {
		h->phase = PHASE_KEPT;
		return;
	}
	if (!h->uses_window || h->top == 0 || h->down.count + h->up.count == 0 || later <= 0 ||
	    later == h->totals.n - h->top_n) {
		finish(h);
		return;
	}
	h->phase = PHASE_FOLD;
	h->next = h->top + 1;
}

static void end_leg(struct history *h)
{
	struct list *list = h->phase == PHASE_DOWN ? &h->down : &h->up;
	bool has_extra = leg_wants(h) <= 0;

	if (has_extra)
		event_copy_free(list->items[--list->count]);
	if (h->phase == PHASE_DOWN) {
		h->has_extra_down = has_extra;
		if (h->query.bound == HISTORY_AROUND) {
			start_up(h, h->query.at);
			return;
		}
	} else {
		h->has_extra_up = has_extra;
	}
	end_legs(h);
}

/* Moves on where nothing has to be asked for it: past the ends of the ticket. */
static void settle(struct history *h)
{
	if (h->totals.last_seq == HISTORY_UNKNOWN)
		return;
	if (h->phase == PHASE_DOWN && h->next < first_kept(h))
		end_leg(h);
	if (h->phase == PHASE_UP && h->next > h->totals.last_seq)
		end_leg(h);
	if (h->phase == PHASE_FOLD && h->next > h->totals.last_seq)
		finish(h);
}

struct history *history_new(const struct history_query *query, const struct history_totals *totals,
			    int64_t window_first)
{
	struct history *h = calloc(1, sizeof(*h));

	if (h == NULL)
		return NULL;
	h->query = *query;
	h->totals = *totals;
	h->window_first = window_first;
	h->uses_window = window_first > 0;
	start(h);
	settle(h);
	return h;
}

void history_free(struct history *h)
{
	if (h == NULL)
		return;
	list_deinit(&h->down);
	list_deinit(&h->up);
	list_deinit(&h->changes);
	list_deinit(&h->page);
	free(h);
}

static int chunk(int64_t wanted)
{
	if (wanted < CHUNK_MIN)
		return CHUNK_MIN;
	return wanted < CHUNK_MAX ? (int)wanted : CHUNK_MAX;
}

static enum history_step ask_record(const struct history *h, struct history_ask *ask)
{
	ask->after = h->phase == PHASE_UP ? h->next - 1 : -1;
	/* The newest page takes what has come since the totals were read. */
	if (h->phase == PHASE_DOWN &&
	    (h->query.bound != HISTORY_NEWEST || h->down.count > 0 || h->next < h->totals.last_seq))
		ask->before = h->next + 1;
	ask->count = leg_wants(h);
	return HISTORY_ASK_RECORD;
}

enum history_step history_next(const struct history *h, struct history_ask *ask_r)
{
	*ask_r = (struct history_ask){.after = -1};
	switch (h->phase) {
	case PHASE_DOWN:
		if (h->leg_in_record)
			return ask_record(h, ask_r);
		ask_r->from = first_kept(h);
		ask_r->to = h->next;
		ask_r->count = chunk(leg_wants(h));
		ask_r->is_newest_first = true;
		return HISTORY_ASK_WINDOW;
	case PHASE_UP:
		if (h->leg_in_record)
			return ask_record(h, ask_r);
		ask_r->from = h->next;
		ask_r->to = h->totals.last_seq;
		ask_r->count = chunk(leg_wants(h)) + (h->next <= h->query.at ? LOOK_BACK : 0);
		return HISTORY_ASK_WINDOW;
	case PHASE_FOLD:
		ask_r->from = h->next;
		ask_r->to = h->totals.last_seq;
		ask_r->count = CHUNK_MAX;
		return HISTORY_ASK_WINDOW;
	case PHASE_KEPT:
		ask_r->before = h->query.at < INT64_MAX ? h->query.at + 1 : INT64_MAX;
		ask_r->count = 1;
		return HISTORY_ASK_RECORD;
	case PHASE_DONE:
		return HISTORY_DONE;
	case PHASE_SEAM:
		return HISTORY_SEAM;
	case PHASE_FAILED:
		break;
	}
	return HISTORY_FAILED;
}

/* One event of the window into the current leg. False when out of memory. */
static bool read_event(struct history *h, const struct ticket_event *event)
{
	struct list *list = NULL;

	h->has_read = true;
	if (event->seq > h->top) {
		h->top = event->seq;
		h->top_n = event->n;
	}
	if (h->query.bound == HISTORY_AFTER && event->seq <= h->query.at) {
		h->has_below = h->has_below || (event->kind == EVENT_MESSAGE &&
						message_is_visible(event, h->query.viewer));
		return true;
	}
	if (event->kind == EVENT_EDIT || event->kind == EVENT_DELETE)
		list = &h->changes;
	else if (h->phase != PHASE_FOLD && event->kind == EVENT_MESSAGE &&
		 message_is_visible(event, h->query.viewer))
		list = h->phase == PHASE_DOWN ? &h->down : &h->up;
	return list == NULL || list_add(list, event_copy(event)) == 0;
}

void history_take_window(struct history *h, const struct ticket_event *events, size_t count)
{
	struct history_ask ask;

	if (history_next(h, &ask) != HISTORY_ASK_WINDOW)
		return;
	for (size_t i = 0; i < count; i++) {
		if (events[i].seq != h->next) {
			restart_from_record(h);
			settle(h);
			return;
		}
		if (!read_event(h, &events[i])) {
			h->phase = PHASE_FAILED;
			return;
		}
		h->next += h->phase == PHASE_DOWN ? -1 : 1;
		if (h->phase != PHASE_FOLD && leg_wants(h) == 0) {
			end_leg(h);
			settle(h);
			return;
		}
	}
	if (count < (size_t)ask.count) {
		if (h->phase == PHASE_DOWN)
			h->leg_in_record = true;
		else if (h->next <= h->totals.last_seq)
			restart_from_record(h);
	}
	settle(h);
}

void history_lose_window(struct history *h)
{
	if (!h->uses_window || h->phase >= PHASE_DONE)
		return;
	restart_from_record(h);
	settle(h);
}

void history_take_record(struct history *h, const struct history_totals *totals,
			 const struct ticket_event *events, size_t count)
{
	struct list *list = h->phase == PHASE_DOWN ? &h->down : &h->up;
	struct history_ask ask;

	if (history_next(h, &ask) != HISTORY_ASK_RECORD)
		return;
	if (count > (size_t)ask.count)
		count = (size_t)ask.count;
	/* A page that is one look at the record shows the ticket as of that look. */
	if (!h->has_read)
		h->totals = *totals;
	h->has_read = h->is_kept_known = true;
	h->totals.first_n = totals->first_n;
	h->totals.first_n_public = totals->first_n_public;
	if (h->phase == PHASE_KEPT) {
		end_legs(h);
		settle(h);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		if (list_add(list, event_copy(&events[i])) != 0) {
			h->phase = PHASE_FAILED;
			return;
		}
	}
	end_leg(h);
	settle(h);
}

void history_lose_record(struct history *h)
{
	struct history_ask ask;

	if (history_next(h, &ask) != HISTORY_ASK_RECORD)
		return;
	if (h->phase == PHASE_KEPT) {
		h->is_kept_known = true;
		end_legs(h);
		settle(h);
		return;
	}
	h->has_lost_record = true;
	if (h->phase == PHASE_DOWN && h->uses_window && h->down.count > 0) {
		/* A short page: what the window has, and the next one says where it ends. */
		end_leg(h);
		settle(h);
		return;
	}
	h->phase = PHASE_SEAM;
}

size_t history_count(const struct history *h)
{
	return h->page.count;
}

const struct ticket_event *history_event(const struct history *h, size_t i)
{
	return h->page.items[i];
}

/* Messages that retention took. */
static int64_t erased_n(const struct history *h)
{
	return is_staff(h) ? h->totals.first_n : h->totals.first_n_public;
}

bool history_has_more_before(const struct history *h)
{
	const struct ticket_event *first;

	if (h->query.bound != HISTORY_AFTER && !h->has_lost_record)
		return h->has_extra_down;
	if (h->page.count == 0)
		return h->query.bound == HISTORY_AFTER && total_n(h) > erased_n(h);
	first = h->page.items[0];
	return message_n(first, h->query.viewer) > 1 + erased_n(h);
}

bool history_has_more_after(const struct history *h)
{
	if (h->page.count == 0)
		return h->query.bound != HISTORY_AFTER && total_n(h) > erased_n(h);
	return h->has_extra_up ||
	       total_n(h) > message_n(h->page.items[h->page.count - 1], h->query.viewer);
}

int64_t history_cursor_seq(const struct history *h)
{
	return is_staff(h) ? h->totals.last_seq : h->totals.last_public;
}

int64_t history_seam(const struct history *h)
{
	return h->window_first;
}

void history_json(const struct history *h, struct seal_reader *texts, struct json_write *j)
{
	char cursor[CURSOR_TEXT_SIZE];

	json_write_open_object(j);
	json_write_member_array(j, "messages");
	for (size_t i = 0; i < h->page.count; i++) {
		const struct ticket_event message = seal_reader_event(texts, h->page.items[i]);

		message_json(j, &message, h->query.viewer);
	}
	json_write_close(j);
	if (h->page.count > 0) {
		json_write_member_int(j, "oldest_seq", h->page.items[0]->seq);
		json_write_member_int(j, "newest_seq", h->page.items[h->page.count - 1]->seq);
	} else {
		json_write_member_null(j, "oldest_seq");
		json_write_member_null(j, "newest_seq");
	}
	json_write_member_bool(j, "has_more_before", history_has_more_before(h));
	json_write_member_bool(j, "has_more_after", history_has_more_after(h));
	json_write_member_str(j, "cursor",
			      cursor_format(h->totals.epoch, history_cursor_seq(h), cursor));
	json_write_close(j);
}

void history_link(const struct history *h, struct str path, struct buf *out)
{
	int64_t oldest = h->query.at + 1, newest = h->query.at - 1;

	if (h->page.count > 0) {
		oldest = h->page.items[0]->seq;
		newest = h->page.items[h->page.count - 1]->seq;
	}
	if (history_has_more_before(h))
		buf_printf(out, "<%.*s?before=%" PRId64 "&limit=%d>; rel=\"prev\"", STR_ARG(path),
			   oldest, h->query.limit);
	if (history_has_more_after(h))
		buf_printf(out, "%s<%.*s?after=%" PRId64 "&limit=%d>; rel=\"next\"",
			   history_has_more_before(h) ? ", " : "", STR_ARG(path), newest,
			   h->query.limit);
}
