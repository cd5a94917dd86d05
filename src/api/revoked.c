/* SPDX-License-Identifier: BSD-2-Clause */
/* Follows the record's list of revocations. */
#include "config.h"

#include "api/revoked.h"

#include <stdlib.h>

#include "base/clock.h"
#include "chat/revocations.h"
#include "web/authn.h"

struct revoked {
	struct stores *stores;
	struct revocations *all;
	int64_t asked_ms; /* when it was last complete; clock_mono_ms */
	int64_t tried_ms; /* when the record was last asked for it */
	bool is_known;
	bool is_behind; /* the record has more than was read; then it is not known */
};

struct revoked *revoked_new(struct stores *stores)
{
	struct revoked *list = calloc(1, sizeof(*list));

	if (list == NULL)
		return NULL;
	list->stores = stores;
	list->all = revocations_new();
	if (list->all == NULL) {
		free(list);
		return NULL;
	}
	return list;
}

void revoked_free(struct revoked *list)
{
	if (list == NULL)
		return;
	revocations_free(list->all);
	free(list);
}

static enum revocations_taken read_page(struct revoked *list)
{
	enum revocations_taken taken = REVOCATIONS_BAD;
	PGresult *result = NULL;
	struct pg_stmt stmt;
	bool has_grown;

	list->tried_ms = clock_mono_ms();
	revocations_put_ask(list->all, &stmt);
	if (stores_pg(list->stores, &stmt, stores_pg_deadline(list->stores), &result) == ERR_NONE)
		taken = revocations_take(list->all, result, &has_grown);
	PQclear(result);
	pg_stmt_deinit(&stmt);
	list->is_behind = taken == REVOCATIONS_MORE;
	if (taken == REVOCATIONS_ALL) {
		list->is_known = true;
		list->asked_ms = list->tried_ms;
	} else if (taken == REVOCATIONS_MORE) {
		list->is_known = false;
	}
	return taken;
}

/* Somebody waits: for no longer than PostgreSQL may take for an answer, and one page. */
static enum revocations_taken read_record(struct revoked *list)
{
	const int64_t until_ms = stores_pg_deadline(list->stores);
	enum revocations_taken taken;

	do {
		taken = read_page(list);
	} while (taken == REVOCATIONS_MORE && clock_mono_ms() < until_ms);
	return taken;
}

static void read_copy(struct revoked *list)
{
	struct buf commands = BUF_INIT;
	redisReply *reply = NULL;
	size_t n = record_revoke_put_copy_read(&commands, stores_prefix(list->stores));

	if (stores_redis(list->stores, &commands, n, stores_redis_deadline(list->stores), &reply) ==
	    ERR_NONE)
		list->is_known = revocations_take_copy(list->all, reply) == 0;
	redis_conn_release(&reply, 1);
	buf_deinit(&commands);
}

static bool is_old(const struct revoked *list)
{
	return !list->is_known || clock_mono_ms() - list->asked_ms >= REVOKED_MAX_AGE_MS;
}

int64_t revoked_tick(struct revoked *list)
{
	if (list->is_behind ||
	    (is_old(list) && clock_mono_ms() - list->tried_ms >= REVOKED_MAX_AGE_MS))
		read_page(list);
	return list->is_behind ? clock_mono_ms() : list->tried_ms + REVOKED_MAX_AGE_MS;
}

bool revoked_is_behind(const struct revoked *list)
{
	return list->is_behind;
}

enum revoked_verdict revoked_look(struct revoked *list, const struct identity *who)
{
	if (is_old(list) && read_record(list) == REVOCATIONS_BAD && !list->is_known)
		read_copy(list);
	if (revocations_cover(list->all, who, clock_real_us()))
		return REVOKED_YES;
	return list->is_known ? REVOKED_NO : REVOKED_UNKNOWN;
}
