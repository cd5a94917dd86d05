/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of routes, and the checks that come before every handler. */
#include "config.h"

#include "api/dispatch.h"

#include "api/allow.h"
#include "api/contract.h"
#include "api/h_edits.h"
#include "api/h_health.h"
#include "api/h_history.h"
#include "api/h_inbox.h"
#include "api/h_messages.h"
#include "api/h_participants.h"
#include "api/h_presence.h"
#include "api/h_read.h"
#include "api/h_revocations.h"
#include "api/h_session.h"
#include "api/h_ticket.h"
#include "api/h_typing.h"
#include "base/clock.h"

enum needs {
	NEEDS_IDENTITY = 1 << 0,
	NEEDS_STAFF = 1 << 1,
	NEEDS_JSON = 1 << 2, /* takes a JSON object as its body */
	/* Somebody's call counts as one of LIMITS_CALLS where its row says nothing else. */
	COUNTS_AS_SEND = 1 << 3,
	COUNTS_NOT = 1 << 4,
	NEEDS_BEARER = 1 << 5, /* of identities, a Bearer token */
	TAKES_JSON = 1 << 6,   /* a body may be missing; else as NEEDS_JSON */
	TAKES_NOBODY = 1 << 7, /* with NEEDS_IDENTITY: a session that is over will do */
};

/* The limit on bodies is for people. A service is held by what the web servers let through. */
enum { SERVICE_BODY_MAX = 1024 * 1024 };

struct handler {
	void (*run)(struct call *call);
	unsigned needs;
};

enum {
	ROUTE_SEND,
	ROUTE_HISTORY,
	ROUTE_MESSAGE,
	ROUTE_EDIT,
	ROUTE_DELETE,
	ROUTE_REVISIONS,
	ROUTE_SYSTEM_MESSAGE,
	ROUTE_LIST,
	ROUTE_CARD,
	ROUTE_CARD_WRITE,
	ROUTE_PARTICIPANTS,
	ROUTE_PARTICIPANT_PUT,
	ROUTE_PARTICIPANT_REMOVE,
	ROUTE_PRESENCE,
	ROUTE_PRESENCE_WRITE,
	ROUTE_PRESENCE_ONLINE,
	ROUTE_ROSTER,
	ROUTE_REVOKE,
	ROUTE_SESSION_BEGIN,
	ROUTE_SESSION,
	ROUTE_SESSION_END,
	ROUTE_SESSION_REFRESH,
	ROUTE_READ,
	ROUTE_RECEIPTS,
	ROUTE_UNREAD,
	ROUTE_TYPING,
	ROUTE_TYPING_SAY,
	ROUTE_HEALTHZ,
	ROUTE_READYZ,
	ROUTE_HEALTH_REDIS,
	ROUTE_AUTH,
	ROUTE_CONTRACT,
	ROUTE_COUNT
};

