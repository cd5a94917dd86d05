/* SPDX-License-Identifier: BSD-2-Clause */
/* The statements of retention. */
#include "config.h"

#include "store/record_keep.h"

static void put_age(struct pg_stmt *stmt, int64_t age_s)
{
	if (age_s < 0)
		pg_stmt_null(stmt);
	else
		pg_stmt_int(stmt, age_s);
}

/* An age of NULL compares with nothing, so nothing is due. */
static const struct pg_query query_due = {
	.name = "keep_due",
	.sql = "WITH page AS MATERIALIZED (SELECT t.ticket_id, t.status, t.hold, t.first_seq"
	       "  FROM bellhop.ticket t WHERE t.ticket_id > $1 ORDER BY t.ticket_id LIMIT $4)"
	       " SELECT (SELECT max(ticket_id) FROM page), p.ticket_id, p.status"
	       " FROM bellhop.deployment d LEFT JOIN (page p JOIN bellhop.event e"
	       "  ON e.ticket_id = p.ticket_id AND e.seq = p.first_seq AND NOT p.hold"
	       "  AND e.sent_at < now() - interval '1 second'"
	       "   * CASE p.status WHEN 'open' THEN $2::bigint ELSE $3::bigint END)"
	       " ON true WHERE d.is_only ORDER BY p.ticket_id",
};

void record_keep_put_due(struct pg_stmt *stmt, struct str after,
			 const struct record_keep_ages *ages, int limit)
{
	pg_stmt_init(stmt, &query_due);
	pg_stmt_text(stmt, after);
	put_age(stmt, ages->open_s);
	put_age(stmt, ages->closed_s);
	pg_stmt_int(stmt, limit);
}

int record_keep_parse_due(const PGresult *result, struct record_keep_due *due_r)
{
	struct pg_row r = pg_row_of(result, 0);
	struct record_keep_due due = {0};

	due.next = pg_row_str(&r);
	if (!pg_row_is_null(&r))
		due.count = (size_t)PQntuples(result);
	if (r.failed)
		return -1;
	*due_r = due;
	return 0;
}

int record_keep_parse_ticket(const PGresult *result, size_t i, const struct record_keep_ages *ages,
			     struct record_keep_ticket *ticket_r)
{
	struct pg_row r = pg_row_of(result, (int)i);
	struct record_keep_ticket ticket;

	pg_row_skip(&r, 1);
	ticket.ticket = pg_row_str(&r);
	ticket.status = pg_row_str(&r);
	ticket.age_s = str_eq_c(ticket.status, "open") ? ages->open_s : ages->closed_s;
	if (r.failed || ticket.ticket.p == NULL || ticket.status.p == NULL || ticket.age_s < 0)
		return -1;
	*ticket_r = ticket;
	return 0;
}

/* Repeating it erases no more than what is too old: a lost answer is not an uncertain one. */
static const struct pg_query query_erase = {
	.name = "keep_erase",
	.sql = "SELECT erased, is_done FROM bellhop.erase($1::text, $2::text, $3::bigint, $4::bigint)",
};

void record_keep_put_erase(struct pg_stmt *stmt, const struct record_keep_ticket *ticket,
			   int64_t limit)
{
	pg_stmt_init(stmt, &query_erase);
	pg_stmt_text(stmt, ticket->ticket);
	pg_stmt_text(stmt, ticket->status);
	pg_stmt_int(stmt, ticket->age_s);
	pg_stmt_int(stmt, limit);
}

int record_keep_parse_erased(const PGresult *result, struct record_keep_erased *erased_r)
{
	struct pg_row r = pg_row_of(result, 0);
	struct record_keep_erased erased;

	erased.events = pg_row_int(&r);
	erased.is_done = pg_row_bool(&r);
	if (r.failed || erased.events < 0)
		return -1;
	*erased_r = erased;
	return 0;
}

static const struct pg_query query_count = {
	.name = "keep_count",
	.sql = "SELECT coalesce((SELECT bellhop.erase_end(t, now() - $2::bigint * interval '1 second',"
	       " t.last_seq) - t.first_seq FROM bellhop.ticket t WHERE t.ticket_id = $1), 0)",
};

void record_keep_put_count(struct pg_stmt *stmt, const struct record_keep_ticket *ticket)
{
	pg_stmt_init(stmt, &query_count);
	pg_stmt_text(stmt, ticket->ticket);
	pg_stmt_int(stmt, ticket->age_s);
}

int record_keep_parse_count(const PGresult *result, int64_t *count_r)
{
	struct pg_row r = pg_row_of(result, 0);
	int64_t count = pg_row_int(&r);

	if (r.failed || count < 0)
		return -1;
	*count_r = count;
	return 0;
}

static const struct pg_query query_bounds = {
	.name = "keep_bounds",
	.sql = "SELECT t.ticket_id, t.first_seq, t.last_seq FROM unnest($1::text[]) AS w(ticket_id)"
	       " JOIN bellhop.ticket t ON t.ticket_id = w.ticket_id",
};

void record_keep_put_bounds(struct pg_stmt *stmt, const struct str *tickets, size_t count)
{
	pg_stmt_init(stmt, &query_bounds);
	pg_stmt_text_array(stmt, tickets, count);
}

int record_keep_parse_bounds(const PGresult *result, size_t i, struct record_keep_bounds *bounds_r)
{
	struct pg_row r = pg_row_of(result, (int)i);
	struct record_keep_bounds bounds;

	bounds.ticket = pg_row_str(&r);
	bounds.first_seq = pg_row_int(&r);
	bounds.last_seq = pg_row_int(&r);
	if (r.failed || bounds.ticket.p == NULL || bounds.first_seq < 1)
		return -1;
	*bounds_r = bounds;
	return 0;
}
