/* SPDX-License-Identifier: BSD-2-Clause */
/* The statements about lists of tickets. */
#include "config.h"

#include "store/record_inbox.h"

#include "store/record_rows.h"

/* ---- what both tell of a ticket ---- */

/* One ticket whose counts were damaged (bellhop verify finds it) must not take the whole list away. */
static int64_t unread_of(int64_t counted)
{
	return counted > 0 ? counted : 0;
}

/* Each of these names one row, which LIMIT tells the planner. */
#define TICKET                                                \
	" CROSS JOIN LATERAL (SELECT * FROM bellhop.ticket x" \
	"  WHERE x.ticket_id = l.ticket_id LIMIT 1) t"
#define RECEIPT(user)                                         \
	" LEFT JOIN LATERAL (SELECT * FROM bellhop.receipt x" \
	"  WHERE x.ticket_id = l.ticket_id AND x.user_id = " user "  LIMIT 1) r ON true"
#define UNREAD(user)                                                                    \
	" CROSS JOIN LATERAL bellhop.unread(l.ticket_id, " user ", coalesce(r.seq, 0)," \
	" t.n - greatest(r.n, t.first_n),"                                              \
	" t.n_public - greatest(r.n_public, t.first_n_public)) u"
#define MESSAGE(newest, and_public)                                 \
	" LEFT JOIN LATERAL (SELECT x.*, NULL::bigint AS target_n," \
	"  NULL::bigint AS target_n_public FROM bellhop.event x"    \
	"  WHERE x.ticket_id = l.ticket_id AND x.kind = 'm'"        \
	"  AND x.seq <= t." newest and_public "  ORDER BY x.seq DESC LIMIT 1) e ON true"

/* ---- the list ---- */

/*
 * In the order of activity: what the index says, and instead of that what the tickets themselves say where
 * the index may be behind. Without a filter the index need not be read beyond the page, even if all of the
 * others come before it.
 */
#define IN_ORDER(active)                                                             \
	"WITH recent AS MATERIALIZED"                                                \
	" (SELECT a.ticket_id COLLATE \"C\" AS ticket_id, a." active " AS active_at" \
	"  FROM bellhop.activity_recent($1) a)"                                      \
	" SELECT d.epoch, l.ticket_id, l.active_at, t.title, t.status, "
#define LISTED(active)                                                                          \
	" FROM bellhop.deployment d CROSS JOIN ("                                               \
	" (SELECT a.ticket_id, a.active_at FROM recent a"                                       \
	"   WHERE a.active_at <= coalesce($2::timestamptz, 'infinity')"                         \
	"   AND (a.active_at < coalesce($2, 'infinity') OR a.ticket_id > $3::text)"             \
	"   ORDER BY a.active_at DESC, a.ticket_id)"                                            \
	" UNION ALL"                                                                            \
	" (SELECT o.ticket_id, o.active_at FROM (SELECT p.ticket_id, p." active " AS active_at" \
	"   FROM bellhop.participant p WHERE p.user_id = $1 AND p.removed_at IS NULL"           \
	"    AND p." active " <= coalesce($2, 'infinity')"                                      \
	"    AND (p." active " < coalesce($2, 'infinity') OR p.ticket_id > $3)"                 \
	"    ORDER BY p." active " DESC, p.ticket_id"                                           \
	"    LIMIT CASE WHEN $4::text IS NULL AND NOT $5::boolean"                              \
	"     THEN $6 + (SELECT count(*) FROM recent) END) o"                                   \
	"   WHERE NOT EXISTS (SELECT FROM recent a WHERE a.ticket_id = o.ticket_id)"            \
	"   ORDER BY o.active_at DESC, o.ticket_id)) l"
#define PEOPLE(since, and_public)                                                             \
	" CROSS JOIN LATERAL (SELECT '[' || coalesce(string_agg('{\"user_id\":'"              \
	"  || to_json(x.user_id) || ',\"role\":' || to_json(x.role) || '}', ','"              \
	"  ORDER BY x." since ", x.user_id), '') || ']' AS people FROM bellhop.participant x" \
	"  WHERE x.ticket_id = l.ticket_id AND x.removed_at IS NULL" and_public ") p"
#define LIST(active, newest, unread, and_public, people)                                  \
	IN_ORDER(active)                                                                  \
	"t." newest ", u." unread ", p.people, " RECORD_ROWS_EVENT_COLUMNS LISTED(active) \
	TICKET                                                                            \
	RECEIPT("$1")                                                                     \
	UNREAD("$1")                                                                      \
	MESSAGE(newest, and_public)                                                       \
	people " WHERE d.is_only AND ($4::text IS NULL OR t.status = $4)"                 \
	       " AND (NOT $5::boolean OR u." unread " > 0)"                               \
	       " ORDER BY l.active_at DESC, l.ticket_id LIMIT $6"

static const struct pg_query query_list = {
	.name = "inbox_list",
	.sql = LIST("active_at", "last_seq", "unread", "", PEOPLE("joined_at", "")),
};

static const struct pg_query query_list_public = {
	.name = "inbox_list_public",
	.sql = LIST("active_public_at", "last_public", "unread_public", " AND x.is_public",
		    PEOPLE("public_at", " AND x.public_at IS NOT NULL")),
};

