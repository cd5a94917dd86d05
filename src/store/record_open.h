/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a stream has to know of its tickets before it begins, of all of them in one statement; in the
 * manner of store/record.h.
 */
#ifndef BELLHOP_STORE_RECORD_OPEN_H
#define BELLHOP_STORE_RECORD_OPEN_H

#include "store/record.h"

struct record_open_query {
	const struct str *tickets; /* 1 or more */
	size_t n;
	struct str user;
	bool is_staff;
	int64_t init; /* the newest messages whose beginning is wanted; 0: not wanted */
};

void record_open_put(struct pg_stmt *stmt, const struct record_open_query *query);

struct record_open_ticket {
	struct record_opened opened;
	/* Everybody's read mark as the viewer may see it: "<user> <seq>", with commas between. */
	struct str reads;
	/* The oldest of the newest messages that were wanted, and the event before it that the
	 * public may see; 0 where there is none. */
	int64_t init_seq;
	int64_t init_prev_public;
};

/* 0, or -1 unless there is a row for each of the n tickets. */
int record_open_parse(const PGresult *result, size_t n);

/* Ticket i, in the order of the query. */
int record_open_parse_ticket(const PGresult *result, size_t i, struct record_open_ticket *ticket_r);

/* Cuts the first mark off reads. False where none is left, or where it is none. */
bool record_open_next_read(struct str *reads, struct str *user_r, int64_t *seq_r);

#endif
