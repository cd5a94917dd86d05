/* SPDX-License-Identifier: BSD-2-Clause */
/* The statements about read marks and unread counts. */
#include "config.h"

#include "store/record_read.h"

/* ---- moving a mark ---- */

static const struct pg_query query_mark = {
	.name = "read_put",
	.sql = "SELECT m.outcome, m.o_epoch, m.o_seq, m.o_public_seq, m.o_n, m.o_n_public, m.o_at,"
	       " m.is_public_moved, m.o_unread"
	       " FROM bellhop.read_put($1::text, $2::text, $3::text, $4::integer, $5::bigint) m",
	.is_write = true,
};

void record_read_put_mark(struct pg_stmt *stmt, const struct record_read *read)
{
	pg_stmt_init(stmt, &query_mark);
	pg_stmt_text(stmt, read->ticket);
	pg_stmt_text(stmt, read->user);
	pg_stmt_text(stmt, read->role);
	pg_stmt_int(stmt, read->grant);
	pg_stmt_int(stmt, read->seq);
}

static bool mark_makes_sense(const struct record_mark *mark)
{
	return mark->public_seq >= 0 && mark->public_seq <= mark->seq && mark->n_public >= 0 &&
	       mark->n_public <= mark->n;
}

int record_read_parse_mark(const PGresult *result, struct record_read_done *done_r)
{
	struct pg_row r = pg_row_of(result, 0);
	struct record_read_done done = {0};

	done.outcome = (enum record_read_outcome)pg_row_letter(&r);
	done.epoch = pg_row_int(&r);
	done.mark.seq = pg_row_int(&r);
	done.mark.public_seq = pg_row_int(&r);
	done.mark.n = pg_row_int(&r);
	done.mark.n_public = pg_row_int(&r);
	done.mark.at_ms = pg_row_time_ms(&r);
	done.is_public_moved = pg_row_bool(&r);
	done.unread = pg_row_int(&r);
	if (done.outcome != RECORD_READ_MOVED && done.outcome != RECORD_READ_SAME &&
	    done.outcome != RECORD_READ_NOT_A_PARTICIPANT)
		return -1;
	if (r.failed || done.epoch < 1 || done.unread < 0 || !mark_makes_sense(&done.mark))
		return -1;
	*done_r = done;
	return 0;
}

/* ---- reading marks ---- */

enum { LIST_COLUMNS = 3 }; /* before those of a mark */

static const struct pg_query query_list = {
	.name = "read_list",
	.sql = "SELECT d.epoch, me.user_id IS NOT NULL, me.removed_at IS NOT NULL,"
	       " r.user_id, r.seq, r.public_seq, r.n, r.n_public, r.read_at, r.public_at"
	       " FROM bellhop.deployment d"
	       " LEFT JOIN bellhop.participant me ON me.ticket_id = $1 AND me.user_id = $2"
	       " LEFT JOIN bellhop.receipt r ON r.ticket_id = $1"
	       " WHERE d.is_only ORDER BY r.user_id",
};

void record_read_put_list(struct pg_stmt *stmt, struct str ticket, struct str user)
{
	pg_stmt_init(stmt, &query_list);
	pg_stmt_text(stmt, ticket);
	pg_stmt_text(stmt, user);
}

int record_read_parse_list(const PGresult *result, struct record_read_list *list_r)
{
	struct pg_row r = pg_row_of(result, 0);
	struct record_read_list list = {0};
	bool is_member, is_removed;

	list.epoch = pg_row_int(&r);
	is_member = pg_row_bool(&r);
	is_removed = pg_row_bool(&r);
	if (is_member)
		list.membership = is_removed ? RECORD_REMOVED : RECORD_MEMBER;
	/* The first columns are on every row, also on the one row that has no mark. */
	if (!pg_row_is_null(&r))
		list.count = (size_t)PQntuples(result);
	if (r.failed || list.epoch < 1)
		return -1;
	*list_r = list;
	return 0;
}

int record_read_parse_listed(const PGresult *result, size_t i, struct str *user_r,
			     struct record_mark *mark_r)
{
	struct pg_row r = pg_row_of(result, (int)i);
	struct record_mark mark;
	struct str user;

	pg_row_skip(&r, LIST_COLUMNS);
	user = pg_row_str(&r);
	mark.seq = pg_row_int(&r);
	mark.public_seq = pg_row_int(&r);
	mark.n = pg_row_int(&r);
	mark.n_public = pg_row_int(&r);
	mark.at_ms = pg_row_time_ms(&r);
	mark.public_at_ms = pg_row_time_ms(&r);
	if (r.failed || user.p == NULL || !mark_makes_sense(&mark))
		return -1;
	*user_r = user;
	*mark_r = mark;
	return 0;
}

/* ---- unread ---- */

/* Most tickets of most people have nothing new: those are not looked at any further. */
static const struct pg_query query_unread = {
	.name = "read_unread",
	.sql = "SELECT d.epoch, p.ticket_id,"
	       " CASE WHEN t.n > greatest(r.n, t.first_n) THEN"
	       "  (SELECT CASE WHEN $2::boolean THEN u.unread ELSE u.unread_public END"
	       "   FROM bellhop.unread(p.ticket_id, $1, coalesce(r.seq, 0), t.n - greatest(r.n, t.first_n),"
	       "    t.n_public - greatest(r.n_public, t.first_n_public)) u) ELSE 0 END"
	       " FROM bellhop.deployment d LEFT JOIN (bellhop.participant p"
	       "  JOIN bellhop.ticket t ON t.ticket_id = p.ticket_id"
	       "  LEFT JOIN bellhop.receipt r ON r.ticket_id = p.ticket_id AND r.user_id = $1)"
	       " ON p.user_id = $1 AND p.removed_at IS NULL WHERE d.is_only ORDER BY p.ticket_id",
};

void record_read_put_unread(struct pg_stmt *stmt, struct str user, bool is_staff)
{
	pg_stmt_init(stmt, &query_unread);
	pg_stmt_text(stmt, user);
	pg_stmt_bool(stmt, is_staff);
}

int record_read_parse_unread(const PGresult *result, struct record_unread *unread_r)
{
	struct pg_row r = pg_row_of(result, 0);
	struct record_unread unread = {0};

	unread.epoch = pg_row_int(&r);
	if (!pg_row_is_null(&r))
		unread.count = (size_t)PQntuples(result);
	if (r.failed || unread.epoch < 1)
		return -1;
	*unread_r = unread;
	return 0;
}

int record_read_parse_ticket(const PGresult *result, size_t i, struct str *ticket_r,
			     int64_t *unread_r)
{
	struct pg_row r = pg_row_of(result, (int)i);
	struct str ticket;
	int64_t unread;

	pg_row_skip(&r, 1);
	ticket = pg_row_str(&r);
	unread = pg_row_int(&r);
	if (r.failed || ticket.p == NULL || unread < 0)
		return -1;
	*ticket_r = ticket;
	*unread_r = unread;
	return 0;
}
