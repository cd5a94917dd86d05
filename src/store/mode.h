/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The health of both stores, shared by the processes of one master: whoever first misses a deadline
 * marks the store away, the others then do not try it, so that an outage costs one time-out and not
 * one a request. While a store is away one caller each 500 ms is told to try; two successes at least
 * 1 s apart bring it back.
 *
 *	if (mode_ask(mode, MODE_REDIS)) {
 *		err = ...use Redis, with a deadline...;
 *		if (err == ERR_NONE)
 *			mode_succeeded(mode, MODE_REDIS);
 *		else
 *			mode_failed(mode, MODE_REDIS);
 *	}
 *
 * All functions are lock-free and may be called by any process at any time; one that dies between
 * asking and reporting holds nothing up.
 */
#ifndef BELLHOP_STORE_MODE_H
#define BELLHOP_STORE_MODE_H

#include <stdbool.h>
#include <stdint.h>

#define MODE_PROBE_MS  500  /* how often an absent store is tried */
#define MODE_STEADY_MS 1000 /* how long it must answer before it is trusted */

enum mode {
	MODE_FULL,	  /* both answer, windows are swept */
	MODE_NO_REDIS,	  /* Redis away, unusable or not swept */
	MODE_NO_POSTGRES, /* PostgreSQL away */
	MODE_DOWN,	  /* neither */
};

/* "full", "no-redis", "no-postgres", "down": as in the header Bellhop-Mode and the event `mode`. */
const char *mode_text(enum mode mode);

enum mode_store { MODE_REDIS, MODE_POSTGRES };

struct mode_board;

/*
 * A board in anonymous shared memory, both stores up and swept; make it before forking. NULL with
 * errno. mode_free() unmaps it in the calling process only; NULL is fine.
 */
struct mode_board *mode_new(void);
void mode_free(struct mode_board *board);

/*
 * May the caller use the store now? True while it is up, and, while it is away, for the one caller
 * whose turn it is to probe; that one must report.
 */
bool mode_ask(struct mode_board *board, enum mode_store store);

/* While the store is away: is a probe due? Claims nothing; for an idle process to decide to ask. */
bool mode_probe_is_due(const struct mode_board *board, enum mode_store store);

/*
 * Reports what came of it. Both return true to exactly one caller a change (away -> up, up -> away),
 * which is the one to log it.
 */
bool mode_succeeded(struct mode_board *board, enum mode_store store);
bool mode_failed(struct mode_board *board, enum mode_store store);

/* Whoever reads `swept` says what it found; it decides between full and no-redis. */
void mode_set_swept(struct mode_board *board, bool is_swept);

/*
 * Something was committed that may not be in Redis, whatever the reason: the windows of that partition
 * are to be believed again once a sweep that began later has marked them. The archiver's mark alone may
 * be some seconds old, from before the event; where Redis was away only for a moment it still is good.
 * One note for all partitions of the same number modulo MODE_PARTITIONS.
 */
#define MODE_PARTITIONS 256
void mode_note_unpushed(struct mode_board *board, unsigned int partition);

/* Has that been noted at clock_mono_ms() `since_ms` or later? */
bool mode_is_unpushed_since(const struct mode_board *board, unsigned int partition,
			    int64_t since_ms);

/* Was the board made at `since_ms` or later, so that nothing is known of what was missed before? */
bool mode_is_new_since(const struct mode_board *board, int64_t since_ms);

/* Is the store up, as far as is known? */
bool mode_is_up(const struct mode_board *board, enum mode_store store);

enum mode mode_now(const struct mode_board *board);

#endif
