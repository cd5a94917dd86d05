/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Both stores as a command uses them: opened from the settings, asked under their time-outs, and every
 * failure reported where it happens.
 */
#ifndef BELLHOP_CLI_STORES_H
#define BELLHOP_CLI_STORES_H

#include "chat/seal.h"
#include "cli/command.h"
#include "store/feed.h"
#include "store/record.h"

struct stores {
	const struct invocation *in;
	struct conf *conf;
	struct pg_conn *pg;
	struct redis_conn *redis; /* NULL where it was not asked for */
	struct redis_keys keys;	  /* of the deployment that PostgreSQL told of */
	struct seal *seal; /* NULL where stores_load_keys() was not asked, or there are none */
	int64_t pg_timeout_ms;
	int64_t redis_timeout_ms;
};

/*
 * Reads the settings and connects to PostgreSQL, and to Redis if is_redis_used. COMMAND_OK, or
 * COMMAND_FAILED after reporting; stores_close() takes what there is in either case.
 */
int stores_open(struct stores *stores_r, const struct invocation *in, bool is_redis_used);
void stores_close(struct stores *stores);

/* Reads the keys of texts, if any are set. COMMAND_OK, or COMMAND_FAILED after reporting. */
int stores_load_keys(struct stores *stores);

/*
 * Runs a statement and frees it; again if PostgreSQL is away for a moment, so it must be one that may be
 * repeated. The result, for PQclear(); NULL after reporting.
 */
PGresult *stores_ask(struct stores *stores, struct pg_stmt *stmt);

/* Moves a pipeline; 0 with the replies, for redis_conn_release(), or -1 after reporting. */
int stores_pipeline(struct stores *stores, const struct buf *commands, size_t n,
		    redisReply **replies_r);

/* The numbers of a ticket; status and title are left out. 0, or -1 after reporting. */
int stores_ticket(struct stores *stores, struct str ticket, struct record_ticket *ticket_r);

/* Reports an answer that makes no sense, or a lack of memory. Returns -1. */
int stores_odd(const struct stores *stores, const char *what);

/* What store/feed works with. */
struct feed stores_feed(const struct stores *stores);

#endif
