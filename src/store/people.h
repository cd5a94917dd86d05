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

/* ---- everybody ---- */

/* Publishes to all processes that listen for somebody. One reply, which need not be read. */
size_t people_put_system(struct buf *b, const char *prefix, struct str payload);

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
	struct str name; /* absent: none */
	int64_t left_ms; /* 1 .. PEOPLE_TYPING_MS */
};

/*
 * Those who type, at most `max` of them, borrowed from the replies. Their number; -1 on an error reply
 * or an odd shape.
 */
int people_parse_typists(redisReply *const *replies, struct people_typist *typists_r, size_t max);

/* ---- read marks ---- */

/* A mark as the record has it (record_read.h). */
struct people_mark {
	int64_t epoch;
	int64_t seq;
	int64_t public_seq;
	int64_t n;
	int64_t n_public;
	int64_t at_ms;
};

struct people_read {
	struct str ticket;
	struct str user;
	struct people_mark mark;
	bool is_public_news; /* public_seq has moved */
};

/* Tells of a mark that moved, unless a newer one was told before. One reply, which need not be read. */
size_t people_put_read(struct buf *b, const struct redis_keys *keys,
		       const struct people_read *read);

/* All marks of a ticket, the newest that were told. One reply. */
size_t people_put_marks(struct buf *b, const struct redis_keys *keys, struct str ticket);

/* How many marks the reply has; -1 on an error reply or an odd shape. */
int people_count_marks(const redisReply *reply);

/* Whose mark i of the reply is, borrowed from it. */
struct str people_mark_user(const redisReply *reply, size_t i);

/* Mark i of the reply. 0, or -1 if it is malformed. */
int people_parse_mark(const redisReply *reply, size_t i, struct people_mark *mark_r);

#endif
