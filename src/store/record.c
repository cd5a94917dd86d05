/* SPDX-License-Identifier: BSD-2-Clause */
/* The statements about sends, tickets, ranges of events and the deployment. */
#include "config.h"

#include "store/record.h"

#include <stdlib.h>

#include "store/record_rows.h"

/* ---- send ---- */

static const struct pg_query query_send = {
	.name = "send",
	.sql = "SELECT t.outcome, t.newer, t.first_seq IS NOT NULL, t.epoch, t.first_seq, t.last_seq,"
	       " t.last_public, t.n, t.n_public, t.first_n, t.first_n_public, t.hold, t.status,"
	       " t.title, t.event_seq, t.event_n, t.event_n_public, t.prev_public,"
	       " NULL::bigint, NULL::bigint, NULL::bigint, t.rev, 'm'::\"char\", t.message_kind,"
	       " t.is_public, t.sender_id, t.sender_name, t.content, t.uid, t.sent_at, t.edited_at,"
	       " t.deleted_at, t.deleted_by, NULL::text"
	       " FROM bellhop.send($1::text, $2::text, $3::text, $4::text, $5::text::\"char\","
	       " $6::bytea, $7::text, $8::bytea, $9::integer, $10::bigint) t",
	.is_write = true,
};

void record_put_send(struct pg_stmt *stmt, const struct record_send *send)
{
	char kind = (char)send->kind;

	pg_stmt_init(stmt, &query_send);
	pg_stmt_text(stmt, send->ticket);
	pg_stmt_text(stmt, send->sender_id);
	pg_stmt_text(stmt, send->sender_name);
	pg_stmt_text(stmt, send->role);
	pg_stmt_text(stmt, (struct str){&kind, 1});
	pg_stmt_bytes(stmt, send->content);
	pg_stmt_text(stmt, send->uid);
	pg_stmt_bytes(stmt, send->digest);
	pg_stmt_int(stmt, send->grant);
	if (send->if_match < 0)
		pg_stmt_null(stmt);
	else
		pg_stmt_int(stmt, send->if_match);
}

int record_parse_send(const PGresult *result, struct str ticket, struct record_sent *sent_r)
{
	struct pg_row r = pg_row_of(result, 0);
	struct record_sent sent = {0};

	sent.outcome = (enum record_outcome)pg_row_letter(&r);
	sent.newer = pg_row_int(&r);
	record_rows_ticket(&r, &sent.ticket);
	switch (sent.outcome) {
	case RECORD_CREATED:
	case RECORD_REPLAYED:
		record_rows_event(&r, ticket, sent.ticket.epoch, &sent.event);
		break;
	case RECORD_NEWER:
		r.failed = r.failed || sent.newer < 1;
		break;
	case RECORD_MISMATCH:
	case RECORD_NOT_A_PARTICIPANT:
	case RECORD_CLOSED:
		break;
	default:
		return -1;
	}
	if (r.failed)
		return -1;
	*sent_r = sent;
	return 0;
}

/* ---- one ticket ---- */

/* $3 false: unread is not counted at all. */
static const struct pg_query query_open = {
	.name = "open",
	.sql = "SELECT " RECORD_ROWS_TICKET_COLUMNS ","
	       " p.user_id IS NOT NULL, p.removed_at IS NOT NULL, p.role, coalesce(r.seq, 0),"
	       " u.unread, u.unread_public" RECORD_ROWS_TICKET_FROM
	       " LEFT JOIN bellhop.participant p ON p.ticket_id = $1 AND p.user_id = $2"
	       " LEFT JOIN bellhop.receipt r ON r.ticket_id = $1 AND r.user_id = $2"
	       " CROSS JOIN LATERAL bellhop.unread($1, $2, coalesce(r.seq, 0),"
	       "  CASE WHEN $3::boolean THEN t.n - greatest(r.n, t.first_n) END,"
	       "  CASE WHEN $3::boolean THEN t.n_public - greatest(r.n_public, t.first_n_public) END) u"
	       " WHERE d.is_only",
};

static void put_open(struct pg_stmt *stmt, struct str ticket, struct str user, bool is_counting)
{
	pg_stmt_init(stmt, &query_open);
	pg_stmt_text(stmt, ticket);
	pg_stmt_text(stmt, user);
	pg_stmt_bool(stmt, is_counting);
}

