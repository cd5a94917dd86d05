/* SPDX-License-Identifier: BSD-2-Clause */
/* bellhop verify: who takes part in one ticket, in Redis and in the record. */
#include "config.h"

#include <stdio.h>

#include "cli/verify.h"
#include "store/upkeep.h"

static void compare_all(const redisReply *who, const PGresult *record, char *difference_r)
{
	size_t n = record_count_participants(record);
	int64_t listed = upkeep_count_people(who);
	struct record_participant person;

	if (listed < 0) {
		snprintf(difference_r, VERIFY_DIFFERENCE_SIZE,
			 "Redis does not say whether it knows all participants");
		return;
	}
	for (size_t i = 0; i < n; i++) {
		struct str role;

		if (record_parse_participant(record, i, &person) != 0)
			continue;
		role = upkeep_find_role(who, person.user);
		if (str_eq(role, person.role))
			continue;
		if (role.p == NULL)
			role = STR("nobody");
		snprintf(difference_r, VERIFY_DIFFERENCE_SIZE,
			 "participant %.*s: %.*s in Redis, %.*s here", STR_ARG(person.user),
			 STR_ARG(role), STR_ARG(person.role));
		return;
	}
	/* All of the record are listed: so whoever is too many is nobody's. */
	if (listed != (int64_t)n)
		snprintf(difference_r, VERIFY_DIFFERENCE_SIZE,
			 "Redis lists %lld participants, the record %zu", (long long)listed, n);
}

int verify_people(struct verify *v, char difference_r[VERIFY_DIFFERENCE_SIZE])
{
	struct stores *stores = v->stores;
	struct buf commands = BUF_INIT;
	struct pg_stmt stmt;
	redisReply *who = NULL;
	PGresult *result = NULL;
	int status = -1;

	difference_r[0] = '\0';
	upkeep_put_people(&commands, &stores->keys, v->ticket);
	if (stores_pipeline(stores, &commands, 1, &who) != 0)
		goto out;
	record_put_participants(&stmt, v->ticket);
	result = stores_ask(stores, &stmt);
	if (result == NULL)
		goto out;
	compare_all(who, result, difference_r);
	status = 0;
out:
	PQclear(result);
	redis_conn_release(&who, 1);
	buf_deinit(&commands);
	return status;
}
