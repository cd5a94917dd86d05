/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The record's texts as they are stored, one after the other: the statements by which they are counted by
 * what they are sealed with, and sealed anew. In the manner of store/record.h.
 */
#ifndef BELLHOP_STORE_RECORD_SEAL_H
#define BELLHOP_STORE_RECORD_SEAL_H

#include "store/record.h"

enum {
	RECORD_SEAL_BATCH = 200,   /* rows of a step: so many texts of the greatest size at once */
	RECORD_SEAL_HEAD_SIZE = 5, /* bytes of a text that tell what it is sealed with */
};

enum record_seal_table { RECORD_SEAL_MESSAGES, RECORD_SEAL_REVISIONS };

/* A place in the order of (ticket, seq, rev); of messages rev is 0. */
struct record_seal_step {
	enum record_seal_table table;
	bool is_one;	   /* one ticket's alone: `ticket` */
	struct str ticket; /* after this row; at first "", or the one ticket */
	int64_t seq, rev;  /* … */
	struct str newest; /* the head of texts that need not be read; p NULL: none is read */
};

/* The next RECORD_SEAL_BATCH rows; none after the last. Rows without a text are among them. */
void record_seal_put_step(struct pg_stmt *stmt, const struct record_seal_step *step);
size_t record_seal_count(const PGresult *result);

struct record_seal_row {
	struct str ticket;
	int64_t seq;	/* of the message */
	int64_t rev;	/* of a former text */
	struct str uid; /* of the message; p NULL where there is none any more */
	struct str sender_id;
	struct str head;    /* the first bytes of the text; p NULL: it has none */
	struct str content; /* p NULL where it was not to be read */
};

int record_seal_parse(const PGresult *result, size_t i, struct record_seal_row *row_r);

/* A text to be put in the place of another one. */
struct record_seal_change {
	struct str ticket;
	int64_t seq, rev;
	struct str was;	 /* in base64: SHA-256 of the text that is replaced */
	struct str text; /* in base64 */
};

/*
 * Replaces texts, RECORD_SEAL_BATCH at most, each only if it still is what was read: what was edited or
 * deleted meanwhile stays. No event comes of it, and a legal hold does not matter, since what is told is
 * the same. Repeating it is safe.
 */
void record_seal_put_changes(struct pg_stmt *stmt, enum record_seal_table table,
			     const struct record_seal_change *changes, size_t n);
int record_seal_parse_changed(const PGresult *result, int64_t *changed_r);

/*
 * A sample for `bellhop check`: of the newest messages, what they are sealed with and how many. Rows for
 * record_seal_parse_sample(); head absent: plain.
 */
void record_seal_put_sample(struct pg_stmt *stmt);
int record_seal_parse_sample(const PGresult *result, size_t i, struct str *head_r,
			     int64_t *count_r);

#endif
