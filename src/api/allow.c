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

/* ACCESS_ASK: nobody can tell; why is in *err_r. */
static enum access_verdict ask(struct call *call, enum err *err_r)
{
	const struct str ticket = call_ticket(call);
	enum access_membership membership = ACCESS_UNASKED;
	enum access_verdict verdict = access_decide(&call->who, ticket, membership);

	*err_r = ERR_NONE;
	if (verdict == ACCESS_ASK) {
		membership = ask_window(call);
		verdict = access_decide(&call->who, ticket, membership);
	}
	if (verdict == ACCESS_ASK) {
		*err_r = ask_record(call, &membership);
		if (*err_r == ERR_NONE)
			verdict = access_decide(&call->who, ticket, membership);
	}
	return verdict;
}

int allow_ticket(struct call *call)
{
	enum err err;
	enum access_verdict verdict = ask(call, &err);

	if (verdict == ACCESS_YES)
		return 0;
	if (err == ERR_NONE)
		call_refuse(call, PROBLEM_NOT_A_PARTICIPANT, NULL);
	else if (err == ERR_MEMORY)
		call_refuse(call, PROBLEM_INTERNAL, NULL);
	else
		call_refuse_unavailable(call, "the record is away");
	return -1;
}

void allow_refuse_role(struct call *call, const char *detail)
{
	enum err err;

	if (call_ticket(call).n > 0 && ask(call, &err) == ACCESS_NO)
		call_refuse(call, PROBLEM_NOT_A_PARTICIPANT, NULL);
	else
		call_refuse(call, PROBLEM_FORBIDDEN, detail);
}
