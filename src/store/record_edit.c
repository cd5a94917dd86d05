/* SPDX-License-Identifier: BSD-2-Clause */
/* The statements about edits and deletions. */
#include "config.h"

#include "store/record_edit.h"

#include "store/record_rows.h"

/* The function's own rows under the names that the lists of columns use. */
static const struct pg_query query_change = {
	.name = "change",
	.sql = "SELECT c.outcome, c.o_epoch, " RECORD_ROWS_TICKET_COLUMNS
	       ", " RECORD_ROWS_EVENT_COLUMNS
	       " FROM bellhop.change($1::text, $2::bigint, $3::text, $4::text, $5::bytea,"
	       " $6::integer, $7::bigint) c"
	       " CROSS JOIN LATERAL (SELECT c.o_epoch AS epoch) d"
	       " CROSS JOIN LATERAL (SELECT (c.o_ticket).*) t"
	       " CROSS JOIN LATERAL (SELECT (c.o_event).*) e",
	.is_write = true,
};

void record_edit_put(struct pg_stmt *stmt, const struct record_change *change)
{
	pg_stmt_init(stmt, &query_change);
	pg_stmt_text(stmt, change->ticket);
	pg_stmt_int(stmt, change->seq);
	pg_stmt_text(stmt, change->user);
	pg_stmt_text(stmt, change->role);
	pg_stmt_bytes(stmt, change->content);
	pg_stmt_int(stmt, change->grant);
	if (change->if_match < 0)
		pg_stmt_null(stmt);
	else
		pg_stmt_int(stmt, change->if_match);
}

int record_edit_parse(const PGresult *result, struct str ticket, struct record_changed *changed_r)
{
	struct pg_row r = pg_row_of(result, 0);
	struct record_changed changed = {0};

	changed.outcome = (enum record_change_outcome)pg_row_letter(&r);
	changed.epoch = pg_row_int(&r);
	switch (changed.outcome) {
	case RECORD_CHANGE_MADE:
	case RECORD_CHANGE_NONE:
		record_rows_ticket(&r, &changed.ticket);
		record_rows_event(&r, ticket, changed.epoch, &changed.event);
		break;
	case RECORD_CHANGE_NOT_A_PARTICIPANT:
	case RECORD_CHANGE_ABSENT:
	case RECORD_CHANGE_FORBIDDEN:
	case RECORD_CHANGE_DELETED:
	case RECORD_CHANGE_STALE:
	case RECORD_CHANGE_ON_HOLD:
		break;
	default:
		return -1;
	}
	if (r.failed || changed.epoch < 1)
		return -1;
	*changed_r = changed;
	return 0;
}

/* One row without a text where the message has none, and without a number where there is no message. */
static const struct pg_query query_revisions = {
	.name = "revisions",
	.sql = "SELECT m.seq, r.rev, r.content, r.edited_at, r.edited_by, m.uid, m.sender_id"
	       " FROM bellhop.deployment d"
	       " LEFT JOIN bellhop.event m ON m.ticket_id = $1 AND m.seq = $2 AND m.kind = 'm'"
	       " LEFT JOIN LATERAL (SELECT * FROM bellhop.revision x WHERE x.ticket_id = $1"
	       "  AND x.seq = $2 AND x.rev < $3::bigint ORDER BY x.rev DESC LIMIT $4) r ON true"
	       " WHERE d.is_only ORDER BY r.rev",
};

void record_edit_put_revisions(struct pg_stmt *stmt, struct str ticket, int64_t seq, int64_t before)
{
	pg_stmt_init(stmt, &query_revisions);
	pg_stmt_text(stmt, ticket);
	pg_stmt_int(stmt, seq);
	pg_stmt_int(stmt, before > 0 ? before : INT64_MAX);
	pg_stmt_int(stmt, RECORD_REVISIONS_MAX);
}

int record_edit_parse_revisions(const PGresult *result, bool *is_there_r, size_t *count_r)
{
	struct pg_row r = pg_row_of(result, 0);
	bool is_there = pg_row_int(&r) != 0;
	bool is_empty = pg_row_is_null(&r);

	if (r.failed)
		return -1;
	*is_there_r = is_there;
	*count_r = is_empty ? 0 : (size_t)PQntuples(result);
	return 0;
}

int record_edit_parse_revision(const PGresult *result, size_t i, struct record_revision *revision_r)
{
	struct pg_row r = pg_row_of(result, (int)i);
	struct record_revision revision;

	pg_row_skip(&r, 1);
	revision.rev = pg_row_int(&r);
	revision.content = pg_row_str(&r);
	revision.edited_at_ms = pg_row_time_ms(&r);
	revision.edited_by = pg_row_str(&r);
	revision.uid = pg_row_str(&r);
	revision.sender_id = pg_row_str(&r);
	if (r.failed || revision.rev < 1 || revision.content.p == NULL ||
	    revision.edited_by.p == NULL)
		return -1;
	*revision_r = revision;
	return 0;
}
