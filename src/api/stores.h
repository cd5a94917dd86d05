/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A worker's way to PostgreSQL and Redis: one connection to each, tried only while the shared mode
 * says so, every call under a deadline, its outcome reported to the mode.
 */
#ifndef BELLHOP_API_STORES_H
#define BELLHOP_API_STORES_H

#include "base/conf.h"
#include "base/err.h"
#include "base/log.h"
#include "store/feed.h"
#include "store/mode.h"

struct stores;

/*
 * Connects to nothing yet. conf is borrowed for this call only, the board for as long as the stores
 * live. NULL with a line of reason appended to *error.
 */
struct stores *stores_new(const struct conf *conf, struct mode_board *board, struct buf *error);
void stores_free(struct stores *s);

/*
 * Connects to PostgreSQL and has it plan what a send runs, so that the first request after a start
 * does not pay for that. Failure is no matter: it is the mode's.
 */
void stores_warm(struct stores *s);

enum mode stores_mode(const struct stores *s);

/* Is Redis up, as far as is known? Unlike stores_redis() this never makes anybody probe it. */
bool stores_has_redis(const struct stores *s);

/*
 * For an idle worker, about once a second, so that the mode is true and the epoch known without
 * traffic too: looks whether the windows are swept, probes Redis where it is away, and, where
 * asks_record (one worker does), PostgreSQL.
 */
void stores_tick(struct stores *s, bool asks_record);

/* When the stores' answer to a question beginning now is due (clock_mono_ms). */
int64_t stores_pg_deadline(const struct stores *s);
int64_t stores_redis_deadline(const struct stores *s);

/*
 * As pg_conn_exec(); ERR_UNAVAILABLE at once while PostgreSQL is away and it is not our turn to
 * probe.
 */
enum err stores_pg(struct stores *s, const struct pg_stmt *stmt, int64_t deadline_ms,
		   PGresult **result_r);

/*
 * The same for a write that may be repeated: where its answer was lost and there is time left, it
 * is sent again on a new connection, and *is_repeat_r (NULL is fine) says that the result is of that
 * one.
 */
enum err stores_pg_repeatable(struct stores *s, const struct pg_stmt *stmt, int64_t deadline_ms,
			      PGresult **result_r, bool *is_repeat_r);

/*
 * As redis_conn_exec(), and the same. Error replies of commands are the caller's to see
 * (stores_redis_trouble).
 */
enum err stores_redis(struct stores *s, const struct buf *commands, size_t nreplies,
		      int64_t deadline_ms, redisReply **replies_r);

/*
 * Leaves a command that can wait to go along with the next exchange with Redis, whatever that is about
 * (redis_conn_ride). `done` runs before stores_redis_settle() returns; not at all where this is -1.
 */
int stores_redis_ride(struct stores *s, const struct buf *command, redis_conn_rider_cb *done,
		      void *arg);

/* Once a request is answered: what was left to go along and found nothing to go with goes by itself. */
void stores_redis_settle(struct stores *s);

/* An error reply that concerns Redis as a whole marks it away; NONE and single keys' do not. */
void stores_redis_trouble(struct stores *s, enum hot_trouble trouble);

/* What all names in Redis begin with. */
const char *stores_prefix(const struct stores *s);

/* The names of keys, or NULL while no store has told the epoch yet. May ask a store. */
const struct redis_keys *stores_keys(struct stores *s);

/* An answer of the record named this epoch. */
void stores_learn_epoch(struct stores *s, int64_t epoch);

/* A ticket as Redis shows it to one user. */
struct stores_window {
	struct hot_open open; /* all zero where Redis did not answer */
	bool is_usable;	      /* there, swept as far as that can be demanded, and complete */
	int64_t epoch;
	redisReply *replies[HOT_OPEN_REPLIES]; /* what open borrows from */
};

/* Never fails: a window that cannot be had is not usable. stores_window_deinit() afterwards. */
void stores_window_load(struct stores *s, struct str ticket, struct str user,
			struct stores_window *window_r);
void stores_window_deinit(struct stores_window *window);

/*
 * Brings a ticket that has begun back to Redis if the window showed that it is not there: somebody
 * reads it, and will do so again. Failing is no harm.
 */
void stores_restore(struct stores *s, struct str ticket, const struct stores_window *window);

/*
 * Brings a committed event to Redis, and whatever the stream lacks before it; raises the epoch where
 * Redis knows other events than the record. join_role as in hot_put_push(). Failing is no harm: the
 * archiver's sweep comes.
 */
void stores_push(struct stores *s, const struct ticket_event *event, struct str join_role,
		 const struct log_ctx *log);

/*
 * Brings a ticket's stream up to last_seq, what the record has, if it is behind: somebody found done what
 * was asked for, so the answer to the first try may have been lost, and its event never pushed. A ticket
 * that is not in Redis stays away. Failing is no harm.
 */
void stores_catch_up(struct stores *s, struct str ticket, int64_t last_seq);

#endif
