/* SPDX-License-Identifier: BSD-2-Clause */
/* What handlers say often. */
#include "config.h"

#include "api/call.h"

#include "web/json_write.h"

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

int call_if_match(struct call *call, int64_t min, const char *detail, int64_t *number_r)
{
	struct str tag = call->request.if_match;

	*number_r = -1;
	if (tag.p == NULL)
		return 0;
	if (tag.n >= 2 && tag.p[0] == '"' && tag.p[tag.n - 1] == '"') {
		tag = (struct str){tag.p + 1, tag.n - 2};
		if (str_to_i64(tag, min, INT64_MAX, number_r) == 0)
			return 0;
	}
	call_refuse(call, PROBLEM_BAD_REQUEST, detail);
	return -1;
}

void call_answer_message(struct call *call, int status, const struct ticket_event *event)
{
	struct json_write j;

	reply_json(&call->reply, status);
	json_write_init(&j, &call->reply.body);
	message_json(&j, event, call_viewer(call));
	if (json_write_finish(&j) != 0)
		call_refuse(call, PROBLEM_INTERNAL, NULL);
}
