/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who is there, and who looks at which ticket: leases in Redis, kept by the functions of
 * sql/redis/bellhop_people_1.lua. Conventions as in hot.h. All of it is ephemeral but last-seen times,
 * which the archiver writes into the record.
 *
 * A lease belongs to a user and a node (a push process), or to what a client said by itself. Every
 * function that finds a user's status to be another one than was last published publishes it on the
 * channel `system`, and who comes to a ticket or leaves it on `live:<ticket>`.
 */
#ifndef BELLHOP_STORE_PRESENCE_H
#define BELLHOP_STORE_PRESENCE_H

#include <hiredis/hiredis.h>

#include "base/buf.h"
#include "store/record_seen.h"
#include "store/redis_keys.h"

enum presence_status {
	PRESENCE_ONLINE,
	PRESENCE_AWAY,
	PRESENCE_OFFLINE,
	PRESENCE_UNKNOWN /* nobody can tell for now */
};

/* "online" … "unknown". */
const char *presence_status_text(enum presence_status status);

/* 0, or -1 if it is none that Redis or a client may say: not "unknown". */
int presence_status_parse(struct str text, enum presence_status *status_r);

/* ---- leases ---- */

/*
 * A process's lease on a user with streams: given or prolonged (ttl_ms > 0), or taken back (0). What
 * ended meanwhile is noticed, too. One reply.
 */
size_t presence_put_lease(struct buf *b, const struct redis_keys *keys, struct str user,
			  struct str node, int64_t ttl_ms);

/* What a client says of itself: online or away for ttl_ms, or (offline) nothing more. One reply. */
size_t presence_put_said(struct buf *b, const struct redis_keys *keys, struct str user,
			 enum presence_status status, int64_t ttl_ms);

/* Takes notice of which leases of a user are over. One reply. */
size_t presence_put_look(struct buf *b, const struct redis_keys *keys, struct str user);

/* Who looks at a ticket by way of a node. */
struct presence_here {
	struct str ticket;
	struct str node;
	const struct str *users; /* first those who do, then those who no longer do */
	size_t n_here, n_left;	 /* both 0: only takes notice of which leases are over */
	int64_t ttl_ms;
};

/* One reply. */
size_t presence_put_here(struct buf *b, const struct redis_keys *keys,
			 const struct presence_here *here);

/* ---- reading ---- */

struct presence_state {
	enum presence_status status;
	int64_t seen_ms; /* of an offline user; 0: Redis does not know */
};

/* One reply. */
size_t presence_put_state(struct buf *b, const struct redis_keys *keys, struct str user);
int presence_parse_state(const redisReply *reply, struct presence_state *state_r);

/* Everybody who is not offline. REDIS_KEYS_SHARDS replies. */
size_t presence_put_online(struct buf *b, const struct redis_keys *keys);

/* How many users a reply of it names, -1 for an error or an odd one; user i of them. */
int presence_count_online(const redisReply *reply);
int presence_parse_online(const redisReply *reply, size_t i, struct str *user_r,
			  enum presence_status *status_r);

/* Users of an answer at most; of more, those who came or were confirmed last. */
#define PRESENCE_LOOKING_MAX 1000

/* Who looks at a ticket. One reply. */
size_t presence_put_looking(struct buf *b, const struct redis_keys *keys, struct str ticket);

/*
 * now_ms: Redis time. Fills users_r (room for PRESENCE_LOOKING_MAX), each user once, in the order of
 * ids, borrowed from the reply. Their number, or -1 for an error or an odd reply.
 */
int presence_parse_looking(const redisReply *reply, int64_t now_ms, struct str *users_r);

/* ---- what the archiver does ---- */

/* Users of a shard of whom a lease has ended by now_ms, Redis time. One reply, a list. */
size_t presence_put_due(struct buf *b, const struct redis_keys *keys, unsigned int shard,
			int64_t now_ms, int limit);

/* The same of a partition's tickets. One reply, a list. */
size_t presence_put_due_tickets(struct buf *b, const struct redis_keys *keys,
				unsigned int partition, int64_t now_ms, int limit);

/* Entries of a list, -1 for an error or an odd reply. Entry i: p NULL where it is no text. */
int presence_count(const redisReply *reply);
struct str presence_entry(const redisReply *reply, size_t i);

/* Last-seen times of a shard that the record does not have yet. One reply, a list. */
size_t presence_put_gone(struct buf *b, const struct redis_keys *keys, unsigned int shard,
			 int limit);

/* Pair i of that list, of which presence_count() tells twice the number. 0, or -1. */
int presence_parse_gone(const redisReply *reply, size_t i, struct record_seen *seen_r);

/* These are in the record now. One reply. */
size_t presence_put_noted(struct buf *b, const struct redis_keys *keys, unsigned int shard,
			  const struct record_seen *seen, size_t n);

#endif
