/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sweep. Whoever commits an event pushes it; the sweep finds what nobody pushed (a process died,
 * Redis was away) and then says, in each partition's mark, that up to a time of PostgreSQL everything
 * that was committed is in the streams that exist. Only while that mark is fresh do readers trust a
 * window.
 *
 * Why the mark is true: it carries a time from before the record was read; the record is read from
 * RECORD_OVERLAP_MS before the former mark, so an event that was dated before that mark but committed
 * after it is seen, too; and the mark is written only if the former one is still there, so that no
 * other data came in its place meanwhile.
 */
#include "config.h"

#include <stdlib.h>

#include "archive/archive.h"
#include "base/clock.h"
#include "base/log.h"

/* A partition whose mark is older is compared stream by stream: that is cheaper than all events since. */
#define MARK_STALE_MS 600000
/* So long may one sweep bring up streams; what is left waits, without a mark. */
#define SWEEP_BUDGET_MS 2000

/* One sweep under way. */
struct sweep {
	struct archive *a;
	int64_t deadline_ms;
	size_t filled, late;
};

/* Does the partition have to be compared stream by stream before it gets a mark again? */
static bool needs_comparing(const struct archive *a, const struct hot_mark *mark)
{
	int64_t age_ms = a->redis_now_ms - mark->at_ms;

	return !mark->exists || a->is_timeline_new || age_ms > MARK_STALE_MS ||
	       age_ms < -MARK_STALE_MS;
}

/* Another archiver has just been here. */
static bool is_done_by_another(const struct archive *a)
{
	for (unsigned int p = 0; p < a->keys.partitions; p++) {
		if (needs_comparing(a, &a->marks[p]) ||
		    a->redis_now_ms - a->marks[p].at_ms >= a->sweep_ms * 3 / 4)
			return false;
	}
	return true;
}

/* Where to begin to read. */
static int64_t since_us(const struct archive *a)
{
	int64_t since = INT64_MAX;

	for (unsigned int p = 0; p < a->keys.partitions; p++) {
		if (!needs_comparing(a, &a->marks[p]) && a->marks[p].until_us < since)
			since = a->marks[p].until_us;
	}
	/* All will be compared. What is read here is for tickets that have no stream to compare. */
	if (since == INT64_MAX)
		since = a->until_us > 0 ? a->until_us : clock_real_us();
	return since - RECORD_OVERLAP_MS * 1000;
}

/* Brings one ticket up where it lacks something. */
static void settle(struct sweep *sweep, const struct record_swept *swept,
		   const struct archive_tail *tail)
{
	struct archive *a = sweep->a;
	/* Where there is no stream at least the newest event is, which is why the ticket was swept. */
	int64_t news_from = tail->last_seq > 0 ? tail->last_seq + 1 : swept->last_seq;

	if (tail->last_seq >= swept->last_seq) {
		if (tail->last_seq == swept->last_seq && swept->last_uid.n > 0 &&
		    tail->last_uid[0] != '\0' && !str_eq_c(swept->last_uid, tail->last_uid))
			archive_bump(a, "a stream ends with another event than the record",
				     swept->ticket);
		return;
	}
	if (clock_mono_ms() < sweep->deadline_ms &&
	    archive_fill(a, swept->ticket, tail->last_seq, news_from) == 0) {
		sweep->filled++;
		return;
	}
	sweep->late++;
	a->is_dirty[redis_keys_partition(&a->keys, swept->ticket)] = true;
}

/* Has a ticket outgrown the window, so that it is worth a call? */
static bool is_too_long(const struct archive *a, const struct archive_tail *tail)
{
	return tail->last_seq > 0 && (tail->last_seq - tail->first_seq + 1 > a->window.events ||
				      tail->bytes > a->window.bytes);
}

