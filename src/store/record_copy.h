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
 * Read marks that do not agree with the events: beyond the newest one, or with counts other than those
 * of the event that they name. At most RECORD_LIMIT_MAX.
 */
void record_copy_put_receipts(struct pg_stmt *stmt, struct str ticket);
size_t record_copy_count_receipts(const PGresult *result);
int record_copy_parse_receipt(const PGresult *result, size_t i, struct str *user_r, int64_t *seq_r);

#endif
