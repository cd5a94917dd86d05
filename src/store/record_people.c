/* SPDX-License-Identifier: BSD-2-Clause */
/* The statement about participants. */
#include "config.h"

#include "store/record_people.h"

#include "store/record_rows.h"

/* The function's own row under the name that the list of columns uses. */
static const struct pg_query query_change = {
	.name = "participant_put",
	.sql = "SELECT p.outcome, p.o_epoch, p.o_joined_at, " RECORD_ROWS_EVENT_COLUMNS
	       " FROM bellhop.participant_put($1::text, $2::text, $3::integer, $4::text, $5::text) p"
	       " CROSS JOIN LATERAL (SELECT (p.o_event).*) e",
	.is_write = true,
};

void record_people_put_change(struct pg_stmt *stmt, const struct record_people_change *change)
{
	pg_stmt_init(stmt, &query_change);
	pg_stmt_text(stmt, change->ticket);
	pg_stmt_text(stmt, change->by);
	pg_stmt_int(stmt, change->grant);
	pg_stmt_text(stmt, change->user);
	pg_stmt_text(stmt, change->role);
}

int record_people_parse_change(const PGresult *result, struct str ticket,
			       struct record_people_changed *changed_r)
{
	struct pg_row r = pg_row_of(result, 0);
	struct record_people_changed changed = {0};

	changed.outcome = (enum record_people_outcome)pg_row_letter(&r);
	changed.epoch = pg_row_int(&r);
	changed.joined_at_ms = pg_row_time_ms(&r);
	switch (changed.outcome) {
	case RECORD_PEOPLE_CHANGED:
		record_rows_event(&r, ticket, changed.epoch, &changed.event);
		break;
	case RECORD_PEOPLE_SAME:
	case RECORD_PEOPLE_NOT_A_PARTICIPANT:
	case RECORD_PEOPLE_ABSENT:
		break;
	default:
		return -1;
	}
	if (r.failed || changed.epoch < 1)
		return -1;
	*changed_r = changed;
	return 0;
}
