/* SPDX-License-Identifier: BSD-2-Clause */
/* What handlers say often. */
#include "config.h"

#include "api/call.h"

#include "chat/access.h"
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

void call_refuse_failure(struct call *call, enum err err, const char *detail)
{
	if (err == ERR_INVALID || err == ERR_PROTOCOL || err == ERR_MEMORY)
		call_refuse(call, PROBLEM_INTERNAL, NULL);
	else
		call_refuse_unavailable(call, detail);
}

void call_refuse_identity(struct call *call, const struct authn_refusal *refusal)
{
	const struct reply_problem problem = {.problem = refusal->problem,
					      .detail = refusal->detail,
					      .bad_credentials = refusal->bad_credentials};

	reply_problem(&call->reply, &problem);
}

int call_check_revoked(struct call *call, const struct identity *who)
{
	static const struct authn_refusal revoked = {
		.problem = PROBLEM_TOKEN_REVOKED,
		.detail = "the token was revoked",
		.bad_credentials = true,
	};

	switch (revoked_look(call->revoked, who)) {
	case REVOKED_NO:
		return 0;
	case REVOKED_YES:
		call_refuse_identity(call, &revoked);
		break;
	case REVOKED_UNKNOWN:
		call_refuse_unavailable(call, "the list of revoked tokens cannot be read");
		break;
	}
	return -1;
}

int call_read_id(struct call *call, const char *pointer, bool is_id(struct str), struct str *id_r)
{
	const struct json_read_value *value =
		json_read_find(json_read_root(call->json), pointer + 1);

	*id_r = (struct str){0};
	if (value == NULL || json_read_is_null(value))
		return 0;
	*id_r = json_read_str(value);
	if (json_read_is_string(value) && is_id(*id_r))
		return 0;
	call_refuse_field(call, pointer, "is none");
	return -1;
}

struct str call_ticket(const struct call *call)
{
	return str_of(call->route.ticket);
}

enum message_viewer call_viewer(const struct call *call)
{
	return access_viewer(&call->who);
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

struct ticket_event call_open(struct call *call, const struct ticket_event *event)
{
	return seal_reader_event(&call->texts, event);
}

void call_answer_message(struct call *call, int status, const struct ticket_event *event)
{
	const struct ticket_event opened = call_open(call, event);
	struct json_write j;

	reply_json(&call->reply, status);
	json_write_init(&j, &call->reply.body);
	message_json(&j, &opened, call_viewer(call));
	if (json_write_finish(&j) != 0)
		call_refuse(call, PROBLEM_INTERNAL, NULL);
}
