/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The names of all keys in Redis, made here and nowhere else.
 *
 *	<prefix><epoch>:{p}:chat:<ticket>	stream: the newest events of a ticket
 *	<prefix><epoch>:{p}:meta:<ticket>	hash: what the ticket row says as of the stream's tail
 *	<prefix><epoch>:{p}:who:<ticket>	hash: user -> role or "removed", as of the stream's tail
 *	<prefix><epoch>:{p}:swept		hash: how far the archiver has compared the partition
 *	<prefix>{p}:typing:<ticket>		hash: user -> when it ends, and the name
 *	<prefix>{p}:read:<ticket>		hash: user -> read mark
 *	<prefix>{p}:here:<ticket>		sorted set: who is looking -> until when
 *	<prefix>wake:<node>:<reader>		stream: wakes one reader out of its XREAD
 *	<prefix>deployment			hash: epoch and partitions, to start without PostgreSQL
 *	<prefix>{p}:watched			sorted set: ticket -> when to look at that again
 *	<prefix>{p}:nodes			sorted set: process -> end of its latest lease there
 *	<prefix>{u<s>}:presence:<user>		hash: leases of a user, see sql/redis/
 *	<prefix>{u<s>}:online, due, away, gone	sorted sets: a part of all users by time
 *	<prefix>revoked				hash: what was revoked, for the same purpose
 *	<prefix>rate:<policy>:<user>		string: how much of a limit is used, see sql/redis/
 *
 * p is FNV-1a-32 of the ticket id modulo the deployment's number of partitions, in decimal. It is the
 * hash tag, so that a Cluster slot holds whole partitions and functions stay atomic. The epoch in
 * front abandons all streams of an epoch at once. s is the same hash of a user id modulo
 * REDIS_KEYS_SHARDS.
 *
 * Channels, for what may be lost:
 *
 *	<prefix>live:<ticket>	what happens in a ticket besides its events: who types, reads, looks
 *	<prefix>user:<user>	a ticket of the user has a new event
 *	<prefix>system		who is there; that a token was replaced by a newer one
 */
#ifndef BELLHOP_STORE_REDIS_KEYS_H
#define BELLHOP_STORE_REDIS_KEYS_H

#include "base/str.h"

#define REDIS_KEYS_PREFIX_MAX	 64
#define REDIS_KEYS_TICKET_MAX	 64
#define REDIS_KEYS_NODE_MAX	 64
#define REDIS_KEYS_PARTITION_MAX 4096
#define REDIS_KEYS_SHARDS	 16  /* of users */
#define REDIS_KEY_SIZE		 256 /* any key fits, and its NUL */

/* What all key names of a deployment have in common. A plain value, to be copied freely. */
struct redis_keys {
	char prefix[REDIS_KEYS_PREFIX_MAX + 1];
	int64_t epoch;
	unsigned int partitions;
};

/* A key's name; NUL-terminated, `name` borrows from `text` (so do not copy the struct). */
struct redis_key {
	char text[REDIS_KEY_SIZE];
	struct str name;
};

/* The first three belong to an epoch. */
enum redis_key_kind {
	REDIS_KEY_CHAT,
	REDIS_KEY_META,
	REDIS_KEY_WHO,
	REDIS_KEY_TYPING,
	REDIS_KEY_READ,
	REDIS_KEY_HERE
};

enum redis_channel_kind { REDIS_CHANNEL_LIVE, REDIS_CHANNEL_USER, REDIS_CHANNEL_SYSTEM };

/*
 * epoch >= 1, 1 <= partitions <= REDIS_KEYS_PARTITION_MAX; the prefix may be empty and consists of
 * printable ASCII without spaces, braces and glob characters. 0, or -1 if any of that is not so.
 */
int redis_keys_init(struct redis_keys *keys_r, const char *prefix, int64_t epoch,
		    unsigned int partitions);

/* For --test-config: could redis_keys_init() take this prefix? */
bool redis_keys_prefix_is_valid(const char *prefix);

/* 0 .. partitions-1. */
unsigned int redis_keys_partition(const struct redis_keys *keys, struct str ticket);

/*
 * The ticket id must be well-formed (web/ids.h), node and reader no longer than REDIS_KEYS_NODE_MAX;
 * longer ones are cut, so that nothing here can fail.
 */
void redis_keys_ticket(const struct redis_keys *keys, enum redis_key_kind kind, struct str ticket,
		       struct redis_key *key_r);
void redis_keys_swept(const struct redis_keys *keys, unsigned int partition,
		      struct redis_key *key_r);
void redis_keys_wake(const struct redis_keys *keys, struct str node, int64_t reader,
		     struct redis_key *key_r);
void redis_keys_deployment(const char *prefix, struct redis_key *key_r);
void redis_keys_revoked(const char *prefix, struct redis_key *key_r);
void redis_keys_rate(const char *prefix, struct str policy, struct str user,
		     struct redis_key *key_r);

/* The name of a channel; `id` is a ticket's or a user's, and not looked at for REDIS_CHANNEL_SYSTEM. */
void redis_keys_channel(const char *prefix, enum redis_channel_kind kind, struct str id,
			struct redis_key *key_r);

/* Which tickets of a partition have somebody who looks at them; by way of which processes. */
void redis_keys_watched(const struct redis_keys *keys, unsigned int partition,
			struct redis_key *key_r);
void redis_keys_nodes(const struct redis_keys *keys, unsigned int partition,
		      struct redis_key *key_r);

/* A user's presence, the user's shard (0 .. REDIS_KEYS_SHARDS-1), and the sets of a shard. */
enum redis_shard_kind { REDIS_SHARD_ONLINE, REDIS_SHARD_DUE, REDIS_SHARD_AWAY, REDIS_SHARD_GONE };

unsigned int redis_keys_shard_of(struct str user);
void redis_keys_presence(const struct redis_keys *keys, struct str user, struct redis_key *key_r);
void redis_keys_shard(const struct redis_keys *keys, enum redis_shard_kind kind, unsigned int shard,
		      struct redis_key *key_r);

/*
 * The ticket of a stream's key, borrowed from `key`; absent (p NULL) for any other key, another
 * epoch's or another prefix's included.
 */
struct str redis_keys_ticket_of(const struct redis_keys *keys, struct str key);

/*
 * The epoch of a key that begins with one, 0 for any other. For clearing away what an abandoned epoch
 * has left.
 */
int64_t redis_keys_epoch_of(const struct redis_keys *keys, struct str key);

/* A glob pattern for SCAN: all keys of this prefix that begin with an epoch. */
void redis_keys_epoch_pattern(const struct redis_keys *keys, struct redis_key *pattern_r);

#endif
