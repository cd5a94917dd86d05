/* SPDX-License-Identifier: BSD-2-Clause */
/* The session's cookie holds a token and nothing else: the token is the session. */
#include "config.h"

#include "api/h_session.h"

#include <string.h>

#include "api/call.h"
#include "api/revoke.h"
#include "base/clock.h"
#include "chat/renewal.h"
#include "store/people.h"
#include "web/json_write.h"

/* ---- the cookie ---- */

static void set_cookie(struct call *call, struct str token, int64_t max_age_s)
{
	struct buf cookie = BUF_INIT;

	authn_put_cookie(&cookie, call->request.https, token, max_age_s);
	if (buf_ok(&cookie))
		reply_header(&call->reply, "Set-Cookie", buf_str(&cookie));
	else
		call->reply.head.failed = true;
	buf_deinit(&cookie);
}

static void clear_cookie(struct call *call)
{
	reply_empty(&call->reply, 204);
	set_cookie(call, STR(""), 0);
}

/* How long a token still lasts. 0, or -1 after a refusal of one that cannot be a session. */
static int look_at_token(struct call *call, struct str token, int64_t *left_s_r)
{
	const struct reply_problem over = {
		.problem = PROBLEM_TOKEN_EXPIRED,
		.detail = "the token is at its end",
		.bad_credentials = true,
	};

	if (strlen(authn_cookie_name(call->request.https)) + 1 + token.n > AUTHN_COOKIE_MAX) {
		call_refuse(call, PROBLEM_BAD_REQUEST,
			    "the token is longer than browsers keep in a cookie");
		return -1;
	}
	*left_s_r = (call->who.exp_ms - clock_real_ms()) / 1000;
	if (*left_s_r > 0)
		return 0;
	reply_problem(&call->reply, &over);
	return -1;
}

/* ---- what a session is ---- */

static void put_session(struct call *call, const struct identity *who, const char *csrf)
{
	char expires_at[CLOCK_TEXT_SIZE];
	struct json_write j;

	clock_format(who->exp_ms, expires_at);
	reply_json(&call->reply, 200);
	json_write_init(&j, &call->reply.body);
	json_write_open_object(&j);
	json_write_member_str(&j, "user_id", who->user_id);
	json_write_member_cstr(&j, "role", ids_role_text(who->role));
	json_write_member_cstr(&j, "expires_at", expires_at);
	json_write_member_cstr(&j, "csrf_token", csrf);
	json_write_close(&j);
	if (json_write_finish(&j) != 0)
		call_refuse(call, PROBLEM_INTERNAL, NULL);
}

/* The Bearer token is the session from now on. */
static void begin(struct call *call, struct str token, int64_t left_s)
{
	char csrf[AUTHN_CSRF_SIZE];

	(void)authn_csrf(call->gate->authn.secret, token, csrf);
	put_session(call, &call->who, csrf);
	set_cookie(call, token, left_s);
}

void h_session_begin(struct call *call)
{
	struct str token = authn_token(&call->request, AUTHN_BEARER);
	int64_t left_s;

	if (look_at_token(call, token, &left_s) == 0)
		begin(call, token, left_s);
}

/*
 * Whoever the cookie is. 0 with an identity that is the caller's, perhaps an empty one where the cookie is
 * none or not good any more, *refusal_r says why; -1 when out of memory, after a refusal.
 */
static int load_session(struct call *call, struct identity *session_r,
			struct authn_refusal *refusal_r)
{
	(void)authn_identify_session(&call->gate->authn, &call->request, clock_real_ms(), session_r,
				     refusal_r);
	if (refusal_r->problem != PROBLEM_INTERNAL)
		return 0;
	call_refuse(call, PROBLEM_INTERNAL, refusal_r->detail);
	return -1;
}

void h_session_read(struct call *call)
{
	struct authn_refusal refusal = {0};
	struct identity session;

	if (load_session(call, &session, &refusal) != 0)
		return;
	if (session.user_id.p == NULL)
		call_refuse_identity(call, &refusal);
	else if (call_check_revoked(call, &session) == 0)
		put_session(call, &session, session.csrf);
	authn_identity_deinit(&session);
}

/* ---- renewing ---- */

/* Who is not told has not to be: open streams then end with their token, and come back with the cookie. */
static void tell_streams(struct call *call, struct str replaced)
{
	struct buf payload = BUF_INIT, commands = BUF_INIT;
	redisReply *reply = NULL;

	renewal_put(&payload, &call->who, replaced);
	people_put_system(&commands, stores_prefix(call->stores), buf_str(&payload));
	if (buf_ok(&payload) &&
	    stores_redis(call->stores, &commands, 1, stores_redis_deadline(call->stores), &reply) ==
		    ERR_NONE)
		stores_redis_trouble(call->stores, hot_trouble(reply));
	redis_conn_release(&reply, 1);
	buf_deinit(&commands);
	buf_deinit(&payload);
}

/* The body's jti, absent where there is none. 0, or -1 after a refusal. */
static int read_jti(struct call *call, struct str *jti_r)
{
	*jti_r = (struct str){0};
	return call->json == NULL ? 0 : call_read_id(call, "/jti", ids_is_jti, jti_r);
}

static void refresh(struct call *call, const struct identity *session, struct str jti)
{
	struct str token = authn_token(&call->request, AUTHN_BEARER);
	struct str replaced = jti.p != NULL ? jti : session->token_id;
	int64_t left_s;

	if (session->user_id.p != NULL && !str_eq(session->user_id, call->who.user_id)) {
		call_refuse(call, PROBLEM_FORBIDDEN, "the session is another user's");
		return;
	}
	if (look_at_token(call, token, &left_s) != 0)
		return;
	begin(call, token, left_s);
	if (replaced.p != NULL)
		tell_streams(call, replaced);
}

void h_session_refresh(struct call *call)
{
	struct authn_refusal refusal = {0};
	struct identity session;
	struct str jti;

	if (read_jti(call, &jti) != 0 || load_session(call, &session, &refusal) != 0)
		return;
	refresh(call, &session, jti);
	authn_identity_deinit(&session);
}

/* ---- ending ---- */

/* Where there is no cookie, only the Bearer token can be meant. What was revoked stays so. */
void h_session_end(struct call *call)
{
	struct authn_refusal refusal = {0};
	struct record_revocation revocation = {0};
	struct identity session;
	const struct identity *ended = NULL;

	if (load_session(call, &session, &refusal) != 0)
		return;
	if (session.user_id.p != NULL && revoked_look(call->revoked, &session) != REVOKED_YES)
		ended = &session;
	else if (authn_token(&call->request, AUTHN_COOKIE).p == NULL)
		ended = &call->who;
	if (ended != NULL)
		revocation.jti = ended->token_id;
	if (revocation.jti.p == NULL || revoke_say(call, &revocation, ended->exp_ms) == 0)
		clear_cookie(call);
	authn_identity_deinit(&session);
}
