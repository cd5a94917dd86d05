/* SPDX-License-Identifier: BSD-2-Clause */
/* Revocations go to the record; every process follows it. */
#include "config.h"

#include "api/h_revocations.h"

#include "api/call.h"
#include "store/record_revoke.h"

/* At least so long is a revocation kept, whatever the setting was when it was made. */
enum { KEEP_DAYS_MIN = 366 };

/* A revocation is kept as long as a token may be valid; where that is without bound, for ever. */
static int64_t keep_days(const struct conf *conf)
{
	int64_t days = conf_int(conf, CONF_TOKEN_MAX_DAYS);

	return days > 0 && days < KEEP_DAYS_MIN ? KEEP_DAYS_MIN : days;
}

/* Reads one id of the body, absent where it is not there. 0, or -1 after a refusal. */
static int read_id(struct call *call, const char *pointer, bool is_id(struct str), struct str *id_r)
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

void h_revocations_add(struct call *call)
{
	struct record_revocation revocation = {0};
	PGresult *result = NULL;
	struct pg_stmt stmt;

	if (call->who.role != ROLE_SERVICE && call->who.role != ROLE_ADMIN) {
		call_refuse(call, PROBLEM_FORBIDDEN, "this is for services and admins");
		return;
	}
	if (read_id(call, "/jti", ids_is_jti, &revocation.jti) != 0 ||
	    read_id(call, "/user_id", ids_is_user, &revocation.user) != 0)
		return;
	if ((revocation.jti.p == NULL) == (revocation.user.p == NULL)) {
		call_refuse_field(call, "", "has to name a jti or a user_id, not both");
		return;
	}
	record_revoke_put(&stmt, &revocation, keep_days(call->conf));
	switch (stores_pg(call->stores, &stmt, stores_pg_deadline(call->stores), &result)) {
	case ERR_NONE:
		reply_empty(&call->reply, 204);
		break;
	case ERR_INVALID:
	case ERR_PROTOCOL:
	case ERR_MEMORY:
		call_refuse(call, PROBLEM_INTERNAL, NULL);
		break;
	default:
		call_refuse_unavailable(call, "it may not be revoked; say it again");
		break;
	}
	PQclear(result);
	pg_stmt_deinit(&stmt);
}
