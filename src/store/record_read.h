/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The record of read marks and unread counts: the statements about them and what their answers say, in
 * the manner of store/record.h.
 *
 * A mark has two numbers: the event up to which its user has read, and the newest public event not above
 * that. Requesters are told the second one, of everybody, and when that one moved.
 */
#ifndef BELLHOP_STORE_RECORD_READ_H
#define BELLHOP_STORE_RECORD_READ_H

#include "store/record.h"

struct record_mark {
	int64_t seq; /* 0: there is no mark, and the rest is 0, too */
	int64_t public_seq;
	int64_t n; /* messages up to the mark */
	int64_t n_public;
	int64_t at_ms;	      /* when it moved */
	int64_t public_at_ms; /* when public_seq moved; 0 where that is 0 */
};

/* ---- moving a mark ---- */

struct record_read {
	struct str ticket;
	struct str user;
	struct str role; /* of the caller's token: decides what is visible */
	int64_t seq;	 /* 0 or more; goes to the newest visible event at most */
	enum record_grant grant;
};

enum record_read_outcome {
	RECORD_READ_MOVED = 'c',
	RECORD_READ_SAME = 'u', /* it was there or beyond; or there is nothing to be read */
	RECORD_READ_NOT_A_PARTICIPANT = 'p',
};

struct record_read_done {
	enum record_read_outcome outcome;
	int64_t epoch;
	struct record_mark mark; /* afterwards; public_at_ms is not told */
	bool is_public_moved;	 /* MOVED: its public number, too */
	int64_t unread;		 /* as the role sees it */
};

/*
 * Moves the mark, never back: one call, one transaction, which does not wait for the disk. It begins no
 * ticket. Repeating it after ERR_UNCERTAIN is safe: what was done is RECORD_READ_SAME.
 */
void record_read_put_mark(struct pg_stmt *stmt, const struct record_read *read);
int record_read_parse_mark(const PGresult *result, struct record_read_done *done_r);

/* ---- reading marks ---- */

struct record_read_list {
	int64_t epoch;
	enum record_membership membership; /* of the user who asks */
	size_t count;
};

/* Everybody's mark, ascending by user, and whether `user` is a participant. */
void record_read_put_list(struct pg_stmt *stmt, struct str ticket, struct str user);
int record_read_parse_list(const PGresult *result, struct record_read_list *list_r);
/* Mark i of list_r->count. */
int record_read_parse_listed(const PGresult *result, size_t i, struct str *user_r,
			     struct record_mark *mark_r);

/* ---- unread ---- */

/* Of every ticket in which the user takes part, ascending by ticket, as staff or as the public counts. */
void record_read_put_unread(struct pg_stmt *stmt, struct str user, bool is_staff);

struct record_unread {
	int64_t epoch;
	size_t count;
};

int record_read_parse_unread(const PGresult *result, struct record_unread *unread_r);
/* Ticket i of unread_r->count. */
int record_read_parse_ticket(const PGresult *result, size_t i, struct str *ticket_r,
			     int64_t *unread_r);

#endif
