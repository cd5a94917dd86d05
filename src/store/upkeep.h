/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What only the archiver says to Redis: loading the function library, writing marks, trimming, and
 * walking over the keys. Conventions as in hot.h.
 */
#ifndef BELLHOP_STORE_UPKEEP_H
#define BELLHOP_STORE_UPKEEP_H

#include "store/hot.h"

/* ---- the function libraries ---- */

#define UPKEEP_LIBRARIES 3

struct upkeep_library {
	const char *name;
	const char *file;  /* below BELLHOP_SQL_DIR/redis */
	const char *probe; /* a function that does nothing */
};

/* Library i of UPKEEP_LIBRARIES. */
const struct upkeep_library *upkeep_library(size_t i);

/* Loads a library, in place of one of the same name. One reply: a text, or an error. */
size_t upkeep_put_library(struct buf *b, struct str code);

/*
 * Calls a function of each library that does nothing. UPKEEP_LIBRARIES replies in their order:
 * HOT_TROUBLE_FUNCTION if that library is missing.
 */
size_t upkeep_put_probes(struct buf *b);

/* ---- marks ---- */

#define UPKEEP_MARKS_MAX 64

/*
 * Writes the marks of partitions first .. first+n-1, each only if its `until` still is what `was` (n
 * entries) says. n above 1 is for a server without Cluster, UPKEEP_MARKS_MAX at most, so that no call
 * takes long. One reply: how many were written.
 */
struct upkeep_marks {
	unsigned int first, n;
	const struct hot_mark *was;
	int64_t until_us;
	int64_t at_ms;
};

size_t upkeep_put_marks(struct buf *b, const struct redis_keys *keys,
			const struct upkeep_marks *marks);

/* ---- trimming ---- */

/* Bounds of the window. */
struct upkeep_window {
	int64_t events;
	int64_t age_ms;
	int64_t bytes;
	int64_t min;	 /* this many stay, whatever the others say */
	int64_t idle_ms; /* a ticket that nobody wrote to or loaded for so long leaves Redis */
	/* of one ticket */
	int64_t first_seq; /* retention has erased what is below: it goes, whatever the others say */
	/*
	 * What PostgreSQL is known to have committed: nothing above it is touched, and an idle ticket
	 * is dropped only if its tail is exactly this.
	 */
	int64_t committed_seq;
};

/* Trims one ticket to the window, a bounded number of events a call. One reply. */
size_t upkeep_put_trim(struct buf *b, const struct redis_keys *keys, struct str ticket,
		       const struct upkeep_window *window);

struct upkeep_trimmed {
	int64_t removed; /* events */
	bool is_dropped; /* the whole ticket left Redis */
};

/* 0, or -1 on an error or an odd reply. */
int upkeep_parse_trimmed(const redisReply *reply, struct upkeep_trimmed *trimmed_r);

/* ---- walking ---- */

#define UPKEEP_CURSOR_SIZE 24

/*
 * One step over the keys of this deployment that begin with an epoch; cursor "0" begins. One reply.
 * `count` is a hint to Redis: a step may bring more, or none.
 */
size_t upkeep_put_scan(struct buf *b, const struct redis_keys *keys, const char *cursor, int count);

struct upkeep_scan {
	char cursor[UPKEEP_CURSOR_SIZE]; /* "0": the walk is over */
	const redisReply *keys;
};

/* 0, or -1 on an error or an odd reply. The keys are borrowed from the reply. */
int upkeep_parse_scan(const redisReply *reply, struct upkeep_scan *scan_r);

/* Deletes all copies of a ticket at once, as if it had never been here. One reply. */
size_t upkeep_put_forget(struct buf *b, const struct redis_keys *keys, struct str ticket);

/* Deletes one key, whatever it is. One reply. */
size_t upkeep_put_unlink(struct buf *b, struct str key);

/* ---- looking ---- */

/* Everybody that `who` lists. One reply, for upkeep_find_role(). */
size_t upkeep_put_people(struct buf *b, const struct redis_keys *keys, struct str ticket);

/* How many users it lists; -1 on an error or an odd reply, or where it is not known to list all. */
int64_t upkeep_count_people(const redisReply *reply);

/*
 * Entry i, one more than are counted: false for the one that is no user. From a reply that could be
 * counted.
 */
bool upkeep_person(const redisReply *reply, size_t i, struct hot_participant *person_r);

/* What it says of a user: a role, "removed", or absent. Borrowed from a reply that could be counted. */
struct str upkeep_find_role(const redisReply *reply, struct str user);

#endif
