/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Trimming. Tickets that outgrow the window by number or size are found by the sweep; old events, idle
 * tickets and what an abandoned epoch left behind are found here by walking over the keys, a small
 * step each tick. The function in Redis decides, and touches nothing above what PostgreSQL holds:
 * without an answer of PostgreSQL nothing is trimmed.
 */
#include "config.h"

#include <string.h>

#include "archive/archive.h"
#include "base/clock.h"
#include "base/log.h"

#define SCAN_COUNT    200
#define WALK_PAUSE_MS 10000

static void note_trimmed(const redisReply *reply, struct str ticket)
{
	const struct log_ctx ctx = {.ticket = ticket};
	struct upkeep_trimmed trimmed;

	if (upkeep_parse_trimmed(reply, &trimmed) != 0)
		log_warn(&ctx, "could not trim",
			 LOG_STR("reason", hot_trouble_text(hot_trouble(reply))));
	else if (trimmed.removed > 0)
		log_debug(&ctx, trimmed.is_dropped ? "idle ticket dropped" : "trimmed",
			  LOG_INT("events", trimmed.removed));
}

/* What the record holds of n tickets; all zero for one that has not begun. 0, or -1. */
static int ask_bounds(struct archive *a, const struct str *tickets, size_t n,
		      struct record_keep_bounds *bounds_r)
{
	struct record_keep_bounds found;
	struct pg_stmt stmt;
	PGresult *result = NULL;
	int status = -1;

	for (size_t i = 0; i < n; i++)
		bounds_r[i] = (struct record_keep_bounds){0};
	record_keep_put_bounds(&stmt, tickets, n);
	if (archive_ask_record(a, &stmt, &result) != 0)
		return -1;
	for (int row = 0; row < PQntuples(result); row++) {
		if (record_keep_parse_bounds(result, (size_t)row, &found) != 0)
			goto out;
		for (size_t i = 0; i < n; i++) {
			if (str_eq(tickets[i], found.ticket))
				bounds_r[i] = found;
		}
	}
	status = 0;
out:
	PQclear(result);
	return status;
}

int trim_tickets(struct archive *a, const struct str *tickets, size_t n)
{
	struct record_keep_bounds bounds[ARCHIVE_BATCH];
	redisReply *replies[ARCHIVE_BATCH] = {NULL};
	struct buf commands = BUF_INIT;
	int status;

	if (n == 0)
		return 0;
	if (ask_bounds(a, tickets, n, bounds) != 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct upkeep_window window = a->window;

		window.first_seq = bounds[i].first_seq;
		window.committed_seq = bounds[i].last_seq;
		upkeep_put_trim(&commands, &a->keys, tickets[i], &window);
	}
	status = archive_ask_redis(a, &commands, n, replies);
	for (size_t i = 0; status == 0 && i < n; i++)
		note_trimmed(replies[i], tickets[i]);
	redis_conn_release(replies, n);
	buf_deinit(&commands);
	return status;
}

/* Deletes the keys of former epochs. */
static int clear_away(struct archive *a, const struct upkeep_scan *scan)
{
	struct buf commands = BUF_INIT;
	redisReply *replies[ARCHIVE_BATCH] = {NULL};
	size_t n = 0;
	int status = 0;

	/* What does not fit is met again by the next walk. */
	for (size_t i = 0; i < scan->keys->elements && n < ARCHIVE_BATCH; i++) {
		const redisReply *key = scan->keys->element[i];
		struct str name = {key->str, key->len};
		int64_t epoch = redis_keys_epoch_of(&a->keys, name);

		if (epoch > 0 && epoch < a->keys.epoch)
			n += upkeep_put_unlink(&commands, name);
	}
	if (n > 0)
		status = archive_ask_redis(a, &commands, n, replies);
	redis_conn_release(replies, n);
	buf_deinit(&commands);
	return status;
}

static int visit(struct archive *a, const struct upkeep_scan *scan)
{
	struct str tickets[ARCHIVE_BATCH];
	size_t n = 0;

	for (size_t i = 0; i < scan->keys->elements; i++) {
		const redisReply *key = scan->keys->element[i];
		struct str ticket =
			redis_keys_ticket_of(&a->keys, (struct str){key->str, key->len});

		if (ticket.p == NULL)
			continue;
		tickets[n++] = ticket;
		if (n == ARCHIVE_BATCH) {
			if (trim_tickets(a, tickets, n) != 0)
				return -1;
			n = 0;
		}
	}
	if (trim_tickets(a, tickets, n) != 0)
		return -1;
	return clear_away(a, scan);
}

void trim_step(struct archive *a)
{
	struct buf commands = BUF_INIT;
	redisReply *reply = NULL;
	struct upkeep_scan scan;

	if (a->is_timeline_new || clock_mono_ms() < a->trim_pause_until_ms)
		return;
	upkeep_put_scan(&commands, &a->keys, a->trim_cursor, SCAN_COUNT);
	if (archive_ask_redis(a, &commands, 1, &reply) == 0 &&
	    upkeep_parse_scan(reply, &scan) == 0 && visit(a, &scan) == 0) {
		memcpy(a->trim_cursor, scan.cursor, sizeof(scan.cursor));
		if (strcmp(scan.cursor, "0") == 0)
			a->trim_pause_until_ms = clock_mono_ms() + WALK_PAUSE_MS;
	}
	redis_conn_release(&reply, 1);
	buf_deinit(&commands);
}
