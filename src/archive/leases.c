/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Leases of presence: once a second, those that are over are taken notice of, which publishes whoever
 * is gone; and last-seen times go from Redis into the record in batches. The functions do the work and
 * can be called as often as anybody likes, so several archivers may be at it, and PostgreSQL is not
 * needed for the first part.
 */
#include "config.h"

#include <stdlib.h>

#include "archive/archive.h"
#include "base/clock.h"
#include "base/log.h"
#include "store/presence.h"
#include "web/ids.h"

#define PAUSE_MS   1000
#define LIST_MAX   500 /* users or tickets of one list; what is left comes a second later */
#define SEEN_EVERY 5   /* rounds */

/* ---- what is over ---- */

/* Calls the function for each user of a list, or for each ticket. */
static int take_notice(struct archive *a, const redisReply *list, bool is_tickets)
{
	redisReply *replies[LIST_MAX] = {NULL};
	struct buf commands = BUF_INIT;
	int n = presence_count(list);
	size_t calls = 0;
	int status = 0;

	for (size_t i = 0; n > 0 && i < (size_t)n && calls < LIST_MAX; i++) {
		struct str id = presence_entry(list, i);

		if (id.p == NULL || id.n == 0)
			continue;
		calls += is_tickets ? presence_put_here(&commands, &a->keys,
							&(struct presence_here){.ticket = id,
										.node = STR("")})
				    : presence_put_look(&commands, &a->keys, id);
	}
	if (calls > 0)
		status = archive_ask_redis(a, &commands, calls, replies);
	redis_conn_release(replies, calls);
	buf_deinit(&commands);
	return status;
}

/* Lists of the shards first, then of the partitions. */
static void expire(struct archive *a)
{
	const size_t n = REDIS_KEYS_SHARDS + a->keys.partitions;
	redisReply **lists = calloc(n, sizeof(redisReply *));
	struct buf commands = BUF_INIT;

	if (lists == NULL)
		return;
	for (unsigned int shard = 0; shard < REDIS_KEYS_SHARDS; shard++)
		presence_put_due(&commands, &a->keys, shard, a->redis_now_ms, LIST_MAX);
	for (unsigned int p = 0; p < a->keys.partitions; p++)
		presence_put_due_tickets(&commands, &a->keys, p, a->redis_now_ms, LIST_MAX);
	if (archive_ask_redis(a, &commands, n, lists) == 0) {
		for (size_t i = 0; i < n; i++) {
			if (take_notice(a, lists[i], i >= REDIS_KEYS_SHARDS) != 0)
				break;
		}
	}
	redis_conn_release(lists, n);
	free(lists);
	buf_deinit(&commands);
}

/* ---- last seen ---- */

/* Writes a shard's list into the record, and strikes from it what is there. */
static int write_seen(struct archive *a, unsigned int shard, const redisReply *list)
{
	struct record_seen seen[RECORD_SEEN_MAX];
	struct buf commands = BUF_INIT;
	redisReply *reply = NULL;
	PGresult *result = NULL;
	struct pg_stmt stmt;
	int pairs = presence_count(list) / 2;
	size_t n = 0;
	int status;

	for (int i = 0; i < pairs && n < RECORD_SEEN_MAX; i++) {
		if (presence_parse_gone(list, (size_t)i, &seen[n]) == 0 &&
		    ids_is_user(seen[n].user))
			n++;
	}
	if (n == 0)
		return 0;
	record_seen_put_write(&stmt, seen, n);
	status = archive_ask_record(a, &stmt, &result);
	PQclear(result);
	if (status != 0)
		return -1;
	presence_put_noted(&commands, &a->keys, shard, seen, n);
	status = archive_ask_redis(a, &commands, 1, &reply);
	redis_conn_release(&reply, 1);
	buf_deinit(&commands);
	log_debug(NULL, "wrote when users were last seen", LOG_INT("users", n));
	return status;
}

void leases_write_seen(struct archive *a)
{
	redisReply *lists[REDIS_KEYS_SHARDS] = {NULL};
	struct buf commands = BUF_INIT;

	if (!a->leases.is_seen_due)
		return;
	a->leases.is_seen_due = false;
	for (unsigned int shard = 0; shard < REDIS_KEYS_SHARDS; shard++)
		presence_put_gone(&commands, &a->keys, shard, RECORD_SEEN_MAX);
	if (archive_ask_redis(a, &commands, REDIS_KEYS_SHARDS, lists) == 0) {
		for (unsigned int shard = 0; shard < REDIS_KEYS_SHARDS; shard++) {
			if (write_seen(a, shard, lists[shard]) != 0)
				break;
		}
	}
	redis_conn_release(lists, REDIS_KEYS_SHARDS);
	buf_deinit(&commands);
}

void leases_step(struct archive *a)
{
	if (!a->has_keys || clock_mono_ms() < a->leases.pause_until_ms)
		return;
	a->leases.pause_until_ms = clock_mono_ms() + PAUSE_MS;
	a->leases.is_seen_due = ++a->leases.rounds % SEEN_EVERY == 0;
	expire(a);
}
