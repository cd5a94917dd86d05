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
	       " LEFT JOIN LATERAL (SELECT * FROM bellhop.event x WHERE x.ticket_id = $1"
	       "  AND x.seq = e.target LIMIT 1) m ON true"
	       " LEFT JOIN LATERAL (SELECT x.own, x.own_public FROM bellhop.event x"
	       "  WHERE x.ticket_id = $1 AND x.sender_id = e.sender_id AND x.own IS NOT NULL"
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
	       " WHERE r.ticket_id = $1 AND (r.seq > t.last_seq OR r.public_seq > r.seq"
	       "  OR (r.public_seq = 0) <> (r.public_at IS NULL) OR r.seq >= t.first_seq"
	       "  AND (e.n, e.n_public, CASE WHEN e.is_public THEN e.seq ELSE e.prev_public END)"
	       "  IS DISTINCT FROM (r.n, r.n_public, r.public_seq))"
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

enum {
	UNREAD_BATCH = 20,
	/* Counting one by one takes its time: of a longer conversation the end is counted. */
	UNREAD_EVENTS_MAX = 10000,
};

/* s: where counting begins, b: the event there. */
static const struct pg_query query_unread = {
	.name = "copy_unread",
	.sql = "SELECT u.user_id, x.unread = c.n AND x.unread_public = c.n_public FROM"
	       " (SELECT user_id FROM bellhop.participant WHERE ticket_id = $1 AND user_id > $2 UNION"
	       "  SELECT user_id FROM bellhop.receipt WHERE ticket_id = $1 AND user_id > $2"
	       "  ORDER BY user_id LIMIT $3) u JOIN bellhop.ticket t ON t.ticket_id = $1"
	       " LEFT JOIN bellhop.receipt r ON r.ticket_id = $1 AND r.user_id = u.user_id"
	       " CROSS JOIN LATERAL (SELECT greatest(r.seq, t.last_seq - $4, t.first_seq - 1) AS seq) s"
	       " LEFT JOIN bellhop.event b ON b.ticket_id = $1 AND b.seq = s.seq"
	       " CROSS JOIN LATERAL bellhop.unread($1, u.user_id, s.seq,"
	       "  t.n - CASE WHEN s.seq = r.seq THEN r.n ELSE coalesce(b.n, t.first_n) END,"
	       "  t.n_public - CASE WHEN s.seq = r.seq THEN r.n_public"
	       "   ELSE coalesce(b.n_public, t.first_n_public) END) x"
	       " CROSS JOIN LATERAL (SELECT count(*) AS n, count(*) FILTER (WHERE e.is_public) AS n_public"
	       "  FROM bellhop.event e WHERE e.ticket_id = $1 AND e.seq > s.seq AND e.kind = 'm'"
	       "  AND e.sender_id <> u.user_id AND e.deleted_at IS NULL) c ORDER BY u.user_id",
};

void record_copy_put_unread(struct pg_stmt *stmt, struct str ticket, struct str after)
{
	pg_stmt_init(stmt, &query_unread);
	pg_stmt_text(stmt, ticket);
	pg_stmt_text(stmt, after);
	pg_stmt_int(stmt, UNREAD_BATCH);
	pg_stmt_int(stmt, UNREAD_EVENTS_MAX);
}

size_t record_copy_count_unread(const PGresult *result, bool *is_last_r)
{
	*is_last_r = PQntuples(result) < UNREAD_BATCH;
	return (size_t)PQntuples(result);
}

int record_copy_parse_unread(const PGresult *result, size_t i, struct str *user_r, bool *is_right_r)
{
	struct pg_row r = pg_row_of(result, (int)i);

	*user_r = pg_row_str(&r);
	*is_right_r = pg_row_bool(&r);
	return r.failed || user_r->p == NULL ? -1 : 0;
}

/* ---- export and import ---- */

static const struct pg_query query_total = {
	.name = "copy_total",
	.sql = "SELECT clock_timestamp(), coalesce(sum(last_seq - first_seq + 1), 0)::bigint"
	       " FROM bellhop.ticket WHERE CASE WHEN $1::text = '' THEN ticket_id > $2"
	       " ELSE ticket_id = $1 END",
};