/* In the order of the enum. */
static const struct route routes[ROUTE_COUNT] = {
	{ROUTE_SEND, REQUEST_POST, "/v1/tickets/{ticket}/messages"},
	{ROUTE_HISTORY, REQUEST_GET, "/v1/tickets/{ticket}/messages"},
	{ROUTE_MESSAGE, REQUEST_GET, "/v1/tickets/{ticket}/messages/{seq}"},
	{ROUTE_EDIT, REQUEST_PATCH, "/v1/tickets/{ticket}/messages/{seq}"},
	{ROUTE_DELETE, REQUEST_DELETE, "/v1/tickets/{ticket}/messages/{seq}"},
	{ROUTE_REVISIONS, REQUEST_GET, "/v1/tickets/{ticket}/messages/{seq}/revisions"},
	{ROUTE_SYSTEM_MESSAGE, REQUEST_POST, "/v1/tickets/{ticket}/system-messages"},
	{ROUTE_LIST, REQUEST_GET, "/v1/tickets"},
	{ROUTE_CARD, REQUEST_GET, "/v1/tickets/{ticket}"},
	{ROUTE_CARD_WRITE, REQUEST_PUT, "/v1/tickets/{ticket}"},
	{ROUTE_PARTICIPANTS, REQUEST_GET, "/v1/tickets/{ticket}/participants"},
	{ROUTE_PARTICIPANT_PUT, REQUEST_PUT, "/v1/tickets/{ticket}/participants/{user}"},
	{ROUTE_PARTICIPANT_REMOVE, REQUEST_DELETE, "/v1/tickets/{ticket}/participants/{user}"},
	{ROUTE_PRESENCE, REQUEST_GET, "/v1/presence"},
	{ROUTE_PRESENCE_WRITE, REQUEST_PUT, "/v1/presence"},
	{ROUTE_PRESENCE_ONLINE, REQUEST_GET, "/v1/presence/online"},
	{ROUTE_ROSTER, REQUEST_GET, "/v1/tickets/{ticket}/presence"},
	{ROUTE_REVOKE, REQUEST_POST, "/v1/revocations"},
	{ROUTE_SESSION_BEGIN, REQUEST_POST, "/v1/session"},
	{ROUTE_SESSION, REQUEST_GET, "/v1/session"},
	{ROUTE_SESSION_END, REQUEST_DELETE, "/v1/session"},
	{ROUTE_SESSION_REFRESH, REQUEST_POST, "/v1/session/refresh"},
	{ROUTE_READ, REQUEST_PUT, "/v1/tickets/{ticket}/read"},
	{ROUTE_RECEIPTS, REQUEST_GET, "/v1/tickets/{ticket}/receipts"},
	{ROUTE_UNREAD, REQUEST_GET, "/v1/unread"},
	{ROUTE_TYPING, REQUEST_GET, "/v1/tickets/{ticket}/typing"},
	{ROUTE_TYPING_SAY, REQUEST_POST, "/v1/tickets/{ticket}/typing"},
	{ROUTE_HEALTHZ, REQUEST_GET, "/v1/healthz"},
	{ROUTE_READYZ, REQUEST_GET, "/v1/readyz"},
	{ROUTE_HEALTH_REDIS, REQUEST_GET, "/v1/health/redis"},
	{ROUTE_AUTH, REQUEST_GET, "/v1/auth"},
	{ROUTE_CONTRACT, REQUEST_GET, "/v1/openapi.yaml"},
};

static const struct handler handlers[ROUTE_COUNT] = {
	[ROUTE_SEND] = {h_messages_send, NEEDS_IDENTITY | NEEDS_JSON | COUNTS_AS_SEND},
	[ROUTE_HISTORY] = {h_history_page, NEEDS_IDENTITY},
	[ROUTE_MESSAGE] = {h_history_message, NEEDS_IDENTITY},
	[ROUTE_EDIT] = {h_edits_edit, NEEDS_IDENTITY | NEEDS_JSON},
	[ROUTE_DELETE] = {h_edits_delete, NEEDS_IDENTITY},
	[ROUTE_REVISIONS] = {h_edits_revisions, NEEDS_IDENTITY},
	[ROUTE_SYSTEM_MESSAGE] = {h_messages_send_system,
				  NEEDS_IDENTITY | NEEDS_STAFF | NEEDS_JSON | COUNTS_AS_SEND},
	[ROUTE_LIST] = {h_inbox_list, NEEDS_IDENTITY},
	[ROUTE_CARD] = {h_ticket_read, NEEDS_IDENTITY},
	[ROUTE_CARD_WRITE] = {h_ticket_write, NEEDS_IDENTITY | NEEDS_STAFF | NEEDS_JSON},
	[ROUTE_PARTICIPANTS] = {h_participants_list, NEEDS_IDENTITY},
	[ROUTE_PARTICIPANT_PUT] = {h_participants_put, NEEDS_IDENTITY | NEEDS_STAFF | NEEDS_JSON},
	[ROUTE_PARTICIPANT_REMOVE] = {h_participants_remove, NEEDS_IDENTITY | NEEDS_STAFF},
	[ROUTE_PRESENCE] = {h_presence_read, NEEDS_IDENTITY},
	[ROUTE_PRESENCE_WRITE] = {h_presence_put, NEEDS_IDENTITY | NEEDS_JSON},
	[ROUTE_PRESENCE_ONLINE] = {h_presence_online, NEEDS_IDENTITY | NEEDS_STAFF},
	[ROUTE_ROSTER] = {h_presence_roster, NEEDS_IDENTITY},
	[ROUTE_REVOKE] = {h_revocations_add, NEEDS_IDENTITY | NEEDS_JSON},
	[ROUTE_SESSION_BEGIN] = {h_session_begin, NEEDS_IDENTITY | NEEDS_BEARER},
	[ROUTE_SESSION] = {h_session_read, NEEDS_IDENTITY},
	[ROUTE_SESSION_END] = {h_session_end, NEEDS_IDENTITY | TAKES_NOBODY},
	[ROUTE_SESSION_REFRESH] = {h_session_refresh, NEEDS_IDENTITY | NEEDS_BEARER | TAKES_JSON},
	[ROUTE_READ] = {h_read_put, NEEDS_IDENTITY | NEEDS_JSON},
	[ROUTE_RECEIPTS] = {h_read_receipts, NEEDS_IDENTITY},
	[ROUTE_UNREAD] = {h_read_unread, NEEDS_IDENTITY},
	[ROUTE_TYPING] = {h_typing_read, NEEDS_IDENTITY},
	[ROUTE_TYPING_SAY] = {h_typing_say, NEEDS_IDENTITY | NEEDS_JSON},
	[ROUTE_HEALTHZ] = {h_health_alive, 0},
	[ROUTE_READYZ] = {h_health_ready, 0},
	[ROUTE_HEALTH_REDIS] = {h_health_redis, NEEDS_IDENTITY | NEEDS_STAFF},
	/* Asked for each page of the host application: not the user's doing, and it costs next to nothing. */
	[ROUTE_AUTH] = {h_health_auth, NEEDS_IDENTITY | COUNTS_NOT},
	[ROUTE_CONTRACT] = {contract_read, 0},
};

