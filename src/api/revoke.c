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
	enum err err;

	record_revoke_put(&stmt, revocation, keep_days(call->conf));
	err = stores_pg(call->stores, &stmt, stores_pg_deadline(call->stores), &result);
	if (err != ERR_NONE)
		call_refuse_failure(call, err, "it may not be revoked; say it again");
	PQclear(result);
	pg_stmt_deinit(&stmt);
	return err == ERR_NONE ? 0 : -1;
}
