/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where a subscription begins: what the client asks for, and what becomes of it once the ticket is
 * known. Pure.
 */
#ifndef BELLHOP_PUSH_BEGIN_H
#define BELLHOP_PUSH_BEGIN_H

#include "web/cursor.h"
#include "web/query.h"

enum begin_kind {
	BEGIN_NOW,
	BEGIN_FIRST, /* since=0 */
	BEGIN_INIT,  /* the newest messages first */
	BEGIN_CURSOR
};

enum { BEGIN_INIT_MAX = 200 };

/* What the client asks for, of all its tickets. */
struct begin_wish {
	enum begin_kind kind;
	int64_t init;		  /* messages of each */
	struct cursor_any cursor; /* perhaps a bad one */
};

/* The same of one ticket. */
struct begin {
	enum begin_kind kind;
	struct cursor cursor; /* perhaps not a valid one */
};

/*
 * What the client asks for: the cursor if there is one, else since, else init. `cursor` is absent or
 * empty where there is none. NULL, or what is wrong with the query, static text.
 */
const char *begin_parse(struct str cursor, const struct query *query, struct begin_wish *wish_r);

/*
 * What that means for the ticket with this cursor_key(). A cursor of many tickets that does not name it
 * lets it begin now; one that names no tickets at all counts for each.
 */
void begin_of(const struct begin_wish *wish, uint64_t key, struct begin *begin_r);

/* The ticket as it is when the subscription begins. */
struct begin_ticket {
	int64_t epoch;
	int64_t last;	 /* seq of the newest event */
	int64_t newest;	 /* of the newest that the viewer may see */
	bool is_certain; /* the record says so; Redis may be behind what a client has seen */
};

/* The oldest of the newest messages that are wanted. */
struct begin_first {
	int64_t seq;
	int64_t prev; /* the event before it that the viewer may see */
};

struct begin_place {
	int64_t pos, shown; /* as in struct link */
	bool is_void; /* the cursor is of another epoch, ahead or malformed: a gap comes first */
	struct cursor hello; /* cursor of the event hello */
};

/*
 * Where that is. For BEGIN_INIT `first` is the oldest message to be sent, NULL where there is none.
 * The hello of a cursor is that cursor again, so that a connection lost before the replay, or before
 * the gap, loses neither; a malformed one comes back as 0.0, which is no epoch either.
 */
void begin_place(const struct begin *begin, const struct begin_ticket *ticket,
		 const struct begin_first *first, struct begin_place *place_r);

#endif