void record_copy_put_total(struct pg_stmt *stmt, struct str ticket, struct str after)
{
	pg_stmt_init(stmt, &query_total);
	pg_stmt_text(stmt, ticket);
	pg_stmt_text(stmt, after);
}

int record_copy_parse_total(const PGresult *result, int64_t *now_us_r, int64_t *events_r)
{
	struct pg_row r = pg_row_of(result, 0);

	*now_us_r = pg_row_time_us(&r);
	*events_r = pg_row_int(&r);
	return r.failed ? -1 : 0;
}

/* A row as a line, without what is NULL, and without its text. */
#define LINE(row, type, more)                                                                  \
	"jsonb_strip_nulls(to_jsonb(" row ") - 'content' || jsonb_build_object('type', '" type \
	"'" more "))::text"

/*
 * So many events of the greatest size are read at once. What belongs to one is looked up with LIMIT, lest
 * the planner join it with the whole ticket. A former text is its message's: the line says whose.
 */
enum { EXPORT_LIMIT = 200 };

static const struct pg_query query_events = {
	.name = "copy_events",
	.sql = "SELECT e.seq, " LINE(
		"e", "event",
		"") ", e.content, e.uid, e.sender_id,"
		    " CASE WHEN m.seq IS NOT NULL AND e.sent_at >= $3 THEN " LINE("m", "event", "") " END, m.content, CASE WHEN v.seq IS NOT NULL THEN " LINE(
			    "v", "revision",
			    ", 'uid', m.uid, 'sender_id', m.sender_id") " END, v.content, m.uid, m.sender_id"
									" FROM (SELECT * FROM bellhop.event WHERE ticket_id = $1 AND seq > $2"
									"  ORDER BY seq LIMIT $4) e"
									" LEFT JOIN LATERAL (SELECT * FROM bellhop.event x WHERE x.ticket_id = $1"
									"  AND x.seq = e.target LIMIT 1) m ON true"
									" LEFT JOIN LATERAL (SELECT * FROM bellhop.revision x WHERE x.ticket_id = $1"
									"  AND x.seq = e.target AND x.rev = e.rev - 1 LIMIT 1) v ON e.kind = 'e'"
									" ORDER BY e.seq",
};

void record_copy_put_events(struct pg_stmt *stmt, const struct record_copy_range *range)
{
	pg_stmt_init(stmt, &query_events);
	pg_stmt_text(stmt, range->ticket);
	pg_stmt_int(stmt, range->after_seq);
	pg_stmt_time(stmt, range->since_us);
	pg_stmt_int(stmt, EXPORT_LIMIT);
}

size_t record_copy_count_events(const PGresult *result)
{
	return (size_t)PQntuples(result);
}

int record_copy_parse_event(const PGresult *result, size_t i, struct record_copied *copied_r)
{
	struct pg_row r = pg_row_of(result, (int)i);

	copied_r->seq = pg_row_int(&r);
	copied_r->event.line = pg_row_str(&r);
	copied_r->event.content = pg_row_str(&r);
	copied_r->event.uid = pg_row_str(&r);
	copied_r->event.sender_id = pg_row_str(&r);
	copied_r->target.line = pg_row_str(&r);
	copied_r->target.content = pg_row_str(&r);
	copied_r->revision.line = pg_row_str(&r);
	copied_r->revision.content = pg_row_str(&r);
	copied_r->target.uid = copied_r->revision.uid = pg_row_str(&r);
	copied_r->target.sender_id = copied_r->revision.sender_id = pg_row_str(&r);
	return r.failed || copied_r->event.line.p == NULL ? -1 : 0;
}

static const struct pg_query query_people = {
	.name = "copy_people",
	.sql = "SELECT jsonb_strip_nulls(to_jsonb(p) - '{active_at,active_public_at}'::text[]"
	       "  || '{\"type\": \"participant\"}')::text"
	       " FROM bellhop.participant p WHERE p.ticket_id = $1 UNION ALL"
	       " SELECT (to_jsonb(r) || '{\"type\": \"receipt\"}')::text"
	       " FROM bellhop.receipt r WHERE r.ticket_id = $1",
};

