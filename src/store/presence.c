/* SPDX-License-Identifier: BSD-2-Clause */
/* Leases of users and tickets: calls of the functions, and what they answer. */
#include "config.h"

#include "store/presence.h"

#include <stdio.h>
#include <stdlib.h>

#include "store/people.h"
#include "store/redis_wire.h"

enum { FIELD_SIZE = REDIS_KEYS_NODE_MAX + 3 };

/* ---- words ---- */

const char *presence_status_text(enum presence_status status)
{
	switch (status) {
	case PRESENCE_ONLINE:
		return "online";
	case PRESENCE_AWAY:
		return "away";
	case PRESENCE_OFFLINE:
		return "offline";
	case PRESENCE_UNKNOWN:
		break;
	}
	return "unknown";
}

int presence_status_parse(struct str text, enum presence_status *status_r)
{
	for (enum presence_status status = PRESENCE_ONLINE; status < PRESENCE_UNKNOWN; status++) {
		if (str_eq_c(text, presence_status_text(status))) {
			*status_r = status;
			return 0;
		}
	}
	return -1;
}

/* ---- leases ---- */

static void put_channel(struct buf *b, const struct redis_keys *keys, enum redis_channel_kind kind,
			struct str id)
{
	struct redis_key channel;

	redis_keys_channel(keys->prefix, kind, id, &channel);
	redis_wire_arg(b, channel.name);
}

/* `field` "": only a look. */
static size_t put_presence(struct buf *b, const struct redis_keys *keys, struct str user,
			   const char *field, int64_t ttl_ms, enum presence_status status)
{
	static const enum redis_shard_kind shard_keys[] = {
		REDIS_SHARD_ONLINE,
		REDIS_SHARD_DUE,
		REDIS_SHARD_AWAY,
		REDIS_SHARD_GONE,
	};
	unsigned int shard = redis_keys_shard_of(user);
	struct redis_key key;

	redis_wire_begin(b, 13);
	redis_wire_arg(b, STR("FCALL"));
	redis_wire_arg(b, STR(PEOPLE_LIBRARY "_presence"));
	redis_wire_arg(b, STR("5"));
	redis_keys_presence(keys, user, &key);
	redis_wire_arg(b, key.name);
	for (size_t i = 0; i < sizeof(shard_keys) / sizeof(shard_keys[0]); i++) {
		redis_keys_shard(keys, shard_keys[i], shard, &key);
		redis_wire_arg(b, key.name);
	}
	put_channel(b, keys, REDIS_CHANNEL_SYSTEM, STR(""));
	redis_wire_arg(b, user);
	redis_wire_arg(b, str_of(field));
	redis_wire_arg_i64(b, ttl_ms);
	redis_wire_arg(b, str_of(presence_status_text(status)));
	return 1;
}

size_t presence_put_lease(struct buf *b, const struct redis_keys *keys, struct str user,
			  struct str node, int64_t ttl_ms)
{
	char field[FIELD_SIZE];

	snprintf(field, sizeof(field), "n:%.*s", STR_ARG(node));
	return put_presence(b, keys, user, field, ttl_ms, PRESENCE_ONLINE);
}

size_t presence_put_said(struct buf *b, const struct redis_keys *keys, struct str user,
			 enum presence_status status, int64_t ttl_ms)
{
	if (status == PRESENCE_OFFLINE)
		return put_presence(b, keys, user, "api", 0, PRESENCE_ONLINE);
	return put_presence(b, keys, user, "api", ttl_ms, status);
}

size_t presence_put_look(struct buf *b, const struct redis_keys *keys, struct str user)
{
	return put_presence(b, keys, user, "", 0, PRESENCE_ONLINE);
}

