/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keeps the copy of the revocations in Redis, for daemons that start while PostgreSQL is away, and drops
 * those from the record that no token can need any more. A copy that is not whole, because Redis was
 * emptied, is written from the beginning.
 */
#include "config.h"

#include <stdlib.h>

#include "archive/archive.h"
#include "base/clock.h"
#include "store/record_revoke.h"

enum { EXPIRE_EVERY_MS = 3600000 };

/* 0 and whether the copy is whole; or -1. */
static int ask_whole(struct archive *a, bool *is_whole_r)
{
	struct buf commands = BUF_INIT;
	redisReply *reply = NULL;
	size_t n = record_revoke_put_copy_probe(&commands, a->prefix);
	int status = archive_ask_redis(a, &commands, n, &reply);

	if (status == 0)
		*is_whole_r = reply->type == REDIS_REPLY_INTEGER && reply->integer == 1;
	redis_conn_release(&reply, 1);
	buf_deinit(&commands);
	return status;
}

/* Writes the revocations of an answer. Their number, or -1. */
static int copy(struct archive *a, const PGresult *result, bool is_whole)
{
	struct record_revocation *list = calloc(RECORD_REVOKE_LIMIT, sizeof(*list));
	struct buf commands = BUF_INIT;
	redisReply *reply = NULL;
	struct record_revocations answer;
	int taken = -1;
	size_t n;

	if (list == NULL || record_revoke_parse_list(result, &answer) != 0)
		goto out;
	for (size_t i = 0; i < answer.count; i++) {
		if (record_revoke_parse(result, i, &list[i]) != 0)
			goto out;
	}
	n = record_revoke_put_copy(&commands, a->prefix, list, answer.count,
				   !is_whole && answer.count < RECORD_REVOKE_LIMIT);
	if (n > 0 && archive_ask_redis(a, &commands, n, &reply) != 0)
		goto out;
	taken = (int)answer.count;
	if (taken > 0)
		a->revoked.last_id = list[taken - 1].id;
out:
	redis_conn_release(&reply, 1);
	buf_deinit(&commands);
	free(list);
	return taken;
}

/* The copy has no ends of its own; without it, it is written anew with the next step. */
static void drop_copy(struct archive *a)
{
	struct buf commands = BUF_INIT;
	redisReply *reply = NULL;
	size_t n = record_revoke_put_copy_drop(&commands, a->prefix);

	(void)archive_ask_redis(a, &commands, n, &reply);
	redis_conn_release(&reply, 1);
	buf_deinit(&commands);
}

static void expire(struct archive *a)
{
	PGresult *result = NULL;
	struct pg_stmt stmt;

	if (clock_mono_ms() < a->revoked.expire_at_ms)
		return;
	record_revoke_put_expire(&stmt);
	if (archive_ask_record(a, &stmt, &result) == 0) {
		a->revoked.expire_at_ms = clock_mono_ms() + EXPIRE_EVERY_MS;
		if (strtoll(PQcmdTuples(result), NULL, 10) > 0)
			drop_copy(a);
	}
	PQclear(result);
}

void revoked_step(struct archive *a)
{
	bool is_whole;
	int taken;

	if (ask_whole(a, &is_whole) != 0)
		return;
	/* Another epoch may be a restored record, whose ids mean others. */
	if (!is_whole || a->revoked.epoch != a->keys.epoch)
		a->revoked.last_id = 0;
	a->revoked.epoch = a->keys.epoch;
	do {
		PGresult *result = NULL;
		struct pg_stmt stmt;

		record_revoke_put_list(&stmt, a->revoked.last_id);
		taken = archive_ask_record(a, &stmt, &result) == 0 ? copy(a, result, is_whole) : -1;
		PQclear(result);
	} while (taken == RECORD_REVOKE_LIMIT && archive_may_go_on(a));
	if (taken >= 0)
		expire(a);
}
