/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What was revoked, in the memory of one process: single tokens by their jti, and users, of whom every
 * token is refused that was issued before. It says what to ask of the record, and takes the answers; asking
 * is its owner's. No I/O.
 *
 * What the record drops, since no such token can be valid any more, is forgotten here as well, by the
 * record's clock and some time later. What only the copy in Redis told stays.
 */
#ifndef BELLHOP_CHAT_REVOCATIONS_H
#define BELLHOP_CHAT_REVOCATIONS_H

#include "store/record_revoke.h"

struct identity;
struct revocations;

/* NULL when out of memory. */
struct revocations *revocations_new(void);
void revocations_free(struct revocations *all);

/*
 * Each copies its string. Adding twice is fine; of a user the later time counts. 0, or -1 when out of
 * memory: what was not added is not refused, so ask again.
 */
int revocations_add_token(struct revocations *all, struct str jti);
int revocations_add_user(struct revocations *all, struct str user, int64_t at_us);

/* ---- following the record ---- */

enum revocations_taken {
	REVOCATIONS_ALL,  /* that is all there is by now */
	REVOCATIONS_MORE, /* ask again at once */
	REVOCATIONS_BAD	  /* the answer makes no sense, or memory ran out: ask again later */
};

/* The question for what the record has beyond what is known here. */
void revocations_put_ask(const struct revocations *all, struct pg_stmt *stmt);

/* Takes the answer, and forgets some of what is over by then. *grown_r: something was added. */
enum revocations_taken revocations_take(struct revocations *all, const PGresult *result,
					bool *grown_r);

/* Takes the copy in Redis. 0; -1 where it is not whole, or memory ran out: it cannot be relied on. */
int revocations_take_copy(struct revocations *all, const redisReply *reply);

/* ---- asking ---- */

/*
 * Is the identity's token one of them? A token without iat, or with one that is not later than the
 * user's revocation (whole seconds count as their beginning), is. Identities by parameters have no token:
 * the web server vouches for them anew with each request, so only what was begun before the revocation,
 * at began_us of the wall clock, is over.
 */
bool revocations_cover(const struct revocations *all, const struct identity *who, int64_t began_us);

#endif
