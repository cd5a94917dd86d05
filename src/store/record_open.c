/* SPDX-License-Identifier: BSD-2-Clause */
/* The statement with which streams begin. */
#include "config.h"

#include "store/record_open.h"

#include "store/record_rows.h"

/*
 * One row a ticket, every table looked up by key: the lateral subqueries leave the planner no other
 * way, however many tickets it guesses there to be.
 */
static const struct pg_query query_openings = {
	.name = "openings",
	.sql = "SELECT " RECORD_ROWS_TICKET_COLUMNS ","
	       " p.user_id IS NOT NULL, p.removed_at IS NOT NULL, p.role, coalesce(r.seq, 0),"
	       " u.unread, u.unread_public, marks.reads, i.seq, i.prev_public"
	       " FROM bellhop.deployment d"
	       " CROSS JOIN unnest($1::text[]) WITH ORDINALITY AS w(ticket_id, place)"
	       " LEFT JOIN LATERAL (SELECT * FROM bellhop.ticket WHERE ticket_id = w.ticket_id"
	       "  LIMIT 1) t ON true"
	       " LEFT JOIN LATERAL (SELECT * FROM bellhop.participant WHERE ticket_id = w.ticket_id"
	       "  AND user_id = $2 LIMIT 1) p ON true"
	       " LEFT JOIN LATERAL (SELECT * FROM bellhop.receipt WHERE ticket_id = w.ticket_id"
	       "  AND user_id = $2 LIMIT 1) r ON true"
	       " CROSS JOIN LATERAL bellhop.unread(w.ticket_id, $2, coalesce(r.seq, 0),"
	       "  t.n - greatest(r.n, t.first_n), t.n_public - greatest(r.n_public, t.first_n_public)) u"
	       " CROSS JOIN LATERAL (SELECT string_agg(m.user_id || ' ' ||"
	       "   CASE WHEN $3::boolean THEN m.seq ELSE m.public_seq END, ',') AS reads"
	       "  FROM bellhop.receipt m WHERE m.ticket_id = w.ticket_id) marks"
	       " LEFT JOIN LATERAL (SELECT n.seq, n.prev_public FROM"
	       "  (SELECT seq, prev_public FROM bellhop.event WHERE ticket_id = w.ticket_id"
	       "   AND kind = 'm' AND (is_public OR $3::boolean) ORDER BY seq DESC LIMIT $4) n"
	       "  ORDER BY n.seq LIMIT 1) i ON true"
	       " WHERE d.is_only ORDER BY w.place",
};

void record_open_put(struct pg_stmt *stmt, const struct record_open_query *query)
{
	pg_stmt_init(stmt, &query_openings);
	pg_stmt_text_array(stmt, query->tickets, query->n);
	pg_stmt_text(stmt, query->user);
	pg_stmt_bool(stmt, query->is_staff);
	pg_stmt_int(stmt, query->init);
}

int record_open_parse(const PGresult *result, size_t n)
{
	return PQntuples(result) >= 0 && (size_t)PQntuples(result) == n ? 0 : -1;
}

int record_open_parse_ticket(const PGresult *result, size_t i, struct record_open_ticket *ticket_r)
{
	struct pg_row r = pg_row_of(result, (int)i);
	struct record_open_ticket ticket = {0};

	if (record_rows_opened(&r, &ticket.opened) != 0)
		return -1;
	ticket.reads = pg_row_str(&r);
	ticket.init_seq = pg_row_int(&r);
	ticket.init_prev_public = pg_row_int(&r);
	if (r.failed || ticket.init_seq < 0 || ticket.init_prev_public < 0 ||
	    (ticket.init_seq > 0 && ticket.init_prev_public >= ticket.init_seq))
		return -1;
	*ticket_r = ticket;
	return 0;
}

bool record_open_next_read(struct str *reads, struct str *user_r, int64_t *seq_r)
{
	struct str mark;

	return str_split(reads, ',', &mark) && str_split(&mark, ' ', user_r) &&
	       str_to_i64(mark, 0, INT64_MAX, seq_r) == 0;
}
