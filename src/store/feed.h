/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keeps the stream of a ticket in step with the record, over the two blocking carriers: pushes what
 * was committed, and where Redis answers that something is missing reads that from PostgreSQL and
 * loads it. For bellhop-api after a send and for bellhop-archive.
 *
 * Failing here is never a lost message: the sweep comes and finds what is missing.
 */
#ifndef BELLHOP_STORE_FEED_H
#define BELLHOP_STORE_FEED_H

#include "store/hot.h"
#include "store/pg_conn.h"
#include "store/redis_conn.h"

/* What it works with; all borrowed for the call. */
struct feed {
	struct redis_conn *redis;
	struct pg_conn *pg;
	const struct redis_keys *keys;
	int64_t redis_timeout_ms; /* of each exchange with Redis */
	int64_t pg_timeout_ms;	  /* of each statement */
};

enum feed_outcome {
	FEED_DONE,  /* Redis has it */
	FEED_CLASH, /* Redis has other events than the record: the epoch has to be raised */
	FEED_REDIS, /* Redis did not answer, or with an error: see `trouble` and redis_conn_reason() */
	FEED_RECORD,  /* PostgreSQL did not answer: pg_conn_error() */
	FEED_UNSTEADY /* the stream changed under our hands too often: leave it to the sweep */
};

struct feed_result {
	enum feed_outcome outcome;
	enum hot_trouble trouble; /* FEED_REDIS: the error reply, NONE where there was no answer */
};

/* Pushes a committed event; join_role as in hot_put_push(). */
struct feed_result feed_push(const struct feed *feed, const struct ticket_event *event,
			     struct str join_role);

/*
 * Brings a ticket's stream up to the record: loads what follows `tail_seq`, or, where there is no
 * stream (0) or too much is missing, the newest HOT_LOAD_MAX events. asked_at_ms: Redis time that came
 * with (or before) tail_seq. Of events from news_from on the ticket's people are told as by a push; 0:
 * of none. DONE too where the record has nothing of the ticket.
 */
struct feed_result feed_fill(const struct feed *feed, struct str ticket, int64_t tail_seq,
			     int64_t asked_at_ms, int64_t news_from);

#endif