size_t presence_put_here(struct buf *b, const struct redis_keys *keys,
			 const struct presence_here *here)
{
	const size_t n = here->n_here + here->n_left;
	struct redis_key key;

	redis_wire_begin(b, 11 + n);
	redis_wire_arg(b, STR("FCALL"));
	redis_wire_arg(b, STR(PEOPLE_LIBRARY "_here"));
	redis_wire_arg(b, STR("3"));
	redis_keys_ticket(keys, REDIS_KEY_HERE, here->ticket, &key);
	redis_wire_arg(b, key.name);
	redis_keys_watched(keys, redis_keys_partition(keys, here->ticket), &key);
	redis_wire_arg(b, key.name);
	redis_keys_nodes(keys, redis_keys_partition(keys, here->ticket), &key);
	redis_wire_arg(b, key.name);
	put_channel(b, keys, REDIS_CHANNEL_LIVE, here->ticket);
	redis_wire_arg(b, here->ticket);
	redis_wire_arg(b, here->node);
	redis_wire_arg_i64(b, here->ttl_ms);
	redis_wire_arg_i64(b, (int64_t)here->n_here);
	for (size_t i = 0; i < n; i++)
		redis_wire_arg(b, here->users[i]);
	return 1;
}

/* ---- reading ---- */

static struct str reply_str(const redisReply *reply)
{
	if (reply->type != REDIS_REPLY_STRING && reply->type != REDIS_REPLY_STATUS)
		return (struct str){NULL, 0};
	return (struct str){reply->str, reply->len};
}

int presence_count(const redisReply *reply)
{
	return reply != NULL && reply->type == REDIS_REPLY_ARRAY ? (int)reply->elements : -1;
}

struct str presence_entry(const redisReply *reply, size_t i)
{
	return reply_str(reply->element[i]);
}

size_t presence_put_state(struct buf *b, const struct redis_keys *keys, struct str user)
{
	struct redis_key key;

	redis_keys_presence(keys, user, &key);
	redis_wire_putc(b, "FCALL_RO", PEOPLE_LIBRARY "_state", "1", key.text, NULL);
	return 1;
}

int presence_parse_state(const redisReply *reply, struct presence_state *state_r)
{
	struct presence_state state = {0};
	struct str seen;

	if (presence_count(reply) != 2 ||
	    presence_status_parse(presence_entry(reply, 0), &state.status) != 0)
		return -1;
	seen = presence_entry(reply, 1);
	if (seen.p == NULL || (seen.n > 0 && str_to_i64(seen, 1, INT64_MAX, &state.seen_ms) != 0))
		return -1;
	*state_r = state;
	return 0;
}

size_t presence_put_online(struct buf *b, const struct redis_keys *keys)
{
	struct redis_key online, away;

	for (unsigned int shard = 0; shard < REDIS_KEYS_SHARDS; shard++) {
		redis_keys_shard(keys, REDIS_SHARD_ONLINE, shard, &online);
		redis_keys_shard(keys, REDIS_SHARD_AWAY, shard, &away);
		redis_wire_putc(b, "FCALL_RO", PEOPLE_LIBRARY "_online", "2", online.text,
				away.text, NULL);
	}
	return REDIS_KEYS_SHARDS;
}

int presence_count_online(const redisReply *reply)
{
	int n = presence_count(reply);

	return n < 0 || n % 2 != 0 ? -1 : n / 2;
}

int presence_parse_online(const redisReply *reply, size_t i, struct str *user_r,
			  enum presence_status *status_r)
{
	struct str user = presence_entry(reply, 2 * i);

	if (user.p == NULL || user.n == 0 ||
	    presence_status_parse(presence_entry(reply, 2 * i + 1), status_r) != 0)
		return -1;
	*user_r = user;
	return 0;
}

size_t presence_put_looking(struct buf *b, const struct redis_keys *keys, struct str ticket)
{
	struct redis_key key;

	redis_keys_ticket(keys, REDIS_KEY_HERE, ticket, &key);
	redis_wire_begin(b, 6);
	redis_wire_arg(b, STR("ZRANGE"));
	redis_wire_arg(b, key.name);
	redis_wire_arg(b, STR("0"));
	redis_wire_arg_i64(b, PRESENCE_LOOKING_MAX - 1);
	redis_wire_arg(b, STR("REV"));
	redis_wire_arg(b, STR("WITHSCORES"));
	return 1;
}

