/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The shared table. An entry is one atomic word: what tells a caller apart in its bucket, and when the
 * caller's quota is whole again. So an entry is always consistent, and whatever interleaves, the worst
 * is a call that was not counted.
 */
#include "config.h"

#include "store/rate_table.h"

#include <sodium.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"

/* The lower bits of a word: microseconds since the table was made, for 8 years. */
#define TIME_BITS 48
#define TIME_MASK (((uint64_t)1 << TIME_BITS) - 1)

enum {
	BUCKETS = RATE_TABLE_SIZE / RATE_TABLE_WAYS,
	TRIES_MAX = 16 /* others come in between: then the call is not counted */
};

struct rate_table {
	_Atomic uint64_t
		entries[BUCKETS][RATE_TABLE_WAYS]; /* 0: free. First, so that none is split */
	int64_t made_us;			   /* clock_mono_us */
	unsigned char key[crypto_shorthash_KEYBYTES];
};

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "a lock could die with the process that holds it");
_Static_assert(RATE_TABLE_WAYS * sizeof(uint64_t) == 64, "a bucket is a cache line");

struct rate_table *rate_table_new(void)
{
	/* Fresh pages are zero: nobody is known. */
	struct rate_table *table = mmap(NULL, sizeof(*table), PROT_READ | PROT_WRITE,
					MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (table == MAP_FAILED)
		return NULL;
	table->made_us = clock_mono_us();
	randombytes_buf(table->key, sizeof(table->key));
	return table;
}

void rate_table_free(struct rate_table *table)
{
	if (table != NULL)
		munmap(table, sizeof(*table));
}

/* A caller's place: the bucket, and the upper bits of its words. */
struct place {
	_Atomic uint64_t *bucket;
	uint64_t tag;
};

static struct place place_of(struct rate_table *table, struct str policy, struct str user)
{
	unsigned char text[256], hash[crypto_shorthash_BYTES];
	size_t n = policy.n < 64 ? policy.n : 64;
	size_t m = user.n < 128 ? user.n : 128;
	uint64_t bits;

	/* A user id has no NUL, so no two callers have one text. */
	memcpy(text, policy.p, n);
	text[n] = '\0';
	memcpy(text + n + 1, user.p, m);
	crypto_shorthash(hash, text, n + 1 + m, table->key);
	memcpy(&bits, hash, sizeof(bits));
	return (struct place){
		.bucket = table->entries[bits % BUCKETS],
		.tag = bits & ~TIME_MASK,
	};
}

static int64_t now_us(const struct rate_table *table)
{
	int64_t now = clock_mono_us() - table->made_us;

	return now > 0 ? now : 0;
}

static int64_t time_of(uint64_t word)
{
	return (int64_t)(word & TIME_MASK);
}

/* The caller's entry, else the one that is the least loss: free, or whole again soonest. */
static _Atomic uint64_t *find(const struct place *place, uint64_t *word_r)
{
	_Atomic uint64_t *best = &place->bucket[0];

	*word_r = atomic_load(best);
	for (size_t i = 0; i < RATE_TABLE_WAYS; i++) {
		uint64_t word = atomic_load(&place->bucket[i]);

		if (word != 0 && (word & ~TIME_MASK) == place->tag) {
			*word_r = word;
			return &place->bucket[i];
		}
		if (time_of(word) < time_of(*word_r)) {
			*word_r = word;
			best = &place->bucket[i];
		}
	}
	return best;
}

/* What is known of the caller, from the word that find() gave. */
static int64_t known_of(const struct place *place, uint64_t word)
{
	return (word & ~TIME_MASK) == place->tag ? time_of(word) : 0;
}

int64_t rate_table_take(struct rate_table *table, struct str policy, struct str user,
			const struct gcra_rule *rule)
{
	const struct place place = place_of(table, policy, user);
	const int64_t now = now_us(table);
	int64_t answer = 0;

	for (int i = 0; i < TRIES_MAX; i++) {
		uint64_t word;
		_Atomic uint64_t *entry = find(&place, &word);
		const int64_t known = known_of(&place, word);
		int64_t full_at = known;

		answer = gcra_take(rule, now, &full_at);
		if (full_at == known ||
		    atomic_compare_exchange_strong(entry, &word,
						   place.tag | ((uint64_t)full_at & TIME_MASK)))
			break;
	}
	return answer;
}

void rate_table_note(struct rate_table *table, struct str policy, struct str user,
		     const struct gcra_rule *rule, int64_t answer)
{
	const struct place place = place_of(table, policy, user);
	const int64_t full_at = now_us(table) + gcra_owed_us(rule, answer);
	uint64_t word;
	_Atomic uint64_t *entry;

	/* Lost to another process: its note is as good as ours. */
	entry = find(&place, &word);
	if (known_of(&place, word) < full_at)
		atomic_compare_exchange_strong(entry, &word,
					       place.tag | ((uint64_t)full_at & TIME_MASK));
}
