/* SPDX-License-Identifier: BSD-2-Clause */
/* bellhop rebuild: makes Redis forget a ticket and loads it from the record again. */
#include "config.h"

#include <stdio.h>

#include "cli/commands.h"
#include "cli/stores.h"
#include "store/upkeep.h"
#include "web/ids.h"

/* Drops what Redis has of the ticket. 0 with Redis' time after that, or -1 after reporting. */
static int forget(struct stores *stores, struct str ticket, int64_t *now_ms_r)
{
	struct buf commands = BUF_INIT;
	redisReply *replies[2];
	enum hot_trouble trouble;
	int status = -1;

	upkeep_put_forget(&commands, &stores->keys, ticket);
	hot_put_time(&commands);
	if (stores_pipeline(stores, &commands, 2, replies) == 0) {
		trouble = hot_trouble_of(replies, 2);
		if (trouble != HOT_TROUBLE_NONE)
			command_fail(stores->in, "Redis refused: %s", hot_trouble_text(trouble));
		else if (hot_parse_time(replies[1], now_ms_r) != 0)
			stores_odd(stores, "Redis");
		else
			status = 0;
		redis_conn_release(replies, 2);
	}
	buf_deinit(&commands);
	return status;
}

static int load(struct stores *stores, struct str ticket, int64_t asked_at_ms)
{
	struct feed feed = stores_feed(stores);
	struct feed_result result = feed_fill(&feed, ticket, 0, asked_at_ms, 0);

	switch (result.outcome) {
	case FEED_DONE:
		return COMMAND_OK;
	case FEED_CLASH:
		return command_fail(stores->in, "Redis has other events than the record");
	case FEED_REDIS:
		return command_fail(stores->in, "could not load the ticket into Redis: %s",
				    result.trouble != HOT_TROUBLE_NONE
					    ? hot_trouble_text(result.trouble)
					    : redis_conn_reason(stores->redis));
	case FEED_RECORD:
		return command_fail(stores->in, "could not read the ticket from PostgreSQL: %s",
				    pg_conn_error(stores->pg));
	case FEED_UNSTEADY:
		break;
	}
	return command_fail(stores->in, "the stream changed under our hands; try again");
}

static int rebuild(struct stores *stores, struct str ticket)
{
	struct record_ticket row;
	int64_t now_ms = 0;
	int status;

	if (stores_ticket(stores, ticket, &row) != 0 || forget(stores, ticket, &now_ms) != 0)
		return COMMAND_FAILED;
	if (!row.is_begun)
		return command_fail(stores->in, "there is no such ticket");
	status = load(stores, ticket, now_ms);
	if (status == COMMAND_OK)
		printf("%.*s: loaded up to event %lld\n", STR_ARG(ticket), (long long)row.last_seq);
	return status;
}

static int run(struct invocation *in)
{
	struct stores stores;
	int status;
	int id;

	while ((id = command_option(in)) > 0)
		continue;
	if (id < 0)
		return in->status;
	if (in->argc != 1 || !ids_is_ticket(str_of(in->argv[0])))
		return command_usage(in, "it takes the id of one ticket");
	status = stores_open(&stores, in, true);
	if (status == COMMAND_OK)
		status = rebuild(&stores, str_of(in->argv[0]));
	stores_close(&stores);
	return status;
}

const struct command cmd_rebuild = {
	.name = "rebuild",
	.operands = "TICKET",
	.summary = "load a ticket into Redis from the record again",
	.run = run,
};