static int find_route(struct call *call)
{
	const struct request *q = &call->request;
	struct reply_problem problem = {.problem = PROBLEM_METHOD_NOT_ALLOWED};

	switch (route_find(routes, ROUTE_COUNT, str_of(conf_str(call->conf, CONF_BASE_PATH)),
			   q->method, q->path, &call->route)) {
	case ROUTE_FOUND:
		call->pattern = routes[call->route.id].pattern;
		call->log.ticket = str_of(call->route.ticket);
		return 0;
	case ROUTE_BAD_METHOD:
		if (cors_is_preflight(&call->gate->cors, q)) {
			cors_preflight(&call->reply, call->route.allowed);
			return -1;
		}
		problem.allowed = call->route.allowed;
		reply_problem(&call->reply, &problem);
		return -1;
	case ROUTE_NOT_FOUND:
		break;
	}
	call_refuse(call, PROBLEM_NOT_FOUND, NULL);
	return -1;
}

/*
 * Whoever wants to end a session that is over gets what he wants. The page that asks has to be one that may,
 * although there is no session whose token it could show.
 */
static int admit_nobody(struct call *call, struct authn_refusal *refusal)
{
	authn_identity_deinit(&call->who);
	call->who.via = AUTHN_COOKIE;
	call->log.user = (struct str){0};
	if (authn_check_listen(&call->gate->authn, &call->request, &call->who, refusal) == 0)
		return 0;
	call_refuse_identity(call, refusal);
	return -1;
}

/* Is it the session alone, where one has to be ended, that is refused? */
static bool is_over(const struct call *call, unsigned needs)
{
	return (needs & TAKES_NOBODY) != 0 && call->request.authorization.p == NULL &&
	       authn_token(&call->request, AUTHN_COOKIE).p != NULL;
}

static enum limits_policy policy_of(const struct handler *handler)
{
	if ((handler->needs & COUNTS_NOT) != 0)
		return LIMITS_NONE;
	return (handler->needs & COUNTS_AS_SEND) != 0 ? LIMITS_SENDS : LIMITS_CALLS;
}

/* 0, or -1 after a refusal. */
static int check_limit(struct call *call, enum limits_policy policy)
{
	const struct limits *limits = &call->gate->limits;
	struct reply_problem problem = {.problem = PROBLEM_RATE_LIMITED};

	if (!limits_apply(limits, policy, &call->who))
		return 0;
	limiter_count(call->limiter, limits, policy, &call->log, &call->limit);
	if (!call->limit.is_refused)
		return 0;
	problem.detail = call->limit.detail;
	problem.retry_after_s = call->limit.retry_after_s;
	reply_problem(&call->reply, &problem);
	return -1;
}

