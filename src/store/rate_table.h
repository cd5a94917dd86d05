/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rate limits in memory that the processes of one master share, for the time that Redis is away: the
 * same algorithm (base/gcra.h) on a hash table of fixed size.
 *
 * The table is lock-free, and errs towards letting in: where more callers than it holds come at a time,
 * it forgets those whose quota will be whole soonest. Callers are told apart by a keyed hash alone; that
 * two of them at the same time count as one happens once in many thousand, and ends with the window.
 * All functions may be called by any process at any time, and one that dies in between holds nothing up.
 */
#ifndef BELLHOP_STORE_RATE_TABLE_H
#define BELLHOP_STORE_RATE_TABLE_H

#include "base/gcra.h"
#include "base/str.h"

/* Callers it holds, in buckets of RATE_TABLE_WAYS; 512 KiB. */
#define RATE_TABLE_SIZE 65536
#define RATE_TABLE_WAYS 8

struct rate_table;

/*
 * An empty table in anonymous shared memory; make it before forking. NULL with errno.
 * rate_table_free() unmaps it in the calling process only; NULL is fine.
 */
struct rate_table *rate_table_new(void);
void rate_table_free(struct rate_table *table);

/* One call of a user under a policy, whose rule has a quota; the answer is as of gcra_take(). */
int64_t rate_table_take(struct rate_table *table, struct str policy, struct str user,
			const struct gcra_rule *rule);

/*
 * What Redis has answered to such a call, which other machines' calls are in: kept where it is the more,
 * so that nobody begins anew when Redis goes away.
 */
void rate_table_note(struct rate_table *table, struct str policy, struct str user,
		     const struct gcra_rule *rule, int64_t answer);

#endif
