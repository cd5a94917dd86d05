/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The blocking carrier: one connection to Redis that moves pipelines built by store/hot under a
 * deadline of the caller's. For bellhop-api's workers, bellhop-archive and the command; bellhop-push
 * uses redis_async. It connects when first used and again after every failure, each time to the first
 * of the server's addresses that answers (redis_dial.h); it never repeats a command by itself.
 */
#ifndef BELLHOP_STORE_REDIS_CONN_H
#define BELLHOP_STORE_REDIS_CONN_H

#include "store/redis_wire.h"

struct redis_conn;

/*
 * Nothing is connected yet. The target is copied; `name` (for CLIENT LIST, borrowed) has no spaces.
 * NULL if out of memory.
 */
struct redis_conn *redis_conn_new(const struct redis_target *target, const char *name,
				  int64_t connect_timeout_ms);

/* NULL is fine. */
void redis_conn_free(struct redis_conn *conn);

/*
 * Sends `commands` (nreplies commands, as the builders of store/hot count them) and waits for all
 * replies until deadline_ms (clock_mono_ms). replies_r has room for nreplies pointers; on ERR_NONE
 * each is a reply, error replies included, to be freed with redis_conn_release(); otherwise all are
 * NULL and the connection is closed.
 *
 *	ERR_UNAVAILABLE	 not connected, nothing was sent
 *	ERR_UNCERTAIN	 sent at least in part, then no complete answer in time or the connection broke
 *	ERR_REFUSED	 AUTH or SELECT was refused; nothing was sent
 *	ERR_PROTOCOL	 the answer is not RESP, or beyond the limits of redis_wire.h
 *	ERR_MEMORY	 out of memory, or `commands` has failed
 */
enum err redis_conn_exec(struct redis_conn *conn, const struct buf *commands, size_t nreplies,
			 int64_t deadline_ms, redisReply **replies_r);

/* `reply` is borrowed, and NULL where there is none, for whatever reason. */
typedef void redis_conn_rider_cb(void *arg, const redisReply *reply);

/*
 * Leaves one command that can wait to go along with the next exec, in the same round trip and before its
 * commands, which therefore must not depend on it; no command at all is fine for that one. `done` runs once,
 * from inside that exec, or from redis_conn_free(). 0, or -1 where another one waits still or memory ran
 * out: then `done` never runs.
 */
int redis_conn_ride(struct redis_conn *conn, const struct buf *command, redis_conn_rider_cb *done,
		    void *arg);
bool redis_conn_has_rider(const struct redis_conn *conn);

/* The rider does not go any more, and is told so. None is fine. */
void redis_conn_drop_rider(struct redis_conn *conn);

/* Frees and clears n replies; NULL entries are fine. */
void redis_conn_release(redisReply **replies, size_t n);

/* Why the last exec failed, for logs; never NULL, no secret; valid until the next call. */
const char *redis_conn_reason(const struct redis_conn *conn);

/*
 * How often a connection was made: if it is the same before and after, then both were answered by
 * the same run of the server.
 */
uint64_t redis_conn_generation(const struct redis_conn *conn);

/* Closes the connection; the next exec makes a new one. */
void redis_conn_close(struct redis_conn *conn);

#endif
