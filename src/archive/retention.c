/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Retention: walks over the tickets of the record, a page each tick, and erases what is older than
 * the settings say, in small transactions, so that a send never waits long for a ticket's row. Any
 * number of archivers may be at it: what one has erased is not due for another. The windows in Redis
 * are cut at once; should one be loaded again from what was read before, the trimming walk cuts it.
 */
#include "config.h"

#include <stdio.h>

#include "archive/archive.h"
#include "base/clock.h"
#include "base/log.h"
#include "store/record_keep.h"

#define PAGE_TICKETS  200
#define BATCH_EVENTS  1000
#define BUDGET_MS     1000
#define WALK_PAUSE_MS 10000

/* One ticket, until nothing is left to erase or time is up. 0 if it is done. */
static int erase(struct archive *a, const struct record_keep_ticket *ticket, int64_t deadline_ms)
{
	const struct log_ctx ctx = {.ticket = ticket->ticket};
	struct record_keep_erased erased = {0};
	int64_t events = 0;

	while (!erased.is_done && clock_mono_ms() < deadline_ms && archive_may_go_on(a)) {
		PGresult *result = NULL;
		struct pg_stmt stmt;
		int status;

		record_keep_put_erase(&stmt, ticket, BATCH_EVENTS);
		status = archive_ask_record(a, &stmt, &result);
		if (status == 0)
			status = record_keep_parse_erased(result, &erased);
		PQclear(result);
		if (status != 0)
			return -1;
		events += erased.events;
	}
	if (events > 0) {
		log_info(&ctx, "erased by age", LOG_INT("events", events));
		trim_tickets(a, &ticket->ticket, 1);
	}
	return erased.is_done ? 0 : -1;
}

static int erase_page(struct archive *a, const PGresult *result, size_t count)
{
	int64_t deadline_ms = clock_mono_ms() + BUDGET_MS;

	for (size_t i = 0; i < count; i++) {
		struct record_keep_ticket ticket;

		if (record_keep_parse_ticket(result, i, &a->keep.ages, &ticket) != 0 ||
		    erase(a, &ticket, deadline_ms) != 0)
			return -1;
	}
	return 0;
}

void retention_configure(struct archive *a, const struct conf *conf)
{
	const int64_t open_days = conf_int(conf, CONF_KEEP_OPEN_DAYS);
	const int64_t closed_days = conf_int(conf, CONF_KEEP_CLOSED_DAYS);

	a->keep.ages = (struct record_keep_ages){
		.open_s = open_days > 0 ? open_days * 86400 : RECORD_KEEP_EVER,
		.closed_s = closed_days > 0 ? closed_days * 86400 : RECORD_KEEP_EVER,
	};
}

void retention_step(struct archive *a)
{
	struct record_keep_due due;
	struct pg_stmt stmt;
	PGresult *result = NULL;

	if ((a->keep.ages.open_s < 0 && a->keep.ages.closed_s < 0) || a->is_timeline_new ||
	    clock_mono_ms() < a->keep.pause_until_ms)
		return;
	record_keep_put_due(&stmt, str_of(a->keep.after), &a->keep.ages, PAGE_TICKETS);
	if (archive_ask_record(a, &stmt, &result) == 0 &&
	    record_keep_parse_due(result, &due) == 0 && erase_page(a, result, due.count) == 0) {
		/* A page that was not finished is met again: what went is not due any more. */
		snprintf(a->keep.after, sizeof(a->keep.after), "%.*s", STR_ARG(due.next));
		if (due.next.p == NULL)
			a->keep.pause_until_ms = clock_mono_ms() + WALK_PAUSE_MS;
	}
	PQclear(result);
}