void record_copy_put_people(struct pg_stmt *stmt, struct str ticket)
{
	pg_stmt_init(stmt, &query_people);
	pg_stmt_text(stmt, ticket);
}

size_t record_copy_count_people(const PGresult *result)
{
	return (size_t)PQntuples(result);
}

int record_copy_parse_person(const PGresult *result, size_t i, struct str *line_r)
{
	struct pg_row r = pg_row_of(result, (int)i);

	*line_r = pg_row_str(&r);
	return r.failed || line_r->p == NULL ? -1 : 0;
}

static const struct pg_query query_ticket = {
	.name = "copy_ticket",
	.sql = "SELECT CASE WHEN t.last_seq <= greatest($2, t.first_seq - 1) THEN"
	       " jsonb_strip_nulls(to_jsonb(t) || '{\"type\": \"ticket\"}')::text END"
	       " FROM bellhop.ticket t WHERE t.ticket_id = $1",
};

void record_copy_put_ticket(struct pg_stmt *stmt, struct str ticket, int64_t seq)
{
	pg_stmt_init(stmt, &query_ticket);
	pg_stmt_text(stmt, ticket);
	pg_stmt_int(stmt, seq);
}

int record_copy_parse_row(const PGresult *result, bool *is_there_r, struct str *line_r)
{
	struct pg_row r = pg_row_of(result, 0);

	*is_there_r = PQntuples(result) == 1;
	*line_r = *is_there_r ? pg_row_str(&r) : (struct str){0};
	return *is_there_r && r.failed ? -1 : 0;
}

/* The lines of a type as rows of its table. */
#define ROWS(table, json)                                                                 \
	" FROM l CROSS JOIN LATERAL jsonb_populate_record(NULL::bellhop." table ", " json \
	") r WHERE l.type = '" table "'"
#define WITH_CONTENT                                                              \
	"l.j || jsonb_build_object('content', '\\x' || encode(coalesce("          \
	"decode(l.j->>'sealed', 'base64'), convert_to(l.j->>'content', 'UTF8'))," \
	" 'hex'))"
/* What record_inbox_put_imported() is about. */
#define WITHOUT_ACTIVITY \
	"l.j || '{\"active_at\": \"-infinity\", \"active_public_at\": \"-infinity\"}'"
#define UNLESS_STOPPED " NOT (SELECT it FROM stop)"
#define UNLESS_ERASED                                                           \
	" AND NOT EXISTS (SELECT FROM locked k WHERE k.ticket_id = r.ticket_id" \
	" AND k.last_seq > 0 AND r.seq < k.first_seq)"

/* Numbers are given by whoever holds a ticket's row: so it has to be there before anything is imported. */
static const struct pg_query query_begin = {
	.name = "copy_begin",
	.sql = "INSERT INTO bellhop.ticket (ticket_id) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING",
	.is_write = true,
};

void record_copy_put_begin(struct pg_stmt *stmt, const struct str *tickets, size_t n)
{
	pg_stmt_init(stmt, &query_begin);
	pg_stmt_text_array(stmt, tickets, n);
}

/*
 * Of several lines about one row the last one counts. A deletion that was made here is not undone, nor is
 * what retention has erased here brought back.
 *
 * The rows of the tickets are locked and say what is so now; all else is read as of the beginning of the
 * statement. Where somebody was in between who may have taken a number that is wanted, or deleted what has
 * former texts, nothing is done (moved).
 *
 * The ticket's row follows its events batch by batch (last, first, card), and not only when its own line
 * comes (whole): so that whoever sends meanwhile gets a number that is free.
 */
