/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bellhop-archive: what its parts share. One process, one loop, blocking calls under deadlines: each
 * tick looks at Redis, sweeps, goes on with a comparison if one is under way, and trims a little.
 *
 * No tick relies on what an earlier one remembers of Redis: marks are read anew each time and written
 * only if they are still the same, so that a restarted, emptied or exchanged Redis, and other
 * archivers beside this one, need no case of their own.
 */
#ifndef BELLHOP_ARCHIVE_ARCHIVE_H
#define BELLHOP_ARCHIVE_ARCHIVE_H

#include "base/conf.h"
#include "store/feed.h"
#include "store/pg_conn.h"
#include "store/record.h"
#include "store/record_keep.h"
#include "store/redis_conn.h"
#include "store/upkeep.h"

/* Tickets of one question to a store. */
#define ARCHIVE_BATCH 200

/* How far a stream goes; all zero without one. */
struct archive_tail {
	int64_t first_seq, last_seq, bytes;
	char last_uid[65]; /* "" where the event has none */
};

/* A walk over all streams that compares each with the record: see compare.c. */
struct archive_compare {
	bool is_running;
	bool is_whole;	/* all streams are compared, not only those of the targets */
	bool *targets;	/* by partition: gets its mark at the end */
	bool is_failed; /* a ticket could not be settled: no mark from this walk */
	char cursor[UPKEEP_CURSOR_SIZE];
	uint64_t generation; /* of the connection: another one may show other data */
	int64_t until_us;    /* PostgreSQL time, and ... */
	int64_t at_ms;	     /* ... Redis time of before the beginning */
};

struct archive {
	/* settings */
	char prefix[REDIS_KEYS_PREFIX_MAX + 1];
	int64_t sweep_ms;
	int64_t redis_timeout_ms, pg_timeout_ms;
	struct upkeep_window window;
	struct buf libraries[UPKEEP_LIBRARIES]; /* sources of the functions */

	/* servers */
	struct redis_conn *redis;
	struct redis_conn *admin; /* loads functions; may be the same as redis */
	struct pg_conn *pg;
	struct feed feed;
	bool is_redis_down, is_pg_down;	    /* in this tick */
	bool is_redis_logged, is_pg_logged; /* said to be away */
	bool has_libraries;		    /* they were loaded since we started */
	unsigned pg_generation;		    /* the connection whose deployment we know */

	/* the deployment */
	bool has_keys;
	struct redis_keys keys;
	bool is_checked;      /* the comparison of all streams at the start was asked for */
	bool is_timeline_new; /* PostgreSQL failed over: nothing is trusted until all is compared */

	/* this tick */
	int64_t redis_now_ms;	/* Redis time at its beginning */
	int64_t asked_at_ms;	/* Redis time of the last look at tails, for loads that follow */
	int64_t until_us;	/* PostgreSQL time of the last sweep */
	struct hot_mark *marks; /* by partition, as read at its beginning */
	bool *is_dirty;		/* by partition: has a ticket that could not be brought up */
	bool is_abandoned; /* the epoch has changed: whatever was read belongs to the old one */

	struct archive_compare compare;

	/* trim */
	char trim_cursor[UPKEEP_CURSOR_SIZE];
	int64_t trim_pause_until_ms; /* clock_mono_ms */

	/* retention */
	struct {
		struct record_keep_ages ages;
		char after[65]; /* the ticket that the walk has come to */
		int64_t pause_until_ms;
	} keep;

	/* leases */
	struct {
		int64_t pause_until_ms;
		unsigned rounds;
		bool is_seen_due; /* last-seen times are to be written */
	} leases;

	/* revoked */
	struct {
		int64_t epoch, last_id; /* what the copy in Redis goes up to */
		int64_t expire_at_ms;
	} revoked;

	/* upkeep of the times that people's lists are ordered by */
	struct {
		int batch; /* events */
		int64_t pause_until_ms;
	} activity;

	int signal_fd;
	bool should_stop, should_reload;
};

/* ---- archive.c: servers ---- */

