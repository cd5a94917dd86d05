/* SPDX-License-Identifier: BSD-2-Clause */
/* The statements that walk over the whole record. */
#include "config.h"

#include "store/record_copy.h"

static const struct pg_query query_tickets = {
	.name = "copy_tickets",
	.sql = "SELECT ticket_id FROM bellhop.ticket WHERE ticket_id > $1 ORDER BY ticket_id LIMIT $2",
};

void record_copy_put_tickets(struct pg_stmt *stmt, struct str after)
{
	pg_stmt_init(stmt, &query_tickets);
	pg_stmt_text(stmt, after);
	pg_stmt_int(stmt, RECORD_LIMIT_MAX);
}

size_t record_copy_count_tickets(const PGresult *result)
{
	return (size_t)PQntuples(result);
}

int record_copy_parse_ticket(const PGresult *result, size_t i, struct str *ticket_r)
{
	struct pg_row r = pg_row_of(result, (int)i);

	*ticket_r = pg_row_str(&r);
	return r.failed || ticket_r->p == NULL ? -1 : 0;
}

/*
 * b: the sender's message before this one; where retention took it, there is nothing to compare with.
 * m: the message that an edit or deletion names; it may be gone the same way.
 */
static const struct pg_query query_audit = {
	.name = "copy_audit",
	.sql = "SELECT e.seq, e.n, e.n_public, e.prev_public, e.kind = 'm', e.is_public,"
	       " e.kind <> 'm' OR CASE WHEN b.own IS NULL"
	       "  THEN t.first_seq > 1 OR e.own = 1 AND e.own_public = e.is_public::integer"
	       "  ELSE e.own = b.own + 1 AND e.own_public = b.own_public + e.is_public::integer END,"
	       " e.target IS NULL OR e.target < t.first_seq OR m.seq IS NOT NULL AND m.kind = 'm'"
	       "  AND m.seq < e.seq AND m.is_public = e.is_public AND m.rev >= e.rev"
	       "  AND (e.kind <> 'd' OR m.deleted_at IS NOT NULL),"
	       " e.kind <> 'm' OR (e.is_public = (e.message_kind <> 'n')"
	       "  AND CASE WHEN e.deleted_at IS NULL THEN e.content IS NOT NULL"
	       "  ELSE e.content IS NULL AND e.digest IS NULL AND NOT EXISTS (SELECT FROM"
	       "   bellhop.revision v WHERE v.ticket_id = $1 AND v.seq = e.seq) END),"
	       " t.first_seq, t.first_n, t.first_n_public"
	       " FROM bellhop.ticket t JOIN bellhop.event e ON e.ticket_id = $1"
	       " LEFT JOIN bellhop.event m ON m.ticket_id = $1 AND m.seq = e.target"
	       " LEFT JOIN LATERAL (SELECT x.own, x.own_public FROM bellhop.event x"
	       "  WHERE x.ticket_id = $1 AND x.sender_id = e.sender_id AND x.kind = 'm'"
	       "  AND x.seq < e.seq ORDER BY x.seq DESC LIMIT 1) b ON e.kind = 'm'"
	       " WHERE t.ticket_id = $1 AND e.seq > $2 AND e.seq <= $3 ORDER BY e.seq LIMIT $4",
};

void record_copy_put_audit(struct pg_stmt *stmt, struct str ticket, int64_t after_seq, int64_t to)
{
	pg_stmt_init(stmt, &query_audit);
	pg_stmt_text(stmt, ticket);
	pg_stmt_int(stmt, after_seq);
	pg_stmt_int(stmt, to);
	pg_stmt_int(stmt, RECORD_LIMIT_MAX);
}

size_t record_copy_count_audit(const PGresult *result)
{
	return (size_t)PQntuples(result);
}

int record_copy_parse_audit(const PGresult *result, size_t i, struct record_audit *audit_r)
{
	struct pg_row r = pg_row_of(result, (int)i);
	struct record_audit audit;

	audit.seq = pg_row_int(&r);
	audit.n = pg_row_int(&r);
	audit.n_public = pg_row_int(&r);
	audit.prev_public = pg_row_int(&r);
	audit.is_message = pg_row_bool(&r);
	audit.is_public = pg_row_bool(&r);
	audit.is_own_right = pg_row_bool(&r);
	audit.is_target_right = pg_row_bool(&r);
	audit.is_state_right = pg_row_bool(&r);
	audit.first_seq = pg_row_int(&r);
	audit.first_n = pg_row_int(&r);
	audit.first_n_public = pg_row_int(&r);
	if (r.failed)
		return -1;
	*audit_r = audit;
	return 0;
}

static const struct pg_query query_receipts = {
	.name = "copy_receipts",
	.sql = "SELECT r.user_id, r.seq FROM bellhop.receipt r"
	       " JOIN bellhop.ticket t ON t.ticket_id = $1"
	       " LEFT JOIN bellhop.event e ON e.ticket_id = $1 AND e.seq = r.seq"
	       " WHERE r.ticket_id = $1 AND (r.seq > t.last_seq OR r.seq >= t.first_seq"
	       "  AND (e.n, e.n_public) IS DISTINCT FROM (r.n, r.n_public))"
	       " ORDER BY r.user_id LIMIT $2",
};

void record_copy_put_receipts(struct pg_stmt *stmt, struct str ticket)
{
	pg_stmt_init(stmt, &query_receipts);
	pg_stmt_text(stmt, ticket);
	pg_stmt_int(stmt, RECORD_LIMIT_MAX);
}

size_t record_copy_count_receipts(const PGresult *result)
{
	return (size_t)PQntuples(result);
}

int record_copy_parse_receipt(const PGresult *result, size_t i, struct str *user_r, int64_t *seq_r)
{
	struct pg_row r = pg_row_of(result, (int)i);

	*user_r = pg_row_str(&r);
	*seq_r = pg_row_int(&r);
	return r.failed || user_r->p == NULL ? -1 : 0;
}