static const struct pg_query query_import = {
	.name = "copy_import",
	.sql = "WITH l AS MATERIALIZED (SELECT x.j, x.j->>'type' AS type, x.i"
	       "  FROM jsonb_array_elements($1::text::jsonb) WITH ORDINALITY x(j, i)),"
	       " locked AS MATERIALIZED (SELECT t.* FROM bellhop.ticket t WHERE t.ticket_id IN"
	       "  (SELECT l.j->>'ticket_id' FROM l) ORDER BY t.ticket_id FOR NO KEY UPDATE OF t),"
	       " e AS MATERIALIZED (SELECT DISTINCT ON (r.ticket_id, r.seq) r.*" ROWS(
		       "event", WITH_CONTENT) UNLESS_ERASED
	"  ORDER BY r.ticket_id, r.seq, l.i DESC),"
	" v AS MATERIALIZED (SELECT r.*" ROWS("revision", WITH_CONTENT) UNLESS_ERASED
	"  AND NOT EXISTS (SELECT FROM bellhop.revision o WHERE o.ticket_id = r.ticket_id"
	"   AND o.seq = r.seq AND o.rev = r.rev)"
	"  AND NOT EXISTS (SELECT FROM bellhop.event o WHERE o.ticket_id = r.ticket_id"
	"   AND o.seq = r.seq AND o.deleted_at IS NOT NULL)"
	"  AND NOT EXISTS (SELECT FROM e WHERE e.ticket_id = r.ticket_id"
	"   AND e.seq = r.seq AND e.deleted_at IS NOT NULL)),"
	" clash AS MATERIALIZED (SELECT e.ticket_id, e.seq FROM e"
	"  CROSS JOIN LATERAL (SELECT * FROM bellhop.event x WHERE x.ticket_id = e.ticket_id"
	"   AND x.seq = e.seq LIMIT 1) o"
	"  WHERE (o.kind, o.n, o.n_public, o.sender_id, o.uid, o.target) IS DISTINCT FROM"
	"  (e.kind, e.n, e.n_public, e.sender_id, e.uid, e.target)"
	"  ORDER BY e.ticket_id, e.seq LIMIT 1),"
	" moved AS MATERIALIZED (SELECT EXISTS (SELECT FROM locked k"
	"  JOIN bellhop.ticket t ON t.ticket_id = k.ticket_id AND t.last_seq <> k.last_seq"
	"  WHERE EXISTS (SELECT FROM e WHERE e.ticket_id = k.ticket_id AND e.seq > t.last_seq)"
	"  OR EXISTS (SELECT FROM v WHERE v.ticket_id = k.ticket_id)) AS it),"
	" stop AS MATERIALIZED (SELECT moved.it OR EXISTS (SELECT FROM clash) AS it FROM moved),"
	" event_in AS (INSERT INTO bellhop.event AS o SELECT e.* FROM e WHERE" UNLESS_STOPPED
	"  ON CONFLICT (ticket_id, seq) DO UPDATE SET rev = excluded.rev,"
	"  content = excluded.content, digest = excluded.digest,"
	"  edited_at = excluded.edited_at, deleted_at = excluded.deleted_at,"
	"  deleted_by = excluded.deleted_by WHERE o.deleted_at IS NULL"
	"  AND (excluded.rev > o.rev OR excluded.deleted_at IS NOT NULL)),"
	" revision_out AS (DELETE FROM bellhop.revision o USING e WHERE" UNLESS_STOPPED
	"  AND e.deleted_at IS NOT NULL AND o.ticket_id = e.ticket_id AND o.seq = e.seq),"
	" revision_in AS (INSERT INTO bellhop.revision SELECT v.* FROM v WHERE" UNLESS_STOPPED
	"  ON CONFLICT DO NOTHING),"
	" participant_in AS (INSERT INTO bellhop.participant SELECT r.*" ROWS(
		"participant",
		WITHOUT_ACTIVITY) "  AND" UNLESS_STOPPED " ON CONFLICT DO NOTHING),"
				  " receipt_in AS (INSERT INTO bellhop.receipt AS o (ticket_id, user_id, seq, n,"
				  "  n_public, read_at, public_seq, public_at)"
				  "  SELECT DISTINCT ON (r.ticket_id, r.user_id) r.ticket_id, r.user_id, r.seq, r.n,"
				  "  r.n_public, r.read_at, coalesce(r.public_seq, 0), r.public_at" ROWS(
					  "receipt",
					  "l.j") "  AND" UNLESS_STOPPED
						 "  ORDER BY r.ticket_id, r.user_id, r.seq DESC"
						 "  ON CONFLICT (ticket_id, user_id) DO UPDATE SET seq = excluded.seq, n = excluded.n,"
						 "  n_public = excluded.n_public, read_at = excluded.read_at,"
						 "  public_seq = excluded.public_seq, public_at = excluded.public_at"
						 "  WHERE o.seq < excluded.seq),"
						 " whole AS MATERIALIZED (SELECT DISTINCT ON (r.ticket_id) r.*" ROWS(
							 "ticket",
							 "l.j") "  ORDER BY r.ticket_id, r.last_seq DESC),"
								" last AS (SELECT DISTINCT ON (e.ticket_id) e.* FROM e ORDER BY e.ticket_id, e.seq DESC),"
								" first AS (SELECT DISTINCT ON (e.ticket_id) e.* FROM e ORDER BY e.ticket_id, e.seq),"
								" card AS (SELECT DISTINCT ON (e.ticket_id) e.ticket_id, e.detail::jsonb AS d FROM e"
								"  WHERE e.kind = 't' ORDER BY e.ticket_id, e.seq DESC),"
								" row AS (SELECT w.ticket_id, w.last_seq, w.last_public, w.n, w.n_public, w.first_seq,"
								"  w.first_n, w.first_n_public, w.created_at, w.updated_at, w.hold, w.status, w.title,"
								"  true AS has_card FROM whole w UNION ALL"
								"  SELECT z.ticket_id, z.seq, CASE WHEN z.is_public THEN z.seq ELSE z.prev_public END,"
								"  z.n, z.n_public, a.seq, a.n - (a.kind = 'm')::integer,"
								"  a.n_public - (a.kind = 'm' AND a.is_public)::integer, a.sent_at, z.sent_at, false,"
								"  c.d->>'status', c.d->>'title', c.d IS NOT NULL"
								"  FROM last z JOIN first a ON a.ticket_id = z.ticket_id"
								"  LEFT JOIN card c ON c.ticket_id = z.ticket_id"
								"  WHERE NOT EXISTS (SELECT FROM whole w WHERE w.ticket_id = z.ticket_id)),"
								" ticket_in AS (UPDATE bellhop.ticket o SET"
								"  last_seq = r.last_seq, last_public = r.last_public, n = r.n, n_public = r.n_public,"
								"  first_seq = CASE o.last_seq WHEN 0 THEN r.first_seq ELSE o.first_seq END,"
								"  first_n = CASE o.last_seq WHEN 0 THEN r.first_n ELSE o.first_n END,"
								"  first_n_public = CASE o.last_seq WHEN 0 THEN r.first_n_public"
								"   ELSE o.first_n_public END,"
								"  created_at = least(o.created_at, r.created_at), updated_at = r.updated_at,"
								"  hold = o.hold OR r.hold, status = coalesce(r.status, o.status),"
								"  title = CASE WHEN r.has_card THEN r.title ELSE o.title END"
								"  FROM row r WHERE o.ticket_id = r.ticket_id AND o.last_seq <= r.last_seq"
								"  AND" UNLESS_STOPPED ")"
								" SELECT (SELECT ticket_id FROM clash), (SELECT seq FROM clash), (SELECT it FROM moved)",
	.is_write = true,
};

void record_copy_put_import(struct pg_stmt *stmt, struct str lines)
{
	pg_stmt_init(stmt, &query_import);
	pg_stmt_text(stmt, lines);
}

int record_copy_parse_import(const PGresult *result, struct record_imported *imported_r)
{
	struct pg_row r = pg_row_of(result, 0);

	imported_r->ticket = pg_row_str(&r);
	imported_r->seq = pg_row_int(&r);
	imported_r->is_moved = pg_row_bool(&r);
	return r.failed ? -1 : 0;
}