void record_put_open(struct pg_stmt *stmt, struct str ticket, struct str user)
{
	put_open(stmt, ticket, user, true);
}

void record_put_access(struct pg_stmt *stmt, struct str ticket, struct str user)
{
	put_open(stmt, ticket, user, false);
}

int record_parse_open(const PGresult *result, struct record_opened *opened_r)
{
	struct pg_row r = pg_row_of(result, 0);

	return record_rows_opened(&r, opened_r);
}

static const struct pg_query query_participants = {
	.name = "participants",
	.sql = "SELECT user_id, CASE WHEN removed_at IS NULL THEN role ELSE 'removed' END, joined_at,"
	       " public_at IS NOT NULL FROM bellhop.participant WHERE ticket_id = $1 ORDER BY user_id",
};

void record_put_participants(struct pg_stmt *stmt, struct str ticket)
{
	pg_stmt_init(stmt, &query_participants);
	pg_stmt_text(stmt, ticket);
}

size_t record_count_participants(const PGresult *result)
{
	return (size_t)PQntuples(result);
}

int record_parse_participant(const PGresult *result, size_t i,
			     struct record_participant *participant_r)
{
	struct pg_row r = pg_row_of(result, (int)i);
	struct record_participant participant;

	participant.user = pg_row_str(&r);
	participant.role = pg_row_str(&r);
	participant.joined_at_ms = pg_row_time_ms(&r);
	participant.is_public = pg_row_bool(&r);
	if (r.failed || participant.user.p == NULL || participant.role.p == NULL)
		return -1;
	*participant_r = participant;
	return 0;
}

/* ---- events of one ticket ---- */

/* A message speaks of itself, so a page of messages needs no join to find what is told. */
#define PAGE_LATERAL                                                                              \
	" LEFT JOIN LATERAL (SELECT *, NULL::bigint AS target_n, NULL::bigint AS target_n_public" \
	" FROM bellhop.event WHERE ticket_id = $1 AND kind = 'm' AND (is_public OR $2::boolean)"

static const struct pg_query query_page_down = {
	.name = "page_down",
	.sql = "SELECT " RECORD_ROWS_TICKET_COLUMNS
	       ", " RECORD_ROWS_EVENT_COLUMNS RECORD_ROWS_TICKET_FROM PAGE_LATERAL
	       " AND seq < $3 ORDER BY seq DESC LIMIT $4) e ON true WHERE d.is_only ORDER BY e.seq DESC",
};

static const struct pg_query query_page_up = {
	.name = "page_up",
	.sql = "SELECT " RECORD_ROWS_TICKET_COLUMNS
	       ", " RECORD_ROWS_EVENT_COLUMNS RECORD_ROWS_TICKET_FROM PAGE_LATERAL
	       " AND seq < $3 AND seq > $5 ORDER BY seq LIMIT $4) e ON true WHERE d.is_only ORDER BY e.seq",
};

static const struct pg_query query_range = {
	.name = "range",
	.sql = "SELECT " RECORD_ROWS_TICKET_COLUMNS
	       ", " RECORD_ROWS_EVENT_COLUMNS RECORD_ROWS_TICKET_FROM
	       " LEFT JOIN LATERAL (SELECT * FROM bellhop.event_now WHERE ticket_id = $1"
	       " AND seq >= $2 AND seq <= $3 ORDER BY seq LIMIT $4) e ON true WHERE d.is_only ORDER BY e.seq",
};

static const struct pg_query query_tail = {
	.name = "tail",
	.sql = "SELECT " RECORD_ROWS_TICKET_COLUMNS
	       ", " RECORD_ROWS_EVENT_COLUMNS RECORD_ROWS_TICKET_FROM
	       " LEFT JOIN LATERAL (SELECT * FROM bellhop.event_now WHERE ticket_id = $1"
	       " ORDER BY seq DESC LIMIT $2) e ON true WHERE d.is_only ORDER BY e.seq",
};

static int clamp_limit(int limit)
{
	if (limit < 1)
		return 1;
	return limit < RECORD_LIMIT_MAX ? limit : RECORD_LIMIT_MAX;
}

