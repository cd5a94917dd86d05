/* SPDX-License-Identifier: BSD-2-Clause */
/* Writes a revocation into the record. */
#include "config.h"

#include "api/revoke.h"

/* At least so long is a revocation kept, whatever the setting was when it was made. */
enum { KEEP_DAYS_MIN = 366 };

/* A revocation is kept as long as a token may be valid; where that is without bound, for ever. */
static int64_t keep_days(const struct conf *conf)
{
	int64_t days = conf_int(conf, CONF_TOKEN_MAX_DAYS);

	return days > 0 && days < KEEP_DAYS_MIN ? KEEP_DAYS_MIN : days;
}

int revoke_say(struct call *call, const struct record_revocation *revocation)
{
	PGresult *result = NULL;
	struct pg_stmt stmt;
	int status = -1;

	record_revoke_put(&stmt, revocation, keep_days(call->conf));
	switch (stores_pg(call->stores, &stmt, stores_pg_deadline(call->stores), &result)) {
	case ERR_NONE:
		status = 0;
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
	return status;
}
