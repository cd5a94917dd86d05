/* SPDX-License-Identifier: BSD-2-Clause */
/* Key names in Redis: putting them together and taking tickets out of them. */
#include "config.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "store/redis_keys.h"

bool redis_keys_prefix_is_valid(const char *prefix)
{
	size_t n = strlen(prefix);

	if (n > REDIS_KEYS_PREFIX_MAX)
		return false;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)prefix[i];

		/* Braces would move the hash tag, the others mean something to SCAN MATCH. */
		if (c <= ' ' || c > '~' || strchr("{}*?[]\\^", c) != NULL)
			return false;
	}
	return true;
}

int redis_keys_init(struct redis_keys *keys_r, const char *prefix, int64_t epoch,
		    unsigned int partitions)
{
	if (!redis_keys_prefix_is_valid(prefix) || epoch < 1 || partitions < 1 ||
	    partitions > REDIS_KEYS_PARTITION_MAX)
		return -1;
	*keys_r = (struct redis_keys){.epoch = epoch, .partitions = partitions};
	memcpy(keys_r->prefix, prefix, strlen(prefix) + 1);
	return 0;
}

static uint32_t fnv1a(struct str id)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < id.n; i++) {
		hash ^= (unsigned char)id.p[i];
		hash *= 16777619u;
	}
	return hash;
}

unsigned int redis_keys_partition(const struct redis_keys *keys, struct str ticket)
{
	return fnv1a(ticket) % keys->partitions;
}

unsigned int redis_keys_shard_of(struct str user)
{
	return fnv1a(user) % REDIS_KEYS_SHARDS;
}

/* Ends a key whose text snprintf() has written and, where it did not fit, cut. */
static void finish(struct redis_key *key, int written)
{
	size_t n = written < 0 ? 0 : (size_t)written;

	if (n >= sizeof(key->text))
		n = sizeof(key->text) - 1;
	key->name = (struct str){key->text, n};
}

static int clip(struct str s, size_t max)
{
	return (int)(s.n < max ? s.n : max);
}

static const char *kind_name(enum redis_key_kind kind)
{
	switch (kind) {
	case REDIS_KEY_CHAT:
		return "chat";
	case REDIS_KEY_META:
		return "meta";
	case REDIS_KEY_WHO:
		return "who";
	case REDIS_KEY_TYPING:
		return "typing";
	case REDIS_KEY_READ:
		return "read";
	case REDIS_KEY_HERE:
		return "here";
	}
	return "none";
}

/* What outlives an epoch has none in its name. */
static bool is_of_epoch(enum redis_key_kind kind)
{
	return kind == REDIS_KEY_CHAT || kind == REDIS_KEY_META || kind == REDIS_KEY_WHO;
}

void redis_keys_ticket(const struct redis_keys *keys, enum redis_key_kind kind, struct str ticket,
		       struct redis_key *key_r)
{
	char epoch[24] = "";

	if (is_of_epoch(kind))
		snprintf(epoch, sizeof(epoch), "%lld:", (long long)keys->epoch);
	finish(key_r,
	       snprintf(key_r->text, sizeof(key_r->text), "%s%s{%u}:%s:%.*s", keys->prefix, epoch,
			redis_keys_partition(keys, ticket), kind_name(kind),
			clip(ticket, REDIS_KEYS_TICKET_MAX), ticket.p != NULL ? ticket.p : ""));
}

void redis_keys_swept(const struct redis_keys *keys, unsigned int partition,
		      struct redis_key *key_r)
{
	finish(key_r, snprintf(key_r->text, sizeof(key_r->text), "%s%lld:{%u}:swept", keys->prefix,
			       (long long)keys->epoch, partition));
}

void redis_keys_wake(const struct redis_keys *keys, struct str node, int64_t reader,
		     struct redis_key *key_r)
{
	finish(key_r, snprintf(key_r->text, sizeof(key_r->text), "%swake:%.*s:%lld", keys->prefix,
			       clip(node, REDIS_KEYS_NODE_MAX), node.p != NULL ? node.p : "",
			       (long long)reader));
}

void redis_keys_watched(const struct redis_keys *keys, unsigned int partition,
			struct redis_key *key_r)
{
	finish(key_r, snprintf(key_r->text, sizeof(key_r->text), "%s{%u}:watched", keys->prefix,
			       partition));
}

void redis_keys_nodes(const struct redis_keys *keys, unsigned int partition,
		      struct redis_key *key_r)
{
	finish(key_r,
	       snprintf(key_r->text, sizeof(key_r->text), "%s{%u}:nodes", keys->prefix, partition));
}

