/* SPDX-License-Identifier: BSD-2-Clause */
/* Forgetting a ticket in Redis, and loading it. */
#include "config.h"

#include "cli/reload.h"

#include "store/upkeep.h"

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

int reload_ticket(struct stores *stores, struct str ticket)
{
	int64_t now_ms = 0;

	if (forget(stores, ticket, &now_ms) != 0)
		return COMMAND_FAILED;
	return load(stores, ticket, now_ms);
}
