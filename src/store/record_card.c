/* SPDX-License-Identifier: BSD-2-Clause */
/* The statements about cards and legal holds. */
#include "config.h"

#include "store/record_card.h"

#include "store/record_rows.h"

enum { CARD_COLUMN_COUNT = RECORD_ROWS_TICKET_COUNT + 4 };

/*
 * One row a participant, at least one. To the public a ticket's last activity is that of its public
 * events; where retention took the last of them, the ticket's beginning is all there is to tell. Of who joined by
 * a note, and of when, nothing is told.
 */
static const struct pg_query query_read = {
	.name = "card",
	.sql = "SELECT " RECORD_ROWS_TICKET_COLUMNS ","
	       " CASE WHEN $3::boolean OR t.ticket_id IS NULL THEN t.created_at"
	       "  ELSE bellhop.created_public_at(t) END,"
	       " CASE WHEN $3 THEN t.updated_at ELSE coalesce((SELECT e.sent_at"
	       "  FROM bellhop.event e WHERE e.ticket_id = $1 AND e.seq = t.last_public),"
	       "  t.created_at) END,"
	       " me.user_id IS NOT NULL, me.removed_at IS NOT NULL,"
	       " p.user_id, p.role, CASE WHEN $3 THEN p.joined_at ELSE p.public_at END AS since" RECORD_ROWS_TICKET_FROM
	       " LEFT JOIN bellhop.participant me ON me.ticket_id = $1 AND me.user_id = $2"
	       " LEFT JOIN bellhop.participant p ON p.ticket_id = $1 AND p.removed_at IS NULL"
	       "  AND ($3 OR p.public_at IS NOT NULL)"
	       " WHERE d.is_only ORDER BY since, p.user_id",
};

void record_card_put_read(struct pg_stmt *stmt, struct str ticket, struct str user, bool is_staff)
{
	pg_stmt_init(stmt, &query_read);
	pg_stmt_text(stmt, ticket);
	pg_stmt_text(stmt, user);
	pg_stmt_bool(stmt, is_staff);
}

int record_card_parse(const PGresult *result, struct record_card *card_r)
{
	struct pg_row r = pg_row_of(result, 0);
	struct record_card card = {0};
	bool is_member, is_removed;

	record_rows_ticket(&r, &card.ticket);
	card.created_at_ms = pg_row_time_ms(&r);
	card.active_at_ms = pg_row_time_ms(&r);
	is_member = pg_row_bool(&r);
	is_removed = pg_row_bool(&r);
	if (is_member)
		card.membership = is_removed ? RECORD_REMOVED : RECORD_MEMBER;
	if (!pg_row_is_null(&r))
		card.participants = (size_t)PQntuples(result);
	if (r.failed)
		return -1;
	*card_r = card;
	return 0;
}

int record_card_parse_participant(const PGresult *result, size_t i,
				  struct record_participant *participant_r)
{
	struct pg_row r = pg_row_of(result, (int)i);
	struct record_participant participant;

	pg_row_skip(&r, CARD_COLUMN_COUNT);
	participant.user = pg_row_str(&r);
	participant.role = pg_row_str(&r);
	participant.joined_at_ms = pg_row_time_ms(&r);
	participant.is_public = true;
	if (r.failed || participant.user.p == NULL || participant.role.p == NULL)
		return -1;
	*participant_r = participant;
	return 0;
}

/* The function's own row under the name that the list of columns uses. */
static const struct pg_query query_change = {
	.name = "card_put",
	.sql = "SELECT c.outcome, c.o_epoch, " RECORD_ROWS_EVENT_COLUMNS
	       " FROM bellhop.card_put($1::text, $2::text, $3::integer, $4::text, $5::boolean,"
	       " $6::text) c CROSS JOIN LATERAL (SELECT (c.o_event).*) e",
	.is_write = true,
};

void record_card_put_change(struct pg_stmt *stmt, const struct record_card_change *change)
{
	pg_stmt_init(stmt, &query_change);
	pg_stmt_text(stmt, change->ticket);
	pg_stmt_text(stmt, change->user);
	pg_stmt_int(stmt, change->grant);
	pg_stmt_text(stmt, change->status);
	pg_stmt_bool(stmt, change->sets_title);
	pg_stmt_text(stmt, change->title);
}

int record_card_parse_change(const PGresult *result, struct str ticket,
			     struct record_card_changed *changed_r)
{
	struct pg_row r = pg_row_of(result, 0);
	struct record_card_changed changed = {0};

	changed.outcome = (enum record_card_outcome)pg_row_letter(&r);
	changed.epoch = pg_row_int(&r);
	switch (changed.outcome) {
	case RECORD_CARD_CHANGED:
		record_rows_event(&r, ticket, changed.epoch, &changed.event);
		break;
	case RECORD_CARD_SAME:
	case RECORD_CARD_NOT_A_PARTICIPANT:
		break;
	default:
		return -1;
	}
	if (r.failed || changed.epoch < 1)
		return -1;
	*changed_r = changed;
	return 0;
}

/* Repeating it changes nothing more: a lost answer is not an uncertain one. */
static const struct pg_query query_hold = {
	.name = "hold_put",
	.sql = "SELECT bellhop.hold_put($1, $2)",
};

void record_card_put_hold(struct pg_stmt *stmt, struct str ticket, bool hold)
{
	pg_stmt_init(stmt, &query_hold);
	pg_stmt_text(stmt, ticket);
	pg_stmt_bool(stmt, hold);
}

int record_card_parse_hold(const PGresult *result, enum record_card_hold *hold_r)
{
	struct pg_row r = pg_row_of(result, 0);
	int letter = pg_row_letter(&r);

	if (r.failed || (letter != RECORD_CARD_HOLD_CHANGED && letter != RECORD_CARD_HOLD_SAME &&
			 letter != RECORD_CARD_HOLD_ABSENT))
		return -1;
	*hold_r = (enum record_card_hold)letter;
	return 0;
}