void record_put_page(struct pg_stmt *stmt, const struct record_page_query *query)
{
	pg_stmt_init(stmt, query->after >= 0 ? &query_page_up : &query_page_down);
	pg_stmt_text(stmt, query->ticket);
	pg_stmt_bool(stmt, query->is_staff);
	pg_stmt_int(stmt, query->before > 0 ? query->before : INT64_MAX);
	pg_stmt_int(stmt, clamp_limit(query->limit));
	if (query->after >= 0)
		pg_stmt_int(stmt, query->after);
}

void record_put_range(struct pg_stmt *stmt, const struct record_range_query *query)
{
	pg_stmt_init(stmt, &query_range);
	pg_stmt_text(stmt, query->ticket);
	pg_stmt_int(stmt, query->from);
	pg_stmt_int(stmt, query->to);
	pg_stmt_int(stmt, clamp_limit(query->limit));
}

void record_put_event(struct pg_stmt *stmt, struct str ticket, int64_t seq)
{
	record_put_range(stmt, &(struct record_range_query){
				       .ticket = ticket, .from = seq, .to = seq, .limit = 1});
}

void record_put_tail(struct pg_stmt *stmt, struct str ticket, int count)
{
	pg_stmt_init(stmt, &query_tail);
	pg_stmt_text(stmt, ticket);
	pg_stmt_int(stmt, clamp_limit(count));
}

int record_parse_events(const PGresult *result, struct str ticket, struct record_events *events_r)
{
	struct record_events events = {0};
	struct pg_row r = pg_row_of(result, 0);
	size_t rows = (size_t)PQntuples(result);

	record_rows_ticket(&r, &events.ticket);
	/* The ticket's columns are on every row, also on the one row that has no event. */
	if (r.failed || pg_row_is_null(&r)) {
		*events_r = events;
		return r.failed ? -1 : 0;
	}
	events.events = calloc(rows, sizeof(*events.events));
	if (events.events == NULL)
		return -1;
	for (; events.count < rows; events.count++) {
		r = pg_row_of(result, (int)events.count);
		pg_row_skip(&r, RECORD_ROWS_TICKET_COUNT);
		record_rows_event(&r, ticket, events.ticket.epoch, &events.events[events.count]);
		if (r.failed) {
			record_events_deinit(&events);
			return -1;
		}
	}
	*events_r = events;
	return 0;
}

void record_events_deinit(struct record_events *events)
{
	free(events->events);
	events->events = NULL;
	events->count = 0;
}

/* ---- many tickets ---- */

/* The tickets' rows are asked first: where nothing has happened that is all. */
static const struct pg_query query_watch = {
	.name = "watch",
	.sql = "SELECT d.epoch, e.ticket_id, " RECORD_ROWS_EVENT_COLUMNS
	       " FROM bellhop.deployment d LEFT JOIN"
	       " (unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS w(ticket_id, seq, place)"
	       "  JOIN bellhop.ticket t ON t.ticket_id = w.ticket_id AND t.last_seq > w.seq"
	       "  CROSS JOIN LATERAL (SELECT * FROM bellhop.event_now n WHERE n.ticket_id = w.ticket_id"
	       "   AND n.seq > w.seq ORDER BY n.seq LIMIT $3) e)"
	       " ON true WHERE d.is_only ORDER BY w.place, e.seq",
};

void record_put_watch(struct pg_stmt *stmt, const struct str *tickets, const int64_t *seqs,
		      size_t count, int limit)
{
	pg_stmt_init(stmt, &query_watch);
	pg_stmt_text_array(stmt, tickets, count);
	pg_stmt_int_array(stmt, seqs, count);
	pg_stmt_int(stmt, clamp_limit(limit));
}

int record_parse_watch(const PGresult *result, struct record_watched *watched_r)
{
	struct record_watched watched = {0};
	struct pg_row r = pg_row_of(result, 0);
	size_t rows = (size_t)PQntuples(result);

	watched.epoch = pg_row_int(&r);
	if (r.failed || watched.epoch < 1)
		return -1;
	if (pg_row_is_null(&r)) {
		*watched_r = watched;
		return 0;
	}
	watched.events = calloc(rows, sizeof(*watched.events));
	if (watched.events == NULL)
		return -1;
	for (; watched.count < rows; watched.count++) {
		struct str ticket;

		r = pg_row_of(result, (int)watched.count);
		pg_row_skip(&r, 1);
		ticket = pg_row_str(&r);
		record_rows_event(&r, ticket, watched.epoch, &watched.events[watched.count]);
		if (r.failed) {
			record_watched_deinit(&watched);
			return -1;
		}
	}
	*watched_r = watched;
	return 0;
}

