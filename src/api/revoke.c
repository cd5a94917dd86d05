/* SPDX-License-Identifier: BSD-2-Clause */
/* Writes a revocation into the record. */
#include "config.h"

#include "api/revoke.h"

#include "base/clock.h"

enum {
	DAY_MS = 86400000,
	KEEP_DAYS_MIN = 366, /* where the end is not known, whatever the setting was by then */
};

/*
 * A revocation is kept as long as a token may be valid, and a day or two longer: the clocks and the leeway do
 * not matter then. Where that is without bound it is kept for ever.
 */
static int64_t keep_days(const struct conf *conf, int64_t end_ms)
{
	int64_t days = conf_int(conf, CONF_TOKEN_MAX_DAYS);
	int64_t left_ms = end_ms - clock_real_ms();

	if (end_ms != 0)
		return (left_ms > 0 ? left_ms / DAY_MS : 0) + 2;
	if (days == 0)
		return 0;
	return days < KEEP_DAYS_MIN ? KEEP_DAYS_MIN : days + 1;
}

int revoke_say(struct call *call, const struct record_revocation *revocation, int64_t end_ms)
{
	PGresult *result = NULL;
	struct pg_stmt stmt;
	enum err err;

	record_revoke_put(&stmt, revocation, keep_days(call->conf, end_ms));
	err = stores_pg(call->stores, &stmt, stores_pg_deadline(call->stores), &result);
	if (err != ERR_NONE)
		call_refuse_failure(call, err, "it may not be revoked; say it again");
	PQclear(result);
	pg_stmt_deinit(&stmt);
	return err == ERR_NONE ? 0 : -1;
}
