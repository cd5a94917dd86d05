/* SPDX-License-Identifier: BSD-2-Clause */
/* The statements about stored texts. */
#include "config.h"

#include "store/record_seal.h"

/* ---- reading ---- */

/*
 * So many rows are looked at, whatever is in them: a step takes as long where nothing is to be done. The
 * beginning of a text is read without the rest of it.
 */
#define STEP(row, message)                                                                    \
	"SELECT " row ", " message ".uid, " message ".sender_id, substring(x.content FOR 5)," \
	" CASE WHEN substring(x.content FOR 5) <> $1::bytea THEN x.content END"
#define MESSAGES(where)                            \
	STEP("x.ticket_id, x.seq, 0::bigint", "x") \
	" FROM bellhop.event x WHERE " where " ORDER BY x.ticket_id, x.seq LIMIT $2"
#define REVISIONS(where)                                                         \
	STEP("x.ticket_id, x.seq, x.rev::bigint", "m")                           \
	" FROM (SELECT * FROM bellhop.revision x WHERE " where                   \
	"  ORDER BY x.ticket_id, x.seq, x.rev LIMIT $2) x"                       \
	" LEFT JOIN LATERAL (SELECT uid, sender_id FROM bellhop.event e"         \
	"  WHERE e.ticket_id = x.ticket_id AND e.seq = x.seq LIMIT 1) m ON true" \
	" ORDER BY x.ticket_id, x.seq, x.rev"

static const struct pg_query query_messages = {
	.name = "seal_messages",
	.sql = MESSAGES("(x.ticket_id, x.seq) > ($3, $4::bigint) AND $5::bigint IS NOT NULL"),
};

static const struct pg_query query_messages_of = {
	.name = "seal_messages_of",
	.sql = MESSAGES("x.ticket_id = $3 AND x.seq > $4 AND $5::bigint IS NOT NULL"),
};

static const struct pg_query query_revisions = {
	.name = "seal_revisions",
	.sql = REVISIONS("(x.ticket_id, x.seq, x.rev) > ($3, $4::bigint, $5::bigint)"),
};

static const struct pg_query query_revisions_of = {
	.name = "seal_revisions_of",
	.sql = REVISIONS("x.ticket_id = $3 AND (x.seq, x.rev) > ($4::bigint, $5::bigint)"),
};

void record_seal_put_step(struct pg_stmt *stmt, const struct record_seal_step *step)
{
	if (step->table == RECORD_SEAL_MESSAGES)
		pg_stmt_init(stmt, step->is_one ? &query_messages_of : &query_messages);
	else
		pg_stmt_init(stmt, step->is_one ? &query_revisions_of : &query_revisions);
	/* NULL is unequal to nothing, so that nothing is read. */
	pg_stmt_bytes(stmt, step->newest);
	pg_stmt_int(stmt, RECORD_SEAL_BATCH);
	pg_stmt_text(stmt, step->ticket);
	pg_stmt_int(stmt, step->seq);
	pg_stmt_int(stmt, step->rev);
}

size_t record_seal_count(const PGresult *result)
{
	return (size_t)PQntuples(result);
}

int record_seal_parse(const PGresult *result, size_t i, struct record_seal_row *row_r)
{
	struct pg_row r = pg_row_of(result, (int)i);
	struct record_seal_row row;

	row.ticket = pg_row_str(&r);
	row.seq = pg_row_int(&r);
	row.rev = pg_row_int(&r);
	row.uid = pg_row_str(&r);
	row.sender_id = pg_row_str(&r);
	row.head = pg_row_str(&r);
	row.content = pg_row_str(&r);
	if (r.failed || row.ticket.p == NULL || row.seq < 1)
		return -1;
	*row_r = row;
	return 0;
}

/* ---- writing ---- */

#define CHANGE(table, match)                                                              \
	"WITH u AS (UPDATE bellhop." table " x SET content = decode(n.content, 'base64')" \
	"  FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::text[])"   \
	"  n(ticket_id, seq, rev, was, content)"                                          \
	"  WHERE x.ticket_id = n.ticket_id AND x.seq = n.seq" match                       \
	"  AND sha256(x.content) = decode(n.was, 'base64') RETURNING 1) SELECT count(*) FROM u"

static const struct pg_query query_change_messages = {
	.name = "seal_change_messages",
	.sql = CHANGE("event", ""),
	.is_write = true,
};

static const struct pg_query query_change_revisions = {
	.name = "seal_change_revisions",
	.sql = CHANGE("revision", " AND x.rev = n.rev"),
	.is_write = true,
};

void record_seal_put_changes(struct pg_stmt *stmt, enum record_seal_table table,
			     const struct record_seal_change *changes, size_t n)
{
	struct str tickets[RECORD_SEAL_BATCH], was[RECORD_SEAL_BATCH], texts[RECORD_SEAL_BATCH];
	int64_t seqs[RECORD_SEAL_BATCH], revs[RECORD_SEAL_BATCH];

	for (size_t i = 0; i < n; i++) {
		tickets[i] = changes[i].ticket;
		seqs[i] = changes[i].seq;
		revs[i] = changes[i].rev;
		was[i] = changes[i].was;
		texts[i] = changes[i].text;
	}
	pg_stmt_init(stmt, table == RECORD_SEAL_MESSAGES ? &query_change_messages
							 : &query_change_revisions);
	pg_stmt_text_array(stmt, tickets, n);
	pg_stmt_int_array(stmt, seqs, n);
	pg_stmt_int_array(stmt, revs, n);
	pg_stmt_text_array(stmt, was, n);
	pg_stmt_text_array(stmt, texts, n);
}

int record_seal_parse_changed(const PGresult *result, int64_t *changed_r)
{
	struct pg_row r = pg_row_of(result, 0);

	*changed_r = pg_row_int(&r);
	return r.failed ? -1 : 0;
}

/* ---- a sample ---- */

static const struct pg_query query_sample = {
	.name = "seal_sample",
	.sql = "SELECT CASE WHEN get_byte(s.content, 0) = 1 THEN substring(s.content FOR 5) END, count(*)"
	       " FROM (SELECT content FROM bellhop.event WHERE kind = 'm' AND content IS NOT NULL"
	       "  AND octet_length(content) > 0 ORDER BY sent_at DESC LIMIT $1) s GROUP BY 1",
};

void record_seal_put_sample(struct pg_stmt *stmt)
{
	pg_stmt_init(stmt, &query_sample);
	pg_stmt_int(stmt, RECORD_LIMIT_MAX);
}

int record_seal_parse_sample(const PGresult *result, size_t i, struct str *head_r, int64_t *count_r)
{
	struct pg_row r = pg_row_of(result, (int)i);

	*head_r = pg_row_str(&r);
	*count_r = pg_row_int(&r);
	return r.failed ? -1 : 0;
}
