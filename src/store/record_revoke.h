/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Revocations in the record, in the manner of store/record.h, and the copy of them in Redis: a hash
 * whose fields are "j<jti>" and "u<user>", with the time in microseconds, and "whole" once everything that
 * the record had is in it. It is for those who start while PostgreSQL is away.
 */
#ifndef BELLHOP_STORE_RECORD_REVOKE_H
#define BELLHOP_STORE_RECORD_REVOKE_H

#include <hiredis/hiredis.h>

#include "store/record.h"

enum { RECORD_REVOKE_LIMIT = 1000 }; /* revocations of one answer */

struct record_revocation {
	int64_t id;
	struct str jti;	 /* p NULL: it is about a user */
	struct str user; /* p NULL: it is about one token */
	int64_t at_us;
	int64_t end_us; /* no such token can be valid after it; INT64_MAX: never; 0 in the copy, which has none */
};

/* Revokes: `revocation` has a jti or a user. days: how long it is kept, 0 for ever. The answer says nothing. */
void record_revoke_put(struct pg_stmt *stmt, const struct record_revocation *revocation,
		       int64_t days);

/* Those after the id, in the order of their ids, at most RECORD_REVOKE_LIMIT. 0 is before the first. */
void record_revoke_put_list(struct pg_stmt *stmt, int64_t after_id);

struct record_revocations {
	int64_t epoch;
	int64_t now_us; /* the record's clock */
	size_t count;
};

int record_revoke_parse_list(const PGresult *result, struct record_revocations *list_r);
int record_revoke_parse(const PGresult *result, size_t i, struct record_revocation *revocation_r);

/* Drops those that have become pointless. The answer says nothing. */
void record_revoke_put_expire(struct pg_stmt *stmt);

/* ---- the copy in Redis ---- */

/*
 * Adds to the copy. is_whole: this completes it. One reply, which is a number. Nothing to add and not
 * whole: no command, 0.
 */
size_t record_revoke_put_copy(struct buf *b, const char *prefix,
			      const struct record_revocation *revocations, size_t count,
			      bool is_whole);

/* Is it whole? One reply: the number 1. */
size_t record_revoke_put_copy_probe(struct buf *b, const char *prefix);

/* Away with it. One reply. */
size_t record_revoke_put_copy_drop(struct buf *b, const char *prefix);

/* All of it. One reply, for record_revoke_parse_copy(). */
size_t record_revoke_put_copy_read(struct buf *b, const char *prefix);

/* The number of revocations in the copy, or -1 where it is not whole or no such copy. */
int64_t record_revoke_count_copy(const redisReply *reply);

/* Entry i, 0 <= i < count. 0, or -1 if it makes no sense. Borrowed from the reply. */
int record_revoke_parse_copy(const redisReply *reply, size_t i,
			     struct record_revocation *revocation_r);

#endif