void record_inbox_put_list(struct pg_stmt *stmt, const struct record_inbox_query *query)
{
	pg_stmt_init(stmt, query->is_staff ? &query_list : &query_list_public);
	pg_stmt_text(stmt, query->user);
	if (query->after_ticket.p == NULL)
		pg_stmt_null(stmt);
	else
		pg_stmt_time(stmt, query->after_active_at_us);
	pg_stmt_text(stmt, query->after_ticket.p == NULL ? STR("") : query->after_ticket);
	pg_stmt_text(stmt, query->status);
	pg_stmt_bool(stmt, query->only_unread);
	pg_stmt_int(stmt, query->limit < RECORD_LIMIT_MAX ? query->limit : RECORD_LIMIT_MAX);
}

size_t record_inbox_count(const PGresult *result)
{
	return (size_t)PQntuples(result);
}

int record_inbox_parse(const PGresult *result, size_t i, struct record_inbox_ticket *ticket_r)
{
	struct pg_row r = pg_row_of(result, (int)i);
	struct record_inbox_ticket t = {0};

	t.epoch = pg_row_int(&r);
	t.ticket = pg_row_str(&r);
	t.active_at_us = pg_row_time_us(&r);
	t.title = pg_row_str(&r);
	t.status = pg_row_str(&r);
	t.newest_seq = pg_row_int(&r);
	t.unread = unread_of(pg_row_int(&r));
	t.people = pg_row_str(&r);
	t.has_message = !pg_row_is_null(&r);
	if (t.has_message)
		record_rows_event(&r, t.ticket, t.epoch, &t.message);
	if (r.failed || t.epoch < 1 || t.ticket.p == NULL || t.status.p == NULL ||
	    t.people.p == NULL)
		return -1;
	*ticket_r = t;
	return 0;
}

/* ---- news ---- */

#define NEWS(newest, unread, active, and_public)                                                 \
	"SELECT l.user_id, l.ticket_id, t." newest ", u." unread ", " active ", e.sender_id,"    \
	" e.content, e.uid, e.seq FROM unnest($1::text[], $2::text[]) l(user_id, ticket_id)"     \
	" CROSS JOIN LATERAL (SELECT FROM bellhop.participant x WHERE x.ticket_id = l.ticket_id" \
	"  AND x.user_id = l.user_id AND x.removed_at IS NULL LIMIT 1) p" TICKET RECEIPT(        \
		"l.user_id") UNREAD("l.user_id") MESSAGE(newest, and_public)

static const struct pg_query query_news = {
	.name = "inbox_news",
	.sql = NEWS("last_seq", "unread", "t.updated_at", ""),
};

static const struct pg_query query_news_public = {
	.name = "inbox_news_public",
	.sql = NEWS("last_public", "unread_public",
		    "coalesce((SELECT x.sent_at FROM bellhop.event x WHERE"
		    " x.ticket_id = l.ticket_id AND x.seq = t.last_public), t.created_at)",
		    " AND x.is_public"),
};

void record_inbox_put_news(struct pg_stmt *stmt, bool is_staff, const struct str *users,
			   const struct str *tickets, size_t count)
{
	pg_stmt_init(stmt, is_staff ? &query_news : &query_news_public);
	pg_stmt_text_array(stmt, users, count);
	pg_stmt_text_array(stmt, tickets, count);
}

int record_inbox_parse_news(const PGresult *result, size_t i, struct record_inbox_news *news_r)
{
	struct pg_row r = pg_row_of(result, (int)i);
	struct record_inbox_news n;

	n.user = pg_row_str(&r);
	n.ticket = pg_row_str(&r);
	n.newest_seq = pg_row_int(&r);
	n.unread = unread_of(pg_row_int(&r));
	n.active_at_ms = pg_row_time_ms(&r);
	n.sender_id = pg_row_str(&r);
	n.content = pg_row_str(&r);
	n.uid = pg_row_str(&r);
	n.message_seq = pg_row_int(&r);
	if (r.failed || n.user.p == NULL || n.ticket.p == NULL)
		return -1;
	*news_r = n;
	return 0;
}

/* ---- upkeep ---- */

/* Repeating either changes nothing more: a lost answer is not an uncertain one. */
static const struct pg_query query_round = {
	.name = "activity_round",
	.sql = "SELECT r.written, r.is_done FROM bellhop.activity_round($1, $2) r",
};

void record_inbox_put_round(struct pg_stmt *stmt, int limit)
{
	pg_stmt_init(stmt, &query_round);
	pg_stmt_int(stmt, RECORD_OVERLAP_MS);
	pg_stmt_int(stmt, limit);
}

int record_inbox_parse_round(const PGresult *result, int64_t *written_r, bool *is_done_r)
{
	struct pg_row r = pg_row_of(result, 0);

	*written_r = pg_row_int(&r);
	*is_done_r = pg_row_bool(&r);
	return r.failed ? -1 : 0;
}

static const struct pg_query query_imported = {
	.name = "activity_import",
	.sql = "SELECT bellhop.activity_import($1)",
};

void record_inbox_put_imported(struct pg_stmt *stmt, const struct str *tickets, size_t count)
{
	pg_stmt_init(stmt, &query_imported);
	pg_stmt_text_array(stmt, tickets, count);
}
