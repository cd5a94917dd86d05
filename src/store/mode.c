/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The shared board of store health. Every word is an atomic of its own and no state spans two that
 * must agree: whatever interleaves, the worst is one probe more or a return that is a second late.
 */
#include "config.h"

#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "store/mode.h"

/* Times are clock_mono_ms(), which processes of one machine share; + 1, so that 0 can mean never. */
struct store {
	_Atomic int64_t away_since; /* 0: up */
	_Atomic int64_t next_probe;
	_Atomic int64_t good_since; /* first success since the last failure; 0: none */
};

struct mode_board {
	struct store stores[2]; /* by enum mode_store */
	atomic_bool is_unswept;
	int64_t made_at;
	_Atomic int64_t unpushed_at[MODE_PARTITIONS]; /* 0: never */
};

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "a lock could die with the process that holds it");

const char *mode_text(enum mode mode)
{
	switch (mode) {
	case MODE_FULL:
		return "full";
	case MODE_NO_REDIS:
		return "no-redis";
	case MODE_NO_POSTGRES:
		return "no-postgres";
	case MODE_DOWN:
		break;
	}
	return "down";
}

static int64_t now(void)
{
	return clock_mono_ms() + 1;
}

struct mode_board *mode_new(void)
{
	/* Fresh pages are zero: up, swept. */
	struct mode_board *board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE,
					MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (board == MAP_FAILED)
		return NULL;
	board->made_at = now();
	return board;
}

void mode_free(struct mode_board *board)
{
	if (board != NULL)
		munmap(board, sizeof(*board));
}

bool mode_ask(struct mode_board *board, enum mode_store which)
{
	struct store *store = &board->stores[which];
	int64_t t = now();
	int64_t due;

	if (atomic_load(&store->away_since) == 0)
		return true;
	due = atomic_load(&store->next_probe);
	/* Of all who see that it is due, one gets its mark in. */
	return t >= due &&
	       atomic_compare_exchange_strong(&store->next_probe, &due, t + MODE_PROBE_MS);
}

bool mode_probe_is_due(const struct mode_board *board, enum mode_store which)
{
	const struct store *store = &board->stores[which];

	return atomic_load(&store->away_since) != 0 && now() >= atomic_load(&store->next_probe);
}

bool mode_succeeded(struct mode_board *board, enum mode_store which)
{
	struct store *store = &board->stores[which];
	int64_t away = atomic_load(&store->away_since);
	int64_t t, good = 0;

	if (away == 0)
		return false;
	t = now();
	if (atomic_compare_exchange_strong(&store->good_since, &good, t))
		return false;
	/* `good` is now the first success; one before this outage was wiped by mode_failed(). */
	if (t - good < MODE_STEADY_MS)
		return false;
	return atomic_compare_exchange_strong(&store->away_since, &away, 0);
}

bool mode_failed(struct mode_board *board, enum mode_store which)
{
	struct store *store = &board->stores[which];
	int64_t t = now();
	int64_t up = 0;

	atomic_store(&store->good_since, 0);
	/* Before the store is marked away, else everybody would see a probe due at once. */
	if (atomic_load(&store->away_since) == 0)
		atomic_store(&store->next_probe, t + MODE_PROBE_MS);
	return atomic_compare_exchange_strong(&store->away_since, &up, t);
}

void mode_set_swept(struct mode_board *board, bool is_swept)
{
	/* Read before write: every reader says this, and nearly always it is no news. */
	if (atomic_load(&board->is_unswept) == is_swept)
		atomic_store(&board->is_unswept, !is_swept);
}

void mode_note_unpushed(struct mode_board *board, unsigned int partition)
{
	atomic_store(&board->unpushed_at[partition % MODE_PARTITIONS], now());
}

bool mode_is_unpushed_since(const struct mode_board *board, unsigned int partition,
			    int64_t since_ms)
{
	int64_t at = atomic_load(&board->unpushed_at[partition % MODE_PARTITIONS]);

	return at != 0 && at >= since_ms + 1;
}

bool mode_is_new_since(const struct mode_board *board, int64_t since_ms)
{
	return board->made_at >= since_ms + 1;
}

bool mode_is_up(const struct mode_board *board, enum mode_store which)
{
	return atomic_load(&board->stores[which].away_since) == 0;
}

enum mode mode_now(const struct mode_board *board)
{
	bool is_redis = mode_is_up(board, MODE_REDIS) && !atomic_load(&board->is_unswept);

	if (mode_is_up(board, MODE_POSTGRES))
		return is_redis ? MODE_FULL : MODE_NO_REDIS;
	return is_redis ? MODE_NO_POSTGRES : MODE_DOWN;
}
