/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The record of when users were last there, and who may know it: statements and what their answers
 * say, in the manner of store/record.h.
 */
#ifndef BELLHOP_STORE_RECORD_SEEN_H
#define BELLHOP_STORE_RECORD_SEEN_H

#include "store/pg_sql.h"

#define RECORD_SEEN_MAX 200 /* users of one statement */

struct record_seen {
	struct str user;
	int64_t at_ms;
};

/* Writes down when n users were last seen; an earlier time than is known is ignored. */
void record_seen_put_write(struct pg_stmt *stmt, const struct record_seen *seen, size_t n);

/* When n users were last seen. A row for each who is known. */
void record_seen_put_read(struct pg_stmt *stmt, const struct str *users, size_t n);
size_t record_seen_count(const PGresult *result);
int record_seen_parse(const PGresult *result, size_t i, struct record_seen *seen_r);

/*
 * Which of n users share a ticket with `asker`: participants of the tickets in which the asker is
 * one, and of `tickets`, which a token names, unless the asker was removed there. Nobody counts in a
 * ticket that they were removed from. A row for each.
 */
struct record_seen_shared {
	struct str asker;
	const struct str *users;
	size_t n;
	const struct str *tickets;
	size_t n_tickets;
};

void record_seen_put_shared(struct pg_stmt *stmt, const struct record_seen_shared *shared);
size_t record_seen_count_shared(const PGresult *result);
int record_seen_parse_shared(const PGresult *result, size_t i, struct str *user_r);

#endif
