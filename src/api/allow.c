/* SPDX-License-Identifier: BSD-2-Clause */
/* May the caller act on the ticket? */
#include "config.h"

#include "api/allow.h"

#include "api/call.h"
#include "chat/access.h"

/* ERR_NONE and what the record says. */
static enum err ask_record(struct call *call, enum access_membership *membership_r)
{
	struct record_opened opened;
	struct pg_stmt stmt;
	PGresult *result = NULL;
	enum err err;

	record_put_access(&stmt, call_ticket(call), call->who.user_id);
	err = stores_pg(call->stores, &stmt, stores_pg_deadline(call->stores), &result);
	if (err == ERR_NONE && record_parse_open(result, &opened) != 0)
		err = ERR_PROTOCOL;
	if (err == ERR_NONE) {
		*membership_r = access_from_record(opened.membership);
		stores_learn_epoch(call->stores, opened.ticket.epoch);
	}
	PQclear(result);
	pg_stmt_deinit(&stmt);
	return err;
}

static enum access_membership ask_window(struct call *call)
{
	struct stores_window window;
	enum access_membership membership;

	stores_window_load(call->stores, call_ticket(call), call->who.user_id, &window);
	membership =
		access_from_window(window.open.role, window.is_usable && window.open.knows_people);
	stores_window_deinit(&window);
	return membership;
}

int allow_ticket(struct call *call)
{
	const struct str ticket = call_ticket(call);
	enum access_membership membership = ACCESS_UNASKED;
	enum access_verdict verdict = access_decide(&call->who, ticket, membership);

	if (verdict == ACCESS_ASK) {
		membership = ask_window(call);
		verdict = access_decide(&call->who, ticket, membership);
	}
	if (verdict == ACCESS_ASK) {
		switch (ask_record(call, &membership)) {
		case ERR_NONE:
			verdict = access_decide(&call->who, ticket, membership);
			break;
		case ERR_MEMORY:
			call_refuse(call, PROBLEM_INTERNAL, NULL);
			return -1;
		default:
			call_refuse_unavailable(call, "the record is away");
			return -1;
		}
	}
	if (verdict == ACCESS_YES)
		return 0;
	call_refuse(call, PROBLEM_NOT_A_PARTICIPANT, NULL);
	return -1;
}
