/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Statements that walk over the whole record, for verifying and copying it. In the manner of
 * record.h. Each reads a bounded number of rows, so that a walk of any length runs in constant memory
 * and every statement stays within the time-out of the role.
 */
#ifndef BELLHOP_STORE_RECORD_COPY_H
#define BELLHOP_STORE_RECORD_COPY_H

#include "store/record.h"

/* Tickets whose id comes after `after` ("" begins), ascending, at most RECORD_LIMIT_MAX. */
void record_copy_put_tickets(struct pg_stmt *stmt, struct str after);
size_t record_copy_count_tickets(const PGresult *result);
int record_copy_parse_ticket(const PGresult *result, size_t i, struct str *ticket_r);

/* What an event says about itself, without its texts, and what its neighbours say about that. */
struct record_audit {
	int64_t seq, n, n_public, prev_public;
	bool is_message;
	bool is_public;
	bool is_own_right;    /* the sender's own messages were counted rightly; or no message */
	bool is_target_right; /* what it changed is there and was changed; or it changes nothing */
	bool is_state_right; /* a deleted message has no text left, another one has; or no message */
	/* Of the ticket, as of the same snapshot: retention may pass a walk. */
	int64_t first_seq, first_n, first_n_public;
};

/* Events after_seq < seq <= to, ascending, at most RECORD_LIMIT_MAX. */
void record_copy_put_audit(struct pg_stmt *stmt, struct str ticket, int64_t after_seq, int64_t to);
size_t record_copy_count_audit(const PGresult *result);
int record_copy_parse_audit(const PGresult *result, size_t i, struct record_audit *audit_r);

/*
 * Read marks that do not agree with the events: beyond the newest one, or with counts or a public number
 * other than those of the event that they name. At most RECORD_LIMIT_MAX.
 */
void record_copy_put_receipts(struct pg_stmt *stmt, struct str ticket);
size_t record_copy_count_receipts(const PGresult *result);
int record_copy_parse_receipt(const PGresult *result, size_t i, struct str *user_r, int64_t *seq_r);

/*
 * Whether the unread counts of people whose id comes after `after` ("" begins), ascending, are those that
 * a count of messages gives; a bounded number of people, and of messages. is_last: there is nobody after
 * these.
 */
void record_copy_put_unread(struct pg_stmt *stmt, struct str ticket, struct str after);
size_t record_copy_count_unread(const PGresult *result, bool *is_last_r);
int record_copy_parse_unread(const PGresult *result, size_t i, struct str *user_r,
			     bool *is_right_r);

/* ---- export and import, as lines of JSON ---- */

/* PostgreSQL's time, and how many events the tickets after `after` have, or `ticket` if it is not "". */
void record_copy_put_total(struct pg_stmt *stmt, struct str ticket, struct str after);
int record_copy_parse_total(const PGresult *result, int64_t *now_us_r, int64_t *events_r);

/*
 * Events above after_seq, ascending, as many as are read at once. With an event that is dated since_us
 * or later comes its target as it is by then, which may have been read before the change; with an edit
 * the former text.
 */
struct record_copy_range {
	struct str ticket;
	int64_t after_seq;
	int64_t since_us;
};

struct record_row {
	struct str line;      /* a JSON object without the text; absent: there is no row */
	struct str content;   /* as stored; absent: there is none */
	struct str uid;	      /* of the message that the text belongs to */
	struct str sender_id; /* of that message */
};

struct record_copied {
	int64_t seq;
	struct record_row event, target, revision; /* the latter two may be absent */
};

void record_copy_put_events(struct pg_stmt *stmt, const struct record_copy_range *range);
size_t record_copy_count_events(const PGresult *result);
int record_copy_parse_event(const PGresult *result, size_t i, struct record_copied *copied_r);

/* Participants and read marks; rows of one line. */
void record_copy_put_people(struct pg_stmt *stmt, struct str ticket);
size_t record_copy_count_people(const PGresult *result);
int record_copy_parse_person(const PGresult *result, size_t i, struct str *line_r);

/* The ticket's row: absent where the ticket has events above seq, so that more has to be read first. */
void record_copy_put_ticket(struct pg_stmt *stmt, struct str ticket, int64_t seq);
int record_copy_parse_row(const PGresult *result, bool *is_there_r, struct str *line_r);

/* Makes rows for the tickets that have none: an import needs them. They have not begun by that. */
void record_copy_put_begin(struct pg_stmt *stmt, const struct str *tickets, size_t n);

/*
 * Writes lines, given as one JSON array, in one transaction; each ticket has a row. A text is a member
 * `content`, or, as bytes in base64, `sealed`. What is there stays,
 * but for what an edit, a deletion, a later read mark or further events have changed. The ticket goes as
 * far as the events that are in, so that people may send to it meanwhile.
 */
void record_copy_put_import(struct pg_stmt *stmt, struct str lines);

/* Nothing was written where it names a ticket, or is_moved. */
struct record_imported {
	struct str
		ticket; /* has here, as seq, another event than the lines say; absent: none has */
	int64_t seq;
	bool is_moved; /* something has happened to a ticket at the same time: to be repeated */
};

int record_copy_parse_import(const PGresult *result, struct record_imported *imported_r);

#endif
