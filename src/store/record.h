/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The record: the statements that bellhop sends to PostgreSQL, and what their answers say. Builds
 * and parses only; pg_conn and pg_async carry. All SQL of the daemons is here and in sql/.
 *
 * A record_put_* function makes `stmt` (pg_stmt_init included; pg_stmt_deinit is the caller's, or
 * pg_async_exec's). A record_parse_* function reads the answer to it and returns 0, or -1 if the
 * answer makes no sense or memory ran out; whatever it fills then needs no deinit. Strings are
 * borrowed from the PGresult.
 *
 * A ticket that has not begun, and one that nobody made, look alike: is_begun false, all numbers 0
 * but first_seq (1), the status "open".
 */
#ifndef BELLHOP_STORE_RECORD_H
#define BELLHOP_STORE_RECORD_H

#include "store/event.h"
#include "store/pg_sql.h"

enum {
	/* Rows of a page at most: what record_put_page and record_put_range clamp `limit` to. */
	RECORD_LIMIT_MAX = 1000,
	/*
	 * How long before its commit an event may be dated: the longest that a statement lasts
	 * (roles.sql) and 5 s. A sweep reads from this much before its mark.
	 */
	RECORD_OVERLAP_MS = 7000,
};

/* What the ticket's row says. Comes with every answer about one ticket, as of the same snapshot. */
struct record_ticket {
	bool is_begun;
	int64_t epoch;
	int64_t first_seq; /* oldest event that is kept */
	int64_t last_seq;
	int64_t last_public; /* seq of the newest public event, 0 if none */
	int64_t n;
	int64_t n_public;
	int64_t first_n;	/* messages that retention took (all below first_seq) */
	int64_t first_n_public; /* of them, those that were not notes */
	bool hold;
	struct str status; /* "open", "closed" */
	struct str title;  /* p NULL: none */
};

/* ---- send ---- */

enum record_grant {
	RECORD_GRANT_NONE,  /* the token does not name the ticket: only participants may */
	RECORD_GRANT_CLAIM, /* it does: anybody may who was not removed */
	RECORD_GRANT_ALL,   /* no look at participants: service and admin */
};

struct record_send {
	struct str ticket;
	struct str sender_id;
	struct str sender_name; /* p NULL: none */
	struct str role;	/* of the caller's token: requester, agent, service, admin */
	struct str content;
	struct str uid;	   /* client_msg_id or a generated one: never absent */
	struct str digest; /* message_digest() */
	enum message_kind kind;
	enum record_grant grant;
	int64_t if_match; /* -1: none */
};

enum record_outcome {
	RECORD_CREATED = 'c',
	RECORD_REPLAYED = 'r', /* `event` is the message as it is now */
	RECORD_MISMATCH = 'm', /* the uid was used for something else */
	RECORD_NOT_A_PARTICIPANT = 'p',
	RECORD_CLOSED = 'x',
	/*
	 * Somebody else has said something: `newer` is the newest such message that the caller may
	 * see. Read what was missed with record_put_page, after = if_match.
	 */
	RECORD_NEWER = 'n',
};

struct record_sent {
	enum record_outcome outcome;
	struct record_ticket ticket; /* after the send; all zero where the caller may not know */
	struct ticket_event event;   /* CREATED, REPLAYED */
	int64_t newer;		     /* NEWER */
};

/*
 * Numbers and stores a message: one call, one transaction. Nothing is written unless the outcome
 * is RECORD_CREATED. Repeating it after ERR_UNCERTAIN is safe as long as the uid is the same.
 */
void record_put_send(struct pg_stmt *stmt, const struct record_send *send);
int record_parse_send(const PGresult *result, struct str ticket, struct record_sent *sent_r);

/* ---- one ticket ---- */

enum record_membership { RECORD_NOT_MEMBER, RECORD_MEMBER, RECORD_REMOVED };

/* What a user needs to know before reading: the ticket, membership, read mark and unread. */
struct record_opened {
	struct record_ticket ticket;
	enum record_membership membership;
	struct str role; /* of a member */
	int64_t read_seq;
	int64_t unread; /* staff: notes included */
	int64_t unread_public;
};

void record_put_open(struct pg_stmt *stmt, struct str ticket, struct str user);
/* The same without counting: unread and unread_public are 0. For permission alone. */
void record_put_access(struct pg_stmt *stmt, struct str ticket, struct str user);
int record_parse_open(const PGresult *result, struct record_opened *opened_r);

/* Everybody who is or was a participant: role, or "removed". */
struct record_participant {
	struct str user;
	struct str role;
	int64_t joined_at_ms;
	bool is_public; /* not only by notes: everybody may know */
};

void record_put_participants(struct pg_stmt *stmt, struct str ticket);
size_t record_count_participants(const PGresult *result);
int record_parse_participant(const PGresult *result, size_t i,
			     struct record_participant *participant_r);

/* ---- events of one ticket ---- */

/* Messages only, as they are now, deleted ones with content p NULL. */
struct record_page_query {
	struct str ticket;
	int64_t before; /* exclusive; 0: no bound */
	int64_t after; /* exclusive; -1: no bound. Given: ascending from there; else newest first */
	int limit;
	bool is_staff; /* false: public messages only */
};

/* Events of every kind, ascending. */
struct record_range_query {
	struct str ticket;
	int64_t from; /* inclusive */
	int64_t to;   /* inclusive */
	int limit;
};

/* The answer to the three below: the ticket, and events in the order asked for. */
struct record_events {
	struct record_ticket ticket;
	struct ticket_event *events;
	size_t count;
};

void record_put_page(struct pg_stmt *stmt, const struct record_page_query *query);
void record_put_range(struct pg_stmt *stmt, const struct record_range_query *query);
/* The newest `count` events of every kind, ascending. */
void record_put_tail(struct pg_stmt *stmt, struct str ticket, int count);

int record_parse_events(const PGresult *result, struct str ticket, struct record_events *events_r);
void record_events_deinit(struct record_events *events);

/* The event of one number, whatever its kind: count is 0 or 1. */
void record_put_event(struct pg_stmt *stmt, struct str ticket, int64_t seq);

/* ---- many tickets ---- */

/*
 * What came after: up to `limit` events of each ticket above the seq given for it, ascending within
 * a ticket, tickets in the order given. Parsed with record_parse_watch; each event names its ticket
 * (borrowed from the result) and the epoch.
 */
void record_put_watch(struct pg_stmt *stmt, const struct str *tickets, const int64_t *seqs,
		      size_t count, int limit);

struct record_watched {
	int64_t epoch;
	struct ticket_event *events;
	size_t count;
};

int record_parse_watch(const PGresult *result, struct record_watched *watched_r);
void record_watched_deinit(struct record_watched *watched);

/*
 * The tickets that have events dated since_us or later (microseconds of Unix time; the caller
 * subtracts RECORD_OVERLAP_MS). now_us is a time of PostgreSQL up to which every commit was seen.
 */
void record_put_sweep(struct pg_stmt *stmt, int64_t since_us);

struct record_swept {
	struct str ticket;
	int64_t first_seq; /* of the events found; the last of them is the ticket's last_seq */
	int64_t last_seq;
	struct str last_uid; /* of the event last_seq; p NULL where it is no message */
};

struct record_sweep {
	int64_t epoch;
	int64_t now_us;
	size_t count;
};

int record_parse_sweep(const PGresult *result, struct record_sweep *sweep_r);
int record_parse_swept(const PGresult *result, size_t i, struct record_swept *swept_r);

/* last_seq of every named ticket that has begun, in any order: compared with tails in Redis. */
void record_put_tails(struct pg_stmt *stmt, const struct str *tickets, size_t count);
size_t record_count_tails(const PGresult *result);
int record_parse_tail(const PGresult *result, size_t i, struct str *ticket_r, int64_t *last_seq_r);

/* ---- the deployment ---- */

/* Answered by pg_sql_parse_deployment. */
void record_put_deployment(struct pg_stmt *stmt);

/*
 * Raises the epoch if it is still `epoch`, and adopts the server's timeline. Several who find the
 * same fault raise it once. Answered by pg_sql_parse_deployment.
 */
void record_put_epoch_bump(struct pg_stmt *stmt, int64_t epoch);

/* All tails were compared and agree: adopts the server's timeline. As above. */
void record_put_timeline(struct pg_stmt *stmt);

#endif