void redis_keys_presence(const struct redis_keys *keys, struct str user, struct redis_key *key_r)
{
	finish(key_r, snprintf(key_r->text, sizeof(key_r->text), "%s{u%u}:presence:%.*s",
			       keys->prefix, redis_keys_shard_of(user),
			       clip(user, REDIS_KEYS_TICKET_MAX), user.p != NULL ? user.p : ""));
}

static const char *shard_kind_name(enum redis_shard_kind kind)
{
	switch (kind) {
	case REDIS_SHARD_ONLINE:
		return "online";
	case REDIS_SHARD_DUE:
		return "due";
	case REDIS_SHARD_AWAY:
		return "away";
	case REDIS_SHARD_GONE:
		return "gone";
	}
	return "none";
}

void redis_keys_shard(const struct redis_keys *keys, enum redis_shard_kind kind, unsigned int shard,
		      struct redis_key *key_r)
{
	finish(key_r, snprintf(key_r->text, sizeof(key_r->text), "%s{u%u}:%s", keys->prefix, shard,
			       shard_kind_name(kind)));
}

void redis_keys_deployment(const char *prefix, struct redis_key *key_r)
{
	finish(key_r, snprintf(key_r->text, sizeof(key_r->text), "%.*sdeployment",
			       REDIS_KEYS_PREFIX_MAX, prefix));
}

void redis_keys_channel(const char *prefix, enum redis_channel_kind kind, struct str id,
			struct redis_key *key_r)
{
	static const char *const names[] = {
		[REDIS_CHANNEL_LIVE] = "live:",
		[REDIS_CHANNEL_USER] = "user:",
		[REDIS_CHANNEL_SYSTEM] = "system",
	};

	if (kind == REDIS_CHANNEL_SYSTEM)
		id = STR("");
	finish(key_r, snprintf(key_r->text, sizeof(key_r->text), "%.*s%s%.*s",
			       REDIS_KEYS_PREFIX_MAX, prefix, names[kind],
			       clip(id, REDIS_KEYS_TICKET_MAX), id.p != NULL ? id.p : ""));
}

void redis_keys_revoked(const char *prefix, struct redis_key *key_r)
{
	finish(key_r, snprintf(key_r->text, sizeof(key_r->text), "%.*srevoked",
			       REDIS_KEYS_PREFIX_MAX, prefix));
}

void redis_keys_rate(const char *prefix, struct str policy, struct str user,
		     struct redis_key *key_r)
{
	finish(key_r,
	       snprintf(key_r->text, sizeof(key_r->text), "%.*srate:%.*s:%.*s",
			REDIS_KEYS_PREFIX_MAX, prefix, clip(policy, REDIS_KEYS_TICKET_MAX),
			policy.p, clip(user, REDIS_KEYS_TICKET_MAX), user.p != NULL ? user.p : ""));
}

void redis_keys_epoch_pattern(const struct redis_keys *keys, struct redis_key *pattern_r)
{
	finish(pattern_r,
	       snprintf(pattern_r->text, sizeof(pattern_r->text), "%s[1-9]*:{*}:*", keys->prefix));
}

/* Takes `prefix` off the front of *s. */
static bool take(struct str *s, struct str prefix)
{
	if (!str_starts(*s, prefix))
		return false;
	*s = (struct str){s->p + prefix.n, s->n - prefix.n};
	return true;
}

/* Takes decimal digits off the front of *s. */
static bool take_number(struct str *s, int64_t *value_r)
{
	struct str digits = {s->p, 0};

	while (digits.n < s->n && isdigit((unsigned char)s->p[digits.n]))
		digits.n++;
	if (str_to_i64(digits, 0, INT64_MAX, value_r) != 0)
		return false;
	*s = (struct str){s->p + digits.n, s->n - digits.n};
	return true;
}

struct str redis_keys_ticket_of(const struct redis_keys *keys, struct str key)
{
	static const struct str absent = {NULL, 0};
	int64_t epoch, partition;
	struct str s = key;

	if (!take(&s, str_of(keys->prefix)) || !take_number(&s, &epoch) || epoch != keys->epoch ||
	    !take(&s, STR(":{")) || !take_number(&s, &partition) || !take(&s, STR("}:chat:")) ||
	    s.n == 0 || s.n > REDIS_KEYS_TICKET_MAX)
		return absent;
	return (int64_t)redis_keys_partition(keys, s) == partition ? s : absent;
}

int64_t redis_keys_epoch_of(const struct redis_keys *keys, struct str key)
{
	int64_t epoch;
	struct str s = key;

	if (!take(&s, str_of(keys->prefix)) || !take_number(&s, &epoch) || !take(&s, STR(":{")))
		return 0;
	return epoch;
}