/* Tickets first .. first+n-1 of the answer. */
static int settle_batch(struct sweep *sweep, const PGresult *result, size_t first, size_t n)
{
	struct archive *a = sweep->a;
	struct record_swept swept[ARCHIVE_BATCH];
	struct str tickets[ARCHIVE_BATCH] = {{NULL, 0}}, ahead[ARCHIVE_BATCH];
	struct str overlong[ARCHIVE_BATCH];
	struct archive_tail tails[ARCHIVE_BATCH];
	int64_t ahead_tails[ARCHIVE_BATCH];
	size_t nahead = 0, noverlong = 0;

	for (size_t i = 0; i < n; i++) {
		if (record_parse_swept(result, first + i, &swept[i]) != 0)
			return -1;
		tickets[i] = swept[i].ticket;
	}
	if (archive_ask_tails(a, tickets, n, tails) != 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		settle(sweep, &swept[i], &tails[i]);
		if (!archive_may_go_on(a))
			return -1;
		if (tails[i].last_seq > swept[i].last_seq) {
			ahead[nahead] = tickets[i];
			ahead_tails[nahead++] = tails[i].last_seq;
		}
		if (is_too_long(a, &tails[i]))
			overlong[noverlong++] = tickets[i];
	}
	if (trim_tickets(a, overlong, noverlong) != 0)
		return -1;
	return archive_doubt(a, ahead, ahead_tails, nahead);
}

static int settle_all(struct sweep *sweep, const PGresult *result, size_t count)
{
	for (size_t i = 0; i < count; i += ARCHIVE_BATCH) {
		size_t n = count - i < ARCHIVE_BATCH ? count - i : ARCHIVE_BATCH;

		if (settle_batch(sweep, result, i, n) != 0)
			return -1;
	}
	if (sweep->filled > 0 || sweep->late > 0)
		log_info(NULL, "brought streams up", LOG_INT("tickets", sweep->filled),
			 LOG_INT("left", sweep->late));
	return 0;
}

/* Writes the marks of all partitions that are in order, in runs of neighbours. */
static int write_marks(struct archive *a)
{
	redisReply *replies[REDIS_KEYS_PARTITION_MAX] = {NULL};
	struct buf commands = BUF_INIT;
	size_t n = 0;
	int status = 0;

	for (unsigned int p = 0; p < a->keys.partitions;) {
		unsigned int end = p;

		while (end < a->keys.partitions && end - p < UPKEEP_MARKS_MAX &&
		       !a->is_dirty[end] && !needs_comparing(a, &a->marks[end]))
			end++;
		if (end > p)
			n += upkeep_put_marks(&commands, &a->keys,
					      &(struct upkeep_marks){.first = p,
								     .n = end - p,
								     .was = &a->marks[p],
								     .until_us = a->until_us,
								     .at_ms = a->redis_now_ms});
		p = end > p ? end : p + 1;
	}
	/* How many were written does not matter: what was not is found with the next tick. */
	if (n > 0)
		status = archive_ask_redis(a, &commands, n, replies);
	redis_conn_release(replies, n);
	buf_deinit(&commands);
	return status;
}

int sweep_run(struct archive *a)
{
	struct sweep sweep = {.a = a, .deadline_ms = clock_mono_ms() + SWEEP_BUDGET_MS};
	struct record_sweep head;
	struct pg_stmt stmt;
	PGresult *result = NULL;
	int status = -1;

	if (is_done_by_another(a))
		return 0;
	for (unsigned int p = 0; p < a->keys.partitions; p++)
		a->is_dirty[p] = false;
	record_put_sweep(&stmt, since_us(a));
	if (archive_ask_record(a, &stmt, &result) != 0 || record_parse_sweep(result, &head) != 0)
		goto out;
	if (head.epoch != a->keys.epoch) {
		/* Somebody has raised it; the new number comes with the next connection. */
		pg_conn_close(a->pg);
		goto out;
	}
	a->until_us = head.now_us;
	if (settle_all(&sweep, result, head.count) != 0)
		goto out;
	status = write_marks(a);
	for (unsigned int p = 0; p < a->keys.partitions; p++) {
		if (needs_comparing(a, &a->marks[p]))
			compare_want(a, p);
	}
out:
	PQclear(result);
	return status;
}