void record_watched_deinit(struct record_watched *watched)
{
	free(watched->events);
	watched->events = NULL;
	watched->count = 0;
}

/* now() is when the statement began, before it could see anything: see RECORD_OVERLAP_MS. */
static const struct pg_query query_sweep = {
	.name = "sweep",
	.sql = "SELECT d.epoch, now(), s.ticket_id, s.first_seq, s.last_seq, e.uid"
	       " FROM bellhop.deployment d LEFT JOIN bellhop.sweep($1) s ON true"
	       " LEFT JOIN bellhop.event e ON e.ticket_id = s.ticket_id AND e.seq = s.last_seq"
	       " WHERE d.is_only",
};

void record_put_sweep(struct pg_stmt *stmt, int64_t since_us)
{
	pg_stmt_init(stmt, &query_sweep);
	pg_stmt_time(stmt, since_us);
}

int record_parse_sweep(const PGresult *result, struct record_sweep *sweep_r)
{
	struct pg_row r = pg_row_of(result, 0);
	struct record_sweep sweep = {0};

	sweep.epoch = pg_row_int(&r);
	sweep.now_us = pg_row_time_us(&r);
	if (!pg_row_is_null(&r))
		sweep.count = (size_t)PQntuples(result);
	if (r.failed || sweep.epoch < 1)
		return -1;
	*sweep_r = sweep;
	return 0;
}

int record_parse_swept(const PGresult *result, size_t i, struct record_swept *swept_r)
{
	struct pg_row r = pg_row_of(result, (int)i);
	struct record_swept swept;

	pg_row_skip(&r, 2);
	swept.ticket = pg_row_str(&r);
	swept.first_seq = pg_row_int(&r);
	swept.last_seq = pg_row_int(&r);
	swept.last_uid = pg_row_str(&r);
	if (r.failed || swept.ticket.p == NULL || swept.last_seq < swept.first_seq)
		return -1;
	*swept_r = swept;
	return 0;
}

static const struct pg_query query_tails = {
	.name = "tails",
	.sql = "SELECT t.ticket_id, t.last_seq FROM unnest($1::text[]) AS w(ticket_id)"
	       " JOIN bellhop.ticket t ON t.ticket_id = w.ticket_id",
};

void record_put_tails(struct pg_stmt *stmt, const struct str *tickets, size_t count)
{
	pg_stmt_init(stmt, &query_tails);
	pg_stmt_text_array(stmt, tickets, count);
}

size_t record_count_tails(const PGresult *result)
{
	return (size_t)PQntuples(result);
}

int record_parse_tail(const PGresult *result, size_t i, struct str *ticket_r, int64_t *last_seq_r)
{
	struct pg_row r = pg_row_of(result, (int)i);
	struct str ticket = pg_row_str(&r);
	int64_t last_seq = pg_row_int(&r);

	if (r.failed || ticket.p == NULL)
		return -1;
	*ticket_r = ticket;
	*last_seq_r = last_seq;
	return 0;
}

/* ---- the deployment ---- */

void record_put_deployment(struct pg_stmt *stmt)
{
	pg_stmt_init(stmt, &pg_sql_deployment);
}

/* Repeating these two changes nothing more: a lost answer is not an uncertain one. */
static const struct pg_query query_epoch_bump = {
	.name = "epoch_bump",
	.sql = "SELECT epoch, partitions, is_timeline_new, is_epoch_new FROM bellhop.epoch_bump($1)",
};

void record_put_epoch_bump(struct pg_stmt *stmt, int64_t epoch)
{
	pg_stmt_init(stmt, &query_epoch_bump);
	pg_stmt_int(stmt, epoch);
}

static const struct pg_query query_timeline = {
	.name = "timeline",
	.sql = "SELECT epoch, partitions, is_timeline_new, is_epoch_new FROM bellhop.timeline_adopt()",
};

void record_put_timeline(struct pg_stmt *stmt)
{
	pg_stmt_init(stmt, &query_timeline);
}