static int identify(struct call *call, unsigned needs)
{
	static const struct authn_refusal no_bearer = {
		.problem = PROBLEM_UNAUTHENTICATED,
		.detail = "this takes a Bearer token, and nothing else for one",
	};
	const struct authn *authn = &call->gate->authn;
	struct authn_refusal refusal;

	if (authn_identify(authn, &call->request, clock_real_ms(), &call->who, &refusal) != 0) {
		if (is_over(call, needs) && refusal.problem != PROBLEM_INTERNAL)
			return admit_nobody(call, &refusal);
		call_refuse_identity(call, &refusal);
		return -1;
	}
	call->log.user = call->who.user_id;
	if (is_over(call, needs) && revoked_look(call->revoked, &call->who) == REVOKED_YES)
		return admit_nobody(call, &refusal);
	if (call_check_revoked(call, &call->who) != 0)
		return -1;
	if ((needs & NEEDS_BEARER) != 0 && call->who.via != AUTHN_BEARER) {
		call_refuse_identity(call, &no_bearer);
		return -1;
	}
	/* Whatever the method does not say to be safe (RFC 9110, section 9.2.1) changes something. */
	if ((call->request.method & (REQUEST_GET | REQUEST_HEAD)) == 0 &&
	    authn_check_write(authn, &call->request, &call->who, &refusal) != 0) {
		call_refuse_identity(call, &refusal);
		return -1;
	}
	return 0;
}

/* A page of another site, which check_write refuses, cannot use up its visitor's limits. */
static int admit_caller(struct call *call, const struct handler *handler)
{
	if (identify(call, handler->needs) != 0)
		return -1;
	if (call->who.user_id.p != NULL && check_limit(call, policy_of(handler)) != 0)
		return -1;
	if ((handler->needs & NEEDS_STAFF) != 0 && !authn_identity_is_staff(&call->who)) {
		allow_refuse_role(call, "this is for staff");
		return -1;
	}
	return 0;
}

static int check_body(struct call *call)
{
	switch (call->body_state) {
	case INTAKE_BODY_WHOLE:
		return 0;
	case INTAKE_BODY_SHORT:
		call_refuse(call, PROBLEM_BAD_REQUEST,
			    "the body ended before Content-Length was reached");
		break;
	case INTAKE_BODY_LONG:
		call_refuse(call, PROBLEM_BAD_REQUEST, "the body is longer than Content-Length");
		break;
	case INTAKE_BODY_LARGE:
		call_refuse(call, PROBLEM_TOO_LARGE, "the body is larger than this server takes");
		break;
	case INTAKE_BODY_MEMORY:
		call_refuse(call, PROBLEM_INTERNAL, NULL);
		break;
	}
	return -1;
}

/* RFC 9110, section 8.3.1: parameters do not matter, JSON is always UTF-8. */
static bool is_json(struct str content_type)
{
	struct str type;

	return str_split(&content_type, ';', &type) &&
	       str_eq_nocase(str_trim(type), STR("application/json"));
}

static bool takes_json(const struct call *call, unsigned needs)
{
	return (needs & NEEDS_JSON) != 0 || ((needs & TAKES_JSON) != 0 && call->body->len > 0);
}

static int read_json(struct call *call)
{
	struct json_read_error error;
	char detail[160];

	if (!is_json(call->request.content_type)) {
		call_refuse(call, PROBLEM_UNSUPPORTED_MEDIA_TYPE,
			    "the body has to be application/json");
		return -1;
	}
	switch (json_read(buf_str(call->body), &call->json, &error)) {
	case JSON_READ_OK:
		break;
	case JSON_READ_BAD:
		snprintf(detail, sizeof(detail), "%s at byte %zu", error.reason, error.at);
		call_refuse(call, PROBLEM_BAD_JSON, detail);
		return -1;
	case JSON_READ_MEMORY:
		call_refuse(call, PROBLEM_INTERNAL, NULL);
		return -1;
	}
	if (!json_read_is_object(json_read_root(call->json))) {
		call_refuse_field(call, "", "has to be an object");
		return -1;
	}
	return 0;
}

bool dispatch_admit(struct call *call, enum problem fault, const char *detail)
{
	const struct handler *handler;

	if (fault != PROBLEM_NONE) {
		call_refuse(call, fault, detail);
		return false;
	}
	if (find_route(call) != 0)
		return false;
	handler = &handlers[call->route.id];
	return (handler->needs & NEEDS_IDENTITY) == 0 || admit_caller(call, handler) == 0;
}

size_t dispatch_body_limit(const struct call *call)
{
	size_t limit = (size_t)conf_int(call->conf, CONF_LIMIT_BODY);

	if (limit != 0 && limit < SERVICE_BODY_MAX && call->who.role == ROLE_SERVICE)
		limit = SERVICE_BODY_MAX;
	return limit;
}

void dispatch(struct call *call)
{
	const struct handler *handler = &handlers[call->route.id];

	if (check_body(call) != 0)
		return;
	if (takes_json(call, handler->needs) && read_json(call) != 0)
		return;
	handler->run(call);
}
