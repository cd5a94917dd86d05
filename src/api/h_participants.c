/* SPDX-License-Identifier: BSD-2-Clause */
/* Who takes part in a ticket: told by the record, changed there, and the change pushed. */
#include "config.h"

#include "api/h_participants.h"

#include "api/call.h"
#include "base/clock.h"
#include "chat/access.h"
#include "store/record_people.h"
#include "web/json_write.h"

static void write_person(struct json_write *j, struct str user, struct str role,
			 int64_t joined_at_ms)
{
	char joined_at[CLOCK_TEXT_SIZE];

	clock_format(joined_at_ms, joined_at);
	json_write_member_str(j, "user_id", user);
	json_write_member_str(j, "role", role);
	json_write_member_cstr(j, "joined_at", joined_at);
}

/* ---- reading ---- */

int h_participants_json(struct json_write *j, const struct record_card *card,
			const PGresult *result)
{
	struct record_participant person;

	json_write_member_array(j, "participants");
	for (size_t i = 0; i < card->participants; i++) {
		if (record_card_parse_participant(result, i, &person) != 0)
			return -1;
		json_write_open_object(j);
		write_person(j, person.user, person.role, person.joined_at_ms);
		json_write_close(j);
	}
	json_write_close(j);
	return 0;
}

static void answer_list(struct call *call, const PGresult *result)
{
	struct record_card card;
	struct json_write j;
	int status;

	if (record_card_parse(result, &card) != 0) {
		call_refuse(call, PROBLEM_INTERNAL, NULL);
		return;
	}
	stores_learn_epoch(call->stores, card.ticket.epoch);
	if (access_decide(&call->who, call_ticket(call), access_from_record(card.membership)) !=
	    ACCESS_YES) {
		call_refuse(call, PROBLEM_NOT_A_PARTICIPANT, NULL);
		return;
	}
	reply_json(&call->reply, 200);
	json_write_init(&j, &call->reply.body);
	json_write_open_object(&j);
	status = h_participants_json(&j, &card, result);
	json_write_close(&j);
	if (json_write_finish(&j) != 0 || status != 0)
		call_refuse(call, PROBLEM_INTERNAL, NULL);
}

void h_participants_list(struct call *call)
{
	PGresult *result = NULL;
	struct pg_stmt stmt;
	enum err err;

	record_card_put_read(&stmt, call_ticket(call), call->who.user_id,
			     call_viewer(call) == MESSAGE_FOR_STAFF);
	err = stores_pg(call->stores, &stmt, stores_pg_deadline(call->stores), &result);
	if (err == ERR_NONE)
		answer_list(call, result);
	else
		call_refuse_failure(call, err, "the record is away");
	PQclear(result);
	pg_stmt_deinit(&stmt);
}

/* ---- changing ---- */

static void answer_person(struct call *call, const struct record_people_change *change,
			  int64_t joined_at_ms)
{
	struct json_write j;

	if (change->role.p == NULL) {
		reply_empty(&call->reply, 204);
		return;
	}
	reply_json(&call->reply, 200);
	json_write_init(&j, &call->reply.body);
	json_write_open_object(&j);
	json_write_member_str(&j, "ticket_id", change->ticket);
	write_person(&j, change->user, change->role, joined_at_ms);
	json_write_close(&j);
	if (json_write_finish(&j) != 0)
		call_refuse(call, PROBLEM_INTERNAL, NULL);
}

static void answer_change(struct call *call, const struct record_people_change *change,
			  const PGresult *result)
{
	struct record_people_changed changed;

	if (record_people_parse_change(result, change->ticket, &changed) != 0) {
		call_refuse(call, PROBLEM_INTERNAL, NULL);
		return;
	}
	stores_learn_epoch(call->stores, changed.epoch);
	switch (changed.outcome) {
	case RECORD_PEOPLE_CHANGED:
		stores_push(call->stores, &changed.event, (struct str){0}, &call->log);
		answer_person(call, change, changed.joined_at_ms);
		break;
	case RECORD_PEOPLE_SAME:
		/* Perhaps a repeat, which finds what the first try made, and that was not pushed yet. */
		stores_catch_up(call->stores, change->ticket, INT64_MAX);
		answer_person(call, change, changed.joined_at_ms);
		break;
	case RECORD_PEOPLE_NOT_A_PARTICIPANT:
		call_refuse(call, PROBLEM_NOT_A_PARTICIPANT, NULL);
		break;
	case RECORD_PEOPLE_ABSENT:
		call_refuse(call, PROBLEM_NOT_FOUND, "the ticket has not begun");
		break;
	}
}

/* role p NULL: removed. */
static void handle_change(struct call *call, struct str role)
{
	const struct record_people_change change = {
		.ticket = call_ticket(call),
		.by = call->who.user_id,
		.user = str_of(call->route.user),
		.role = role,
		.grant = call_grant(call),
	};
	PGresult *result = NULL;
	struct pg_stmt stmt;
	enum err err;

	record_people_put_change(&stmt, &change);
	err = stores_pg_repeatable(call->stores, &stmt, stores_pg_deadline(call->stores), &result,
				   NULL);
	if (err == ERR_NONE)
		answer_change(call, &change, result);
	else
		call_refuse_failure(call, err, "the participant may not be changed; ask again");
	PQclear(result);
	pg_stmt_deinit(&stmt);
}

void h_participants_put(struct call *call)
{
	const struct json_read_value *value = json_read_find(json_read_root(call->json), "role");
	enum role role;

	if (value == NULL)
		call_refuse_field(call, "/role", "is missing");
	else if (!json_read_is_string(value) || ids_role_find(json_read_str(value), &role) != 0)
		call_refuse_field(call, "/role",
				  "has to be \"requester\", \"agent\", \"service\" or \"admin\"");
	else
		handle_change(call, json_read_str(value));
}

void h_participants_remove(struct call *call)
{
	handle_change(call, (struct str){0});
}
