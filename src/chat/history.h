/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A page of a ticket's history, joined from the Redis window and, below it, the record, as one
 * sequence. This is a step machine without I/O: it says what to ask next, the caller carries the
 * question to a server and hands back the events, until the page is complete.
 *
 * What came from the window has to be dense: every event is one more (or one less) than the one
 * before it. A hole, or an edit that the part read so far cannot place, is no error: the page
 * starts again from the record alone, which always can answer.
 */
#ifndef BELLHOP_CHAT_HISTORY_H
#define BELLHOP_CHAT_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "chat/message.h"
#include "chat/seal.h"

enum { HISTORY_LIMIT_DEFAULT = 50, HISTORY_LIMIT_MAX = 200 };

/* As last_seq: the totals are not known yet; the record's first answer brings them. */
#define HISTORY_UNKNOWN INT64_MAX

enum history_bound { HISTORY_NEWEST, HISTORY_BEFORE, HISTORY_AFTER, HISTORY_AROUND };

/*
 * before and after are exclusive. A page around a message holds it, half of the limit up to it
 * and the other half after it.
 */
struct history_query {
	enum history_bound bound;
	int64_t at; /* the seq of the bound */
	int limit;  /* messages, 1 to HISTORY_LIMIT_MAX */
	enum message_viewer viewer;
};

/*
 * What is known of the ticket before the page is read: all zero for one that has not begun. Where
 * nothing is known, and then without a window, last_seq is HISTORY_UNKNOWN.
 */
struct history_totals {
	int64_t epoch;
	int64_t first_seq; /* oldest event that is kept, 1 unless retention took some */
	int64_t last_seq;
	int64_t last_public;
	int64_t n;
	int64_t n_public;
	int64_t first_n;	/* messages that retention took, 0 where that is not known */
	int64_t first_n_public; /* of them, those that were not notes */
};

enum history_step {
	HISTORY_ASK_WINDOW, /* events `from` … `to` of the ticket's stream, at most `count` */
	HISTORY_ASK_RECORD, /* messages by bound, at most `count` */
	HISTORY_DONE,
	HISTORY_SEAM,  /* the record is away and the window ends above what was asked for */
	HISTORY_FAILED /* out of memory */
};

struct history_ask {
	int64_t from, to; /* window: inclusive, from <= to */
	int64_t before;	  /* record: exclusive, 0 = no bound */
	int64_t after;	  /* record: exclusive, -1 = no bound; ascending where this is given */
	int count;
	bool is_newest_first; /* window */
};

struct history;

/*
 * Starts a page. window_first: the oldest seq in the ticket's stream if that is there and swept and
 * the totals were read with it; else 0, and the record alone is asked. NULL when out of memory.
 */
struct history *history_new(const struct history_query *query, const struct history_totals *totals,
			    int64_t window_first);
void history_free(struct history *h);

/* What to do next; fills ask_r for the two questions. Idempotent until an answer is given. */
enum history_step history_next(const struct history *h, struct history_ask *ask_r);

/*
 * The answer to HISTORY_ASK_WINDOW: the events in the order asked for. They are copied.
 * Events of every kind, visible or not.
 */
void history_take_window(struct history *h, const struct ticket_event *events, size_t count);

/* The window could not be read: the record answers. */
void history_lose_window(struct history *h);

/*
 * The answer to HISTORY_ASK_RECORD: messages visible to the viewer as they are now; ascending
 * where `after` was given, else newest first; and the ticket as of the same snapshot. All is copied.
 */
void history_take_record(struct history *h, const struct history_totals *totals,
			 const struct ticket_event *events, size_t count);

/* The record could not be asked: the page ends at the seam, or there is none. */
void history_lose_record(struct history *h);

/* ---- after HISTORY_DONE ---- */

/* The page, ascending. Valid until history_free. */
size_t history_count(const struct history *h);
const struct ticket_event *history_event(const struct history *h, size_t i);

/* Whether the counts of messages on the page are without a hole, as they should be. */
bool history_is_dense(const struct history *h);

bool history_has_more_before(const struct history *h);
bool history_has_more_after(const struct history *h);

/* seq of the last event that the page reflects and the viewer may know of: the cursor. */
int64_t history_cursor_seq(const struct history *h);

/* After HISTORY_SEAM: the oldest seq that can be answered now, 0 if none is. */
int64_t history_seam(const struct history *h);

/*
 * {"messages":[…], "oldest_seq", "newest_seq", "has_more_before", "has_more_after", "cursor"}, with the
 * texts opened by `texts`.
 */
void history_json(const struct history *h, struct seal_reader *texts, struct json_write *j);

/*
 * Writes the Link header's value (RFC 8288: rel "prev" is the page before, older, "next" the one
 * after) for a page of `path`; nothing if neither exists.
 */
void history_link(const struct history *h, struct str path, struct buf *out);

#endif
