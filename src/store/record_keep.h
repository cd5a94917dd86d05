/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Retention in the record: which tickets have events that are too old, and erasing them, in the
 * manner of store/record.h. Ages are in seconds of PostgreSQL's clock.
 */
#ifndef BELLHOP_STORE_RECORD_KEEP_H
#define BELLHOP_STORE_RECORD_KEEP_H

#include "store/record.h"

#define RECORD_KEEP_EVER (-1) /* as an age: nothing is too old */

/* How long events are kept, by the status that their ticket has now. */
struct record_keep_ages {
	int64_t open_s;
	int64_t closed_s;
};

/* ---- finding ---- */

/*
 * Looks at the `limit` tickets that follow `after` ("" begins) in the order of their ids, and finds
 * those that are not on hold and whose oldest event is too old.
 */
void record_keep_put_due(struct pg_stmt *stmt, struct str after,
			 const struct record_keep_ages *ages, int limit);

struct record_keep_due {
	struct str next; /* `after` of the next look; p NULL: there are no more tickets */
	size_t count;	 /* of tickets found */
};

int record_keep_parse_due(const PGresult *result, struct record_keep_due *due_r);

struct record_keep_ticket {
	struct str ticket;
	struct str status;
	int64_t age_s; /* what holds for it */
};

int record_keep_parse_ticket(const PGresult *result, size_t i, const struct record_keep_ages *ages,
			     struct record_keep_ticket *ticket_r);

/* ---- erasing ---- */

/*
 * Erases the oldest events of a ticket that are too old, at most `limit`: one transaction. Nothing
 * happens if the ticket is on hold by now, or has another status.
 */
void record_keep_put_erase(struct pg_stmt *stmt, const struct record_keep_ticket *ticket,
			   int64_t limit);

struct record_keep_erased {
	int64_t events;
	bool is_done; /* nothing is left to erase */
};

int record_keep_parse_erased(const PGresult *result, struct record_keep_erased *erased_r);

/* How many events an erase without limit would take. */
void record_keep_put_count(struct pg_stmt *stmt, const struct record_keep_ticket *ticket);
int record_keep_parse_count(const PGresult *result, int64_t *count_r);

/* ---- what is there ---- */

/* Which events the record holds of every named ticket that has begun, in any order. */
struct record_keep_bounds {
	struct str ticket;
	int64_t first_seq; /* last_seq + 1 where all were erased */
	int64_t last_seq;
};

void record_keep_put_bounds(struct pg_stmt *stmt, const struct str *tickets, size_t count);
int record_keep_parse_bounds(const PGresult *result, size_t i, struct record_keep_bounds *bounds_r);

#endif
