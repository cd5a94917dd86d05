/* SPDX-License-Identifier: BSD-2-Clause */
/* What handlers say often. */
#include "config.h"

#include "api/call.h"

void call_refuse(struct call *call, enum problem problem, const char *detail)
{
	reply_problem_simple(&call->reply, problem, detail);
}

void call_refuse_field(struct call *call, const char *pointer, const char *message)
{
	const struct reply_error error = {.pointer = pointer, .message = message};
	const struct reply_problem problem = {
		.problem = PROBLEM_INVALID_FIELD, .errors = &error, .n_errors = 1};

	reply_problem(&call->reply, &problem);
}

void call_refuse_unavailable(struct call *call, const char *detail)
{
	const struct reply_problem problem = {
		.problem = PROBLEM_UNAVAILABLE, .detail = detail, .retry_after_s = 3};

	reply_problem(&call->reply, &problem);
}

struct str call_ticket(const struct call *call)
{
	return str_of(call->route.ticket);
}

enum message_viewer call_viewer(const struct call *call)
{
	return authn_identity_is_staff(&call->who) ? MESSAGE_FOR_STAFF : MESSAGE_FOR_PUBLIC;
}

enum record_grant call_grant(const struct call *call)
{
	if (call->who.role == ROLE_SERVICE || call->who.role == ROLE_ADMIN)
		return RECORD_GRANT_ALL;
	return authn_identity_grants(&call->who, call_ticket(call)) ? RECORD_GRANT_CLAIM
								    : RECORD_GRANT_NONE;
}
