/* SPDX-License-Identifier: BSD-2-Clause */
/* The statements about when users were last seen, and who shares a ticket. */
#include "config.h"

#include "store/record_seen.h"

/* Repeating it changes nothing more. In one order, so that two archivers do not wait in a circle. */
static const struct pg_query query_write = {
	.name = "seen_write",
	.sql = "INSERT INTO bellhop.user_seen AS s (user_id, seen_at)"
	       " SELECT u, to_timestamp(ms / 1000.0)"
	       " FROM unnest($1::text[], $2::bigint[]) x (u, ms) ORDER BY u"
	       " ON CONFLICT (user_id) DO UPDATE SET seen_at = excluded.seen_at"
	       " WHERE s.seen_at < excluded.seen_at",
};

void record_seen_put_write(struct pg_stmt *stmt, const struct record_seen *seen, size_t n)
{
	struct str users[RECORD_SEEN_MAX];
	int64_t times[RECORD_SEEN_MAX];

	if (n > RECORD_SEEN_MAX)
		n = RECORD_SEEN_MAX;
	for (size_t i = 0; i < n; i++) {
		users[i] = seen[i].user;
		times[i] = seen[i].at_ms;
	}
	pg_stmt_init(stmt, &query_write);
	pg_stmt_text_array(stmt, users, n);
	pg_stmt_int_array(stmt, times, n);
}

static const struct pg_query query_read = {
	.name = "seen_read",
	.sql = "SELECT user_id, seen_at FROM bellhop.user_seen WHERE user_id = ANY ($1::text[])",
};

void record_seen_put_read(struct pg_stmt *stmt, const struct str *users, size_t n)
{
	pg_stmt_init(stmt, &query_read);
	pg_stmt_text_array(stmt, users, n);
}

size_t record_seen_count(const PGresult *result)
{
	return (size_t)PQntuples(result);
}

int record_seen_parse(const PGresult *result, size_t i, struct record_seen *seen_r)
{
	struct pg_row r = pg_row_of(result, (int)i);
	struct record_seen seen;

	seen.user = pg_row_str(&r);
	seen.at_ms = pg_row_time_ms(&r);
	if (r.failed || seen.user.p == NULL)
		return -1;
	*seen_r = seen;
	return 0;
}

/*
 * From the asker's tickets to their few people, who are then filtered (the IS TRUE keeps the list from
 * becoming hundreds of look-ups in each ticket's index).
 */
static const struct pg_query query_shared = {
	.name = "seen_shared",
	.sql = "SELECT DISTINCT p.user_id FROM"
	       " (SELECT ticket_id FROM bellhop.participant"
	       "   WHERE user_id = $1::text AND removed_at IS NULL"
	       "  UNION"
	       "  SELECT t FROM unnest($3::text[]) t WHERE NOT EXISTS"
	       "   (SELECT 1 FROM bellhop.participant r WHERE r.ticket_id = t"
	       "     AND r.user_id = $1::text AND r.removed_at IS NOT NULL)) mine"
	       " JOIN bellhop.participant p ON p.ticket_id = mine.ticket_id"
	       " WHERE p.removed_at IS NULL AND p.public_at IS NOT NULL AND (p.user_id = ANY ($2::text[])) IS TRUE",
};

void record_seen_put_shared(struct pg_stmt *stmt, const struct record_seen_shared *shared)
{
	pg_stmt_init(stmt, &query_shared);
	pg_stmt_text(stmt, shared->asker);
	pg_stmt_text_array(stmt, shared->users, shared->n);
	pg_stmt_text_array(stmt, shared->tickets, shared->n_tickets);
}

size_t record_seen_count_shared(const PGresult *result)
{
	return (size_t)PQntuples(result);
}

int record_seen_parse_shared(const PGresult *result, size_t i, struct str *user_r)
{
	struct pg_row r = pg_row_of(result, (int)i);
	struct str user = pg_row_str(&r);

	if (r.failed || user.p == NULL)
		return -1;
	*user_r = user;
	return 0;
}
