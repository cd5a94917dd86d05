/* SPDX-License-Identifier: BSD-2-Clause */
/* The ticket's card: read from the record alone, changed there, and the change pushed. */
#include "config.h"

#include "api/h_ticket.h"

#include "api/call.h"
#include "api/h_participants.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "chat/access.h"
#include "store/record_card.h"
#include "web/json_write.h"

enum { TITLE_MAX = 512 };

/* ---- reading ---- */

static void write_time(struct json_write *j, const char *key, int64_t real_ms)
{
	char text[CLOCK_TEXT_SIZE];

	clock_format(real_ms, text);
	json_write_member_cstr(j, key, text);
}

static int write_card(struct call *call, const struct record_card *card, const PGresult *result)
{
	const struct record_ticket *ticket = &card->ticket;
	const bool is_staff = call_viewer(call) == MESSAGE_FOR_STAFF;
	struct json_write j;

	json_write_init(&j, &call->reply.body);
	json_write_open_object(&j);
	json_write_member_str(&j, "ticket_id", call_ticket(call));
	json_write_member_str(&j, "title", ticket->title);
	json_write_member_str(&j, "status", ticket->status);
	json_write_member_bool(&j, "hold", ticket->hold);
	write_time(&j, "created_at", card->created_at_ms);
	write_time(&j, "last_activity_at", card->active_at_ms);
	json_write_member_int(&j, "newest_seq", is_staff ? ticket->last_seq : ticket->last_public);
	if (h_participants_json(&j, card, result) != 0)
		return -1;
	json_write_close(&j);
	return json_write_finish(&j);
}

static void answer_card(struct call *call, const PGresult *result)
{
	struct record_card card;

	if (record_card_parse(result, &card) != 0) {
		call_refuse(call, PROBLEM_INTERNAL, NULL);
		return;
	}
	stores_learn_epoch(call->stores, card.ticket.epoch);
	if (access_decide(&call->who, call_ticket(call), access_from_record(card.membership)) !=
	    ACCESS_YES) {
		call_refuse(call, PROBLEM_NOT_A_PARTICIPANT, NULL);
	} else if (!card.ticket.is_begun ||
		   (call_viewer(call) != MESSAGE_FOR_STAFF && card.ticket.last_public == 0)) {
		call_refuse(call, PROBLEM_NOT_FOUND, "the ticket has not begun");
	} else {
		reply_json(&call->reply, 200);
		if (write_card(call, &card, result) != 0)
			call_refuse(call, PROBLEM_INTERNAL, NULL);
	}
}

void h_ticket_read(struct call *call)
{
	PGresult *result = NULL;
	struct pg_stmt stmt;
	enum err err;

	record_card_put_read(&stmt, call_ticket(call), call->who.user_id,
			     call_viewer(call) == MESSAGE_FOR_STAFF);
	err = stores_pg(call->stores, &stmt, stores_pg_deadline(call->stores), &result);
	if (err == ERR_NONE)
		answer_card(call, result);
	else
		call_refuse_failure(call, err, "the record is away");
	PQclear(result);
	pg_stmt_deinit(&stmt);
}

/* ---- changing ---- */

static bool is_title(struct str text)
{
	if (text.n == 0 || text.n > TITLE_MAX || !utf8_is_text(text))
		return false;
	for (size_t i = 0; i < text.n; i++) {
		if ((unsigned char)text.p[i] < ' ')
			return false;
	}
	return true;
}

/* Fills the change. 0, or -1 after a refusal. */
static int read_change(struct call *call, struct record_card_change *change)
{
	const struct json_read_value *root = json_read_root(call->json);
	const struct json_read_value *status = json_read_find(root, "status");
	const struct json_read_value *title = json_read_find(root, "title");

	if (status != NULL) {
		change->status = json_read_str(status);
		if (!json_read_is_string(status) ||
		    (!str_eq_c(change->status, "open") && !str_eq_c(change->status, "closed"))) {
			call_refuse_field(call, "/status", "has to be \"open\" or \"closed\"");
			return -1;
		}
	}
	if (title != NULL) {
		change->sets_title = true;
		change->title = json_read_str(title);
		if (!json_read_is_null(title) &&
		    (!json_read_is_string(title) || !is_title(change->title))) {
			call_refuse_field(call, "/title",
					  "has to be null, or 1 to 512 bytes of text on one line");
			return -1;
		}
	}
	return 0;
}

static void answer_change(struct call *call, const PGresult *result)
{
	struct record_card_changed changed;

	if (record_card_parse_change(result, call_ticket(call), &changed) != 0) {
		call_refuse(call, PROBLEM_INTERNAL, NULL);
		return;
	}
	stores_learn_epoch(call->stores, changed.epoch);
	if (changed.outcome == RECORD_CARD_NOT_A_PARTICIPANT) {
		call_refuse(call, PROBLEM_NOT_A_PARTICIPANT, NULL);
		return;
	}
	if (changed.outcome == RECORD_CARD_CHANGED)
		stores_push(call->stores, &changed.event, (struct str){0}, &call->log);
	else /* perhaps a repeat, which finds what the first try made, and that was not pushed yet */
		stores_catch_up(call->stores, call_ticket(call), INT64_MAX);
	h_ticket_read(call);
}

void h_ticket_write(struct call *call)
{
	struct record_card_change change = {
		.ticket = call_ticket(call),
		.user = call->who.user_id,
		.grant = call_grant(call),
	};
	PGresult *result = NULL;
	struct pg_stmt stmt;
	enum err err;

	if (read_change(call, &change) != 0)
		return;
	record_card_put_change(&stmt, &change);
	err = stores_pg_repeatable(call->stores, &stmt, stores_pg_deadline(call->stores), &result,
				   NULL);
	if (err == ERR_NONE)
		answer_change(call, result);
	else
		call_refuse_failure(call, err, "the card may not be changed; put it again");
	PQclear(result);
	pg_stmt_deinit(&stmt);
}
