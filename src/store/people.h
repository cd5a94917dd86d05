/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What Redis holds about people, by way of the function library bellhop_people_1: commands and
 * replies, conventions as in hot.h. Functions publish what they change (redis_keys.h: channels).
 */
#ifndef BELLHOP_STORE_PEOPLE_H
#define BELLHOP_STORE_PEOPLE_H

#include "store/hot.h"

#define PEOPLE_LIBRARY	    "bellhop_people_1"
#define PEOPLE_LIBRARY_FILE "bellhop_people_1.lua" /* below BELLHOP_SQL_DIR/redis */

#define PEOPLE_TYPING_MS 8000 /* so long somebody types who does not say so again */

/* ---- typing ---- */

struct people_typing {
	struct str ticket;
	struct str user;
	struct str name; /* empty or absent: none */
	bool is_typing;
};

/* Says that a user types, or no longer. One reply, which need not be read. */
size_t people_put_typing(struct buf *b, const struct redis_keys *keys,
			 const struct people_typing *typing);

/* Who types in a ticket. PEOPLE_TYPISTS_REPLIES replies. */
#define PEOPLE_TYPISTS_REPLIES 2
size_t people_put_typists(struct buf *b, const struct redis_keys *keys, struct str ticket);

struct people_typist {
	struct str user;
	struct str name; /* empty: none */
	int64_t left_ms; /* 1 or more */
};

/*
 * Those who type, at most `max` of them, borrowed from the replies. Their number; -1 on an error reply
 * or an odd shape.
 */
int people_parse_typists(redisReply *const *replies, struct people_typist *typists_r, size_t max);

#endif
