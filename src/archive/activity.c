/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keeps up the times by which people's lists of tickets are ordered (sql/0007_activity.sql). Lists are
 * right without it, but the longer it does not run the more a list has to look up by itself.
 */
#include "config.h"

#include "archive/archive.h"
#include "base/clock.h"
#include "base/log.h"
#include "store/record_inbox.h"

#define PAUSE_MS  2000
#define BUDGET_MS 200
/* Events of a round: what they cost depends on how many people take part in their tickets. */
#define BATCH_MIN 10
#define BATCH_MAX 1000

/* 0: there is more to be done; 1: that was all; -1: it failed. */
static int do_round(struct archive *a)
{
	PGresult *result = NULL;
	struct pg_stmt stmt;
	int64_t written = 0;
	bool is_done = true;
	int status = -1;

	record_inbox_put_round(&stmt, a->activity.batch);
	if (archive_ask_record(a, &stmt, &result) == 0 &&
	    record_inbox_parse_round(result, &written, &is_done) == 0)
		status = is_done;
	if (written > 0)
		log_debug(NULL, "brought lists up", LOG_INT("rows", written));
	PQclear(result);
	return status;
}

void activity_step(struct archive *a)
{
	const int64_t deadline_ms = clock_mono_ms() + BUDGET_MS;
	int status = 0;

	if (clock_mono_ms() < a->activity.pause_until_ms)
		return;
	if (a->activity.batch < BATCH_MIN)
		a->activity.batch = BATCH_MIN;
	while (status == 0 && clock_mono_ms() < deadline_ms && archive_may_go_on(a)) {
		status = do_round(a);
		/* It may have failed because it was too much for one statement. */
		if (status == -1)
			a->activity.batch /= 2;
		else if (status == 0 && a->activity.batch * 2 <= BATCH_MAX)
			a->activity.batch *= 2;
	}
	if (status != 0)
		a->activity.pause_until_ms = clock_mono_ms() + PAUSE_MS;
}
