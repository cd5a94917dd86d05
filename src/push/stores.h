/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Both stores as this process sees them: the connections that everybody here shares, the epoch that
 * holds, and what may be believed. A window in Redis is trusted only while the archiver keeps its
 * partition's mark moving; that is looked at twice a second for the partitions that are in use.
 */
#ifndef BELLHOP_PUSH_STORES_H
#define BELLHOP_PUSH_STORES_H

#include "store/mode.h"
#include "store/pg_async.h"
#include "store/redis_async.h"
#include "store/redis_keys.h"

struct conf;
struct event_base;
struct hot_open;
struct stores;
struct texts;

struct stores_ops {
	/* Something about availability or trust has changed; ask stores_mode() again. */
	void (*changed)(void *arg);

	/* A higher epoch holds from now on, or the first one was learnt. */
	void (*epoch)(void *arg);
	void *arg;
};

/* Connects to both. NULL with a line of reason in *error. `ops` is copied. */
struct stores *stores_new(struct event_base *base, const struct conf *conf,
			  const struct stores_ops *ops, struct buf *error);
void stores_free(struct stores *stores);

/* 0 until one of the stores has told. */
int64_t stores_epoch(const struct stores *stores);

/* Key names of the epoch that holds; only while stores_epoch() is not 0. */
const struct redis_keys *stores_keys(const struct stores *stores);
unsigned int stores_partition(const struct stores *stores, struct str ticket);

/* The epoch that some answer spoke of; a lower one than known is ignored. */
void stores_note_epoch(struct stores *stores, int64_t epoch);

/* Someone begins or ceases to use a partition's windows. */
void stores_use(struct stores *stores, unsigned int partition);
void stores_unuse(struct stores *stores, unsigned int partition);

/* A look at a partition's mark that was made elsewhere, together with other things. */
void stores_note_swept(struct stores *stores, unsigned int partition, bool is_swept);

/* Is Redis connected; is PostgreSQL; is the partition swept? */
bool stores_has_redis(const struct stores *stores);
bool stores_has_record(const struct stores *stores);
bool stores_is_swept(const struct stores *stores, unsigned int partition);

/*
 * Has PostgreSQL been given up for now? Not where its connections were just lost and are made again: who
 * asks then waits a moment, but is answered by the record.
 */
bool stores_is_record_away(const struct stores *stores);

/* What can be had for tickets of the partition. */
enum mode stores_mode(const struct stores *stores, unsigned int partition);

/*
 * Is membership as a window has it to be believed? If it is swept, or was until PostgreSQL went away:
 * nothing can have changed since.
 */
bool stores_believe(const struct stores *stores, const struct hot_open *window);

/* May windows of the partition be read: swept, or nothing better is there. */
bool stores_may_read_window(const struct stores *stores, unsigned int partition);

/* The worst mode of the partitions in use; for answers that are about no ticket. */
enum mode stores_mode_now(const struct stores *stores);

/*
 * Runs a pipeline on the shared connection within BELLHOP_REDIS_TIMEOUT_MS, a statement within
 * BELLHOP_PG_TIMEOUT_MS; contracts of redis_async_submit() and pg_async_exec().
 */
struct redis_async_call *stores_ask_redis(struct stores *stores, const struct buf *commands,
					  size_t nreplies, redis_async_cb *cb, void *arg);
struct pg_call *stores_ask_record(struct stores *stores, struct pg_stmt *stmt, pg_call_done *done,
				  void *arg);

/* What opens the texts that come from either store; it has no keys until it is given some. */
struct texts *stores_texts(const struct stores *stores);

/* For connections of one's own. */
const struct redis_target *stores_redis_target(const struct stores *stores);
int64_t stores_connect_timeout_ms(const struct stores *stores);
int64_t stores_redis_timeout_ms(const struct stores *stores);

#endif
