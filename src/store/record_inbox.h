/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A user's tickets in the record: the list of them, what is new in one, and keeping up the times that the
 * list is ordered by (sql/0007_activity.sql), in the manner of store/record.h.
 */
#ifndef BELLHOP_STORE_RECORD_INBOX_H
#define BELLHOP_STORE_RECORD_INBOX_H

#include "store/record.h"

/* ---- the list ---- */

struct record_inbox_query {
	struct str user;
	bool is_staff;	   /* false: public events alone count and are told */
	bool only_unread;  /* those with unread messages */
	struct str status; /* p NULL: any */
	int limit;	   /* tickets, clamped as elsewhere */
	/* Where the page before ended; after_ticket p NULL: this is the first. */
	int64_t after_active_at_us;
	struct str after_ticket;
};

struct record_inbox_ticket {
	struct str ticket;
	struct str title; /* p NULL: none */
	struct str status;
	int64_t epoch;
	int64_t active_at_us; /* of the newest event that the user may know of */
	int64_t newest_seq;
	int64_t unread;
	struct str people; /* a JSON array of {"user_id", "role"}, in the order of joining */
	bool has_message;
	struct ticket_event message; /* the newest, as it is now; where there is one */
};

/* The tickets in which the user takes part, newest activity first, then by ticket. */
void record_inbox_put_list(struct pg_stmt *stmt, const struct record_inbox_query *query);
size_t record_inbox_count(const PGresult *result);
int record_inbox_parse(const PGresult *result, size_t i, struct record_inbox_ticket *ticket_r);

/* ---- news ---- */

/*
 * What is new for user i in ticket i, as staff or the public are told. There is a row for those alone
 * who take part, in any order.
 */
void record_inbox_put_news(struct pg_stmt *stmt, bool is_staff, const struct str *users,
			   const struct str *tickets, size_t count);

struct record_inbox_news {
	struct str user;
	struct str ticket;
	int64_t newest_seq;
	int64_t unread;
	int64_t active_at_ms;
	struct str sender_id; /* of the newest message; p NULL: there is none */
	struct str content;   /* p NULL: there is none, or it is deleted */
	struct str uid;	      /* of that message; p NULL: there is none */
	int64_t message_seq;  /* 0: there is none */
};

int record_inbox_parse_news(const PGresult *result, size_t i, struct record_inbox_news *news_r);

/* ---- upkeep ---- */

/*
 * One round of bringing the list's times up to date, over about `limit` events. Any number may do it; one
 * at a time does.
 */
void record_inbox_put_round(struct pg_stmt *stmt, int limit);
/* *is_done_r false: there is more to be done now. */
int record_inbox_parse_round(const PGresult *result, int64_t *written_r, bool *is_done_r);

/* After lines about these tickets were imported (record_copy_put_import). The answer says nothing. */
void record_inbox_put_imported(struct pg_stmt *stmt, const struct str *tickets, size_t count);

#endif
