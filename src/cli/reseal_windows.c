/* SPDX-License-Identifier: BSD-2-Clause */
/* What Redis holds: a ticket that has a text of an older key, or a plain one, is loaded again. */
#include "config.h"

#include <string.h>

#include "cli/reload.h"
#include "cli/reseal.h"
#include "store/upkeep.h"

enum {
	BATCH = HOT_LOAD_MAX,
	SCAN_COUNT = 100,
};

/* Whether the events, of which there are n, are as they should be. */
static bool are_newest(const struct reseal *r, const struct ticket_event *events, int n)
{
	for (int i = 0; i < n; i++) {
		if (!seal_is_newest(r->stores.seal, events[i].content))
			return false;
	}
	return true;
}

/* A page of a ticket's stream from `from` on. 1: the next one, from *from_r on; 0: the last; -1. */
static int look_at_page(struct reseal *r, struct str ticket, int64_t *from, bool *is_newest_r)
{
	const struct hot_range range = {
		.ticket = ticket, .from = *from, .to = INT64_MAX, .count = BATCH};
	struct ticket_event events[BATCH];
	struct buf commands = BUF_INIT;
	redisReply *reply = NULL;
	int status = -1;
	int n;

	hot_put_range(&commands, &r->stores.keys, &range);
	if (stores_pipeline(&r->stores, &commands, 1, &reply) == 0) {
		n = hot_parse_events(reply, ticket, r->stores.keys.epoch, events, BATCH);
		/* What cannot be read is no reason to stop: it is loaded again. */
		*is_newest_r = n >= 0 && are_newest(r, events, n);
		status = *is_newest_r && n == BATCH;
		if (n > 0)
			*from = events[n - 1].seq + 1;
	}
	redis_conn_release(&reply, 1);
	buf_deinit(&commands);
	return status;
}

static int visit(struct reseal *r, struct str ticket)
{
	bool is_newest = true;
	int64_t from = 1;
	int status;

	do {
		status = look_at_page(r, ticket, &from, &is_newest);
	} while (status > 0);
	if (status < 0 || is_newest)
		return status;
	r->windows++;
	return r->is_dry || reload_ticket(&r->stores, ticket) == COMMAND_OK ? 0 : -1;
}

/* One step over the keys of Redis; `cursor` becomes "0" at the end. */
static int visit_some(struct reseal *r, char *cursor)
{
	struct buf commands = BUF_INIT;
	redisReply *reply = NULL;
	struct upkeep_scan scan;
	int status = -1;

	upkeep_put_scan(&commands, &r->stores.keys, cursor, SCAN_COUNT);
	if (stores_pipeline(&r->stores, &commands, 1, &reply) != 0)
		goto out;
	if (upkeep_parse_scan(reply, &scan) != 0) {
		stores_odd(&r->stores, "Redis");
		goto out;
	}
	memcpy(cursor, scan.cursor, sizeof(scan.cursor));
	status = 0;
	for (size_t i = 0; i < scan.keys->elements && status == 0; i++) {
		const redisReply *key = scan.keys->element[i];
		struct str ticket =
			redis_keys_ticket_of(&r->stores.keys, (struct str){key->str, key->len});

		if (ticket.p != NULL)
			status = visit(r, ticket);
	}
	progress_set(&r->progress, r->progress.done + (int64_t)scan.keys->elements);
out:
	redis_conn_release(&reply, 1);
	buf_deinit(&commands);
	return status;
}

int reseal_windows(struct reseal *r)
{
	char cursor[UPKEEP_CURSOR_SIZE] = "0";
	int status = 0;

	if (r->ticket.n > 0)
		return visit(r, r->ticket);
	progress_start(&r->progress, 0);
	do {
		status = visit_some(r, cursor);
	} while (status == 0 && strcmp(cursor, "0") != 0);
	progress_end(&r->progress, status == 0);
	return status;
}