/* From the settings, which are borrowed for this call only. 0, or -1 with a line of reason. */
int archive_init(struct archive *a, const struct conf *conf, struct buf *error);
void archive_deinit(struct archive *a);

/* Takes over what may change at run time. */
void archive_configure(struct archive *a, const struct conf *conf);

/* One round of everything. */
void archive_tick(struct archive *a);

/*
 * One exchange with Redis. 0, and n replies for redis_conn_release(); -1 if there was no answer or if
 * any is an error reply of those that concern the server (all but HOT_TROUBLE_DATA). The server is then
 * down for this tick; that is logged once, until a whole tick went well.
 */
int archive_ask_redis(struct archive *a, const struct buf *commands, size_t n,
		      redisReply **replies);

/* Runs a statement and frees it. 0 and a result for PQclear(), or -1 and down, as above. */
int archive_ask_record(struct archive *a, struct pg_stmt *stmt, PGresult **result_r);

/*
 * Pushes or loads what a ticket's stream lacks; news_from as in feed_fill(). 0; -1: it could not be
 * settled now.
 */
int archive_fill(struct archive *a, struct str ticket, int64_t tail_seq, int64_t news_from);

/*
 * The streams of n tickets (at most ARCHIVE_BATCH) seem to be ahead of the record: asks the record
 * again, since they may only have been read later. 0 if that was all; -1 if it is so, and then the
 * epoch was raised and the tick is abandoned, or if PostgreSQL is away.
 */
int archive_doubt(struct archive *a, const struct str *tickets, const int64_t *tails, size_t n);

/* PostgreSQL went back in time. Abandons the tick. */
void archive_bump(struct archive *a, const char *reason, struct str ticket);

/* last_seq in the record of n tickets (at most ARCHIVE_BATCH), 0 for one that has not begun. 0, or -1. */
int archive_ask_committed(struct archive *a, const struct str *tickets, size_t n, int64_t *seqs_r);

/* The tails of n tickets (at most ARCHIVE_BATCH) in one pipeline. 0, or -1. */
int archive_ask_tails(struct archive *a, const struct str *tickets, size_t n,
		      struct archive_tail *tails_r);

/* May a tick go on? Not once a store is away, the epoch has changed, or SIGTERM has come. */
bool archive_may_go_on(struct archive *a);

/* Has SIGTERM come? Long work asks between its steps. */
bool archive_is_stopping(struct archive *a);

/* ---- sweep.c, compare.c, trim.c, retention.c, leases.c, revoked.c, activity.c ---- */

/*
 * Reads what was committed lately and brings the streams up to it, then writes the marks of all
 * partitions that are in order and trims the tickets that have outgrown the window. 0; or -1 where a
 * store is away or the epoch has changed.
 */
int sweep_run(struct archive *a);

/*
 * Asks for a comparison of the streams of a partition, after which it gets its mark; or of all streams,
 * without marks. To be called each tick as long as it is wanted: what is not yet covered by the walk
 * under way begins it anew.
 */
void compare_want(struct archive *a, unsigned int partition);
void compare_want_all(struct archive *a);

/* Goes on for a bounded time; at the end writes the marks. */
void compare_step(struct archive *a);

void compare_deinit(struct archive *a);

/* Trims n tickets (at most ARCHIVE_BATCH) right away, as the record is now. 0; -1: a store is away. */
int trim_tickets(struct archive *a, const struct str *tickets, size_t n);

/* One small step of the walk that finds old events, idle tickets and abandoned epochs. */
void trim_step(struct archive *a);

/* Takes over how long events are kept. */
void retention_configure(struct archive *a, const struct conf *conf);

/* Erases from the record what is too old: a page of tickets, for a bounded time. */
void retention_step(struct archive *a);

/* Takes notice of leases of presence that are over, once a second. Needs Redis alone. */
void leases_step(struct archive *a);

/* Writes into the record when users were last seen, a batch, every few seconds. */
void leases_write_seen(struct archive *a);

/* Brings the copy of the revocations up to the record. */
void revoked_step(struct archive *a);

/* One round of bringing those times up to date, as far as it is time for one. */
void activity_step(struct archive *a);

#endif