static int by_id(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static size_t unique(struct str *users, size_t n)
{
	size_t kept = 0;

	qsort(users, n, sizeof(*users), by_id);
	for (size_t i = 0; i < n; i++) {
		if (kept == 0 || !str_eq(users[kept - 1], users[i]))
			users[kept++] = users[i];
	}
	return kept;
}

/* Members are "<user> <node>". */
int presence_parse_looking(const redisReply *reply, int64_t now_ms, struct str *users_r)
{
	int entries = presence_count_online(reply);
	size_t n = 0;

	if (entries < 0 || entries > PRESENCE_LOOKING_MAX)
		return -1;
	for (size_t i = 0; i < (size_t)entries; i++) {
		struct str member = presence_entry(reply, 2 * i), user;
		int64_t end_ms;

		if (member.p == NULL || member.n == 0 ||
		    str_to_i64(presence_entry(reply, 2 * i + 1), 0, INT64_MAX, &end_ms) != 0 ||
		    !str_split(&member, ' ', &user) || user.n == 0)
			return -1;
		if (end_ms > now_ms)
			users_r[n++] = user;
	}
	return (int)unique(users_r, n);
}

/* ---- what the archiver does ---- */

static void put_until(struct buf *b, const struct redis_key *key, int64_t now_ms, int limit)
{
	redis_wire_begin(b, 7);
	redis_wire_arg(b, STR("ZRANGEBYSCORE"));
	redis_wire_arg(b, str_of(key->text));
	redis_wire_arg(b, STR("-inf"));
	redis_wire_arg_i64(b, now_ms);
	redis_wire_arg(b, STR("LIMIT"));
	redis_wire_arg(b, STR("0"));
	redis_wire_arg_i64(b, limit);
}

size_t presence_put_due(struct buf *b, const struct redis_keys *keys, unsigned int shard,
			int64_t now_ms, int limit)
{
	struct redis_key key;

	redis_keys_shard(keys, REDIS_SHARD_DUE, shard, &key);
	put_until(b, &key, now_ms, limit);
	return 1;
}

size_t presence_put_due_tickets(struct buf *b, const struct redis_keys *keys,
				unsigned int partition, int64_t now_ms, int limit)
{
	struct redis_key key;

	redis_keys_watched(keys, partition, &key);
	put_until(b, &key, now_ms, limit);
	return 1;
}

size_t presence_put_gone(struct buf *b, const struct redis_keys *keys, unsigned int shard,
			 int limit)
{
	struct redis_key key;

	redis_keys_shard(keys, REDIS_SHARD_GONE, shard, &key);
	redis_wire_begin(b, 5);
	redis_wire_arg(b, STR("ZRANGE"));
	redis_wire_arg(b, key.name);
	redis_wire_arg(b, STR("0"));
	redis_wire_arg_i64(b, limit - 1);
	redis_wire_arg(b, STR("WITHSCORES"));
	return 1;
}

int presence_parse_gone(const redisReply *reply, size_t i, struct record_seen *seen_r)
{
	struct record_seen seen = {.user = presence_entry(reply, 2 * i)};

	if (seen.user.p == NULL || seen.user.n == 0 ||
	    str_to_i64(presence_entry(reply, 2 * i + 1), 1, INT64_MAX, &seen.at_ms) != 0)
		return -1;
	*seen_r = seen;
	return 0;
}

size_t presence_put_noted(struct buf *b, const struct redis_keys *keys, unsigned int shard,
			  const struct record_seen *seen, size_t n)
{
	struct redis_key key;

	redis_keys_shard(keys, REDIS_SHARD_GONE, shard, &key);
	redis_wire_begin(b, 4 + 2 * n);
	redis_wire_arg(b, STR("FCALL"));
	redis_wire_arg(b, STR(PEOPLE_LIBRARY "_seen"));
	redis_wire_arg(b, STR("1"));
	redis_wire_arg(b, key.name);
	for (size_t i = 0; i < n; i++) {
		redis_wire_arg(b, seen[i].user);
		redis_wire_arg_i64(b, seen[i].at_ms);
	}
	return 1;
}
