/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The comparison of whole partitions. Where there is no mark (FLUSHALL, a fresh Redis, somebody
 * deleted it), or a very old one, nothing is known of the streams that are there: each is compared
 * with the record before the partition is marked. It also runs once at the start, and after a
 * fail-over of PostgreSQL, over everything, to find streams that are ahead of the record.
 *
 * It is a SCAN over the keys, some of it each tick. SCAN shows every key that is there from its
 * beginning to its end; a stream that comes later was loaded from the record later, and a load that
 * took too long is refused by Redis.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "archive/archive.h"
#include "base/clock.h"
#include "base/log.h"

#define COMPARE_BUDGET_MS 200
#define SCAN_COUNT	  500

void compare_deinit(struct archive *a)
{
	free(a->compare.targets);
	a->compare = (struct archive_compare){0};
}

/* From the beginning, with the times of this tick. */
static void begin(struct archive *a)
{
	struct archive_compare *c = &a->compare;

	c->is_running = true;
	c->is_failed = false;
	memcpy(c->cursor, "0", 2);
	c->generation = redis_conn_generation(a->redis);
	c->until_us = a->until_us;
	c->at_ms = a->redis_now_ms;
}

void compare_want(struct archive *a, unsigned int partition)
{
	struct archive_compare *c = &a->compare;

	if (c->targets == NULL)
		c->targets = calloc(a->keys.partitions, sizeof(*c->targets));
	if (c->targets == NULL || c->targets[partition])
		return;
	c->targets[partition] = true;
	begin(a);
}

void compare_want_all(struct archive *a)
{
	if (a->compare.is_running && a->compare.is_whole)
		return;
	a->compare.is_whole = true;
	begin(a);
}

static bool is_wanted(const struct archive *a, struct str ticket)
{
	const struct archive_compare *c = &a->compare;

	return c->is_whole ||
	       (c->targets != NULL && c->targets[redis_keys_partition(&a->keys, ticket)]);
}

/* Compares n tickets with the record, and brings up those that are behind. */
static int compare_batch(struct archive *a, const struct str *tickets, size_t n)
{
	int64_t committed[ARCHIVE_BATCH], ahead_tails[ARCHIVE_BATCH];
	struct archive_tail tails[ARCHIVE_BATCH];
	struct str ahead[ARCHIVE_BATCH];
	size_t nahead = 0;

	if (n == 0)
		return 0;
	if (archive_ask_committed(a, tickets, n, committed) != 0 ||
	    archive_ask_tails(a, tickets, n, tails) != 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (tails[i].last_seq > committed[i]) {
			ahead[nahead] = tickets[i];
			ahead_tails[nahead++] = tails[i].last_seq;
		} else if (tails[i].last_seq < committed[i] && tails[i].last_seq > 0 &&
			   archive_fill(a, tickets[i], tails[i].last_seq, tails[i].last_seq + 1) !=
				   0) {
			a->compare.is_failed = true;
		}
		if (!archive_may_go_on(a))
			return -1;
	}
	return archive_doubt(a, ahead, ahead_tails, nahead);
}

/* One step of the walk. */
static int walk(struct archive *a)
{
	struct str tickets[ARCHIVE_BATCH];
	struct buf commands = BUF_INIT;
	redisReply *reply = NULL;
	struct upkeep_scan scan;
	size_t n = 0;
	int status = -1;

	upkeep_put_scan(&commands, &a->keys, a->compare.cursor, SCAN_COUNT);
	if (archive_ask_redis(a, &commands, 1, &reply) != 0 || upkeep_parse_scan(reply, &scan) != 0)
		goto out;
	for (size_t i = 0; i < scan.keys->elements; i++) {
		const redisReply *key = scan.keys->element[i];
		struct str ticket =
			redis_keys_ticket_of(&a->keys, (struct str){key->str, key->len});

		if (ticket.p == NULL || !is_wanted(a, ticket))
			continue;
		tickets[n++] = ticket;
		if (n == ARCHIVE_BATCH) {
			if (compare_batch(a, tickets, n) != 0)
				goto out;
			n = 0;
		}
	}
	status = compare_batch(a, tickets, n);
	memcpy(a->compare.cursor, scan.cursor, sizeof(scan.cursor));
out:
	redis_conn_release(&reply, 1);
	buf_deinit(&commands);
	return status;
}

static int write_marks(struct archive *a)
{
	const struct archive_compare *c = &a->compare;
	redisReply *replies[REDIS_KEYS_PARTITION_MAX] = {NULL};
	struct buf commands = BUF_INIT;
	size_t n = 0;
	int status = 0;

	for (unsigned int p = 0; c->targets != NULL && p < a->keys.partitions; p++) {
		if (c->targets[p])
			n += upkeep_put_marks(&commands, &a->keys,
					      &(struct upkeep_marks){.first = p,
								     .n = 1,
								     .was = &a->marks[p],
								     .until_us = c->until_us,
								     .at_ms = c->at_ms});
	}
	if (n > 0) {
		status = archive_ask_redis(a, &commands, n, replies);
		if (status == 0)
			log_info(NULL, "compared with the record", LOG_INT("partitions", n));
	}
	redis_conn_release(replies, n);
	buf_deinit(&commands);
	return status;
}

/* All tails agree with the record: the new timeline goes on where the old one ended. */
static void adopt_timeline(struct archive *a)
{
	struct pg_stmt stmt;
	PGresult *result = NULL;

	record_put_timeline(&stmt);
	if (archive_ask_record(a, &stmt, &result) == 0) {
		a->is_timeline_new = false;
		log_info(NULL, "no stream is ahead of the record: the epoch stays");
	}
	PQclear(result);
}

static void finish(struct archive *a)
{
	struct archive_compare *c = &a->compare;

	if (c->is_failed) {
		begin(a);
		return;
	}
	if (a->is_timeline_new && c->is_whole)
		adopt_timeline(a);
	/* Partitions that could not be marked are asked for again by the next sweep. */
	if (!a->is_timeline_new)
		write_marks(a);
	compare_deinit(a);
}

void compare_step(struct archive *a)
{
	struct archive_compare *c = &a->compare;
	int64_t deadline_ms = clock_mono_ms() + COMPARE_BUDGET_MS;

	if (a->is_timeline_new)
		compare_want_all(a);
	if (!c->is_running)
		return;
	if (c->generation != redis_conn_generation(a->redis))
		begin(a);
	do {
		if (walk(a) != 0)
			return;
		if (c->cursor[0] == '0' && c->cursor[1] == '\0') {
			finish(a);
			return;
		}
	} while (clock_mono_ms() < deadline_ms && archive_may_go_on(a));
}
