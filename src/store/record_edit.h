/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The record of edits and deletions: the statements about them and what their answers say, in the
 * manner of store/record.h.
 */
#ifndef BELLHOP_STORE_RECORD_EDIT_H
#define BELLHOP_STORE_RECORD_EDIT_H

#include "store/record.h"

struct record_change {
	struct str ticket;
	int64_t seq; /* of the message */
	struct str user;
	struct str role;    /* of the caller's token */
	struct str content; /* the new text; p NULL: the message is to be deleted */
	enum record_grant grant;
	int64_t if_match; /* the revision that the caller has seen, -1: none */
};

enum record_change_outcome {
	RECORD_CHANGE_MADE = 'c', /* `event` is the change */
	/* The text is the same, or it was deleted before: `event` is the message as it is now. */
	RECORD_CHANGE_NONE = 'u',
	RECORD_CHANGE_NOT_A_PARTICIPANT = 'p',
	RECORD_CHANGE_ABSENT = 'a', /* no message that the caller may see has this number */
	RECORD_CHANGE_FORBIDDEN = 'f',
	RECORD_CHANGE_DELETED = 'g', /* a deleted message is not edited */
	RECORD_CHANGE_STALE = 's',   /* it has another revision than if_match */
	RECORD_CHANGE_ON_HOLD = 'h', /* nothing is deleted from the ticket */
};

struct record_changed {
	enum record_change_outcome outcome;
	int64_t epoch;
	struct record_ticket ticket; /* MADE, NONE: as it is afterwards; else all zero */
	struct ticket_event event;   /* MADE, NONE */
};

/*
 * Edits or deletes a message: one call, one transaction. Nothing is written unless the outcome is
 * RECORD_CHANGE_MADE. Repeating it after ERR_UNCERTAIN is safe: what was done already is
 * RECORD_CHANGE_NONE.
 */
void record_edit_put(struct pg_stmt *stmt, const struct record_change *change);
int record_edit_parse(const PGresult *result, struct str ticket, struct record_changed *changed_r);

/* A former text of a message, and when and by whom it was replaced. */
struct record_revision {
	int64_t rev;
	struct str content;
	int64_t edited_at_ms;
	struct str edited_by;
	struct str uid; /* of the message, */
	struct str sender_id;
};

enum { RECORD_REVISIONS_MAX = 200 };

/*
 * The former texts of a message, the newest RECORD_REVISIONS_MAX of those below `before` (0: no
 * bound), ascending.
 */
void record_edit_put_revisions(struct pg_stmt *stmt, struct str ticket, int64_t seq,
			       int64_t before);

/* Whether there is such a message, and how many texts the answer has. -1 as everywhere. */
int record_edit_parse_revisions(const PGresult *result, bool *is_there_r, size_t *count_r);
int record_edit_parse_revision(const PGresult *result, size_t i,
			       struct record_revision *revision_r);

#endif
