/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The record of tickets' cards and legal holds: the statements about them and what their answers
 * say, in the manner of store/record.h.
 */
#ifndef BELLHOP_STORE_RECORD_CARD_H
#define BELLHOP_STORE_RECORD_CARD_H

#include "store/record.h"

/* ---- reading ---- */

struct record_card {
	struct record_ticket ticket; /* is_begun false: there is no card, times are 0 */
	int64_t created_at_ms;
	int64_t active_at_ms;		   /* of the newest event that the viewer may know of */
	enum record_membership membership; /* of the user who asks */
	size_t participants;
};

/* is_staff: the viewer's last activity may be a note. Participants: those who were not removed. */
void record_card_put_read(struct pg_stmt *stmt, struct str ticket, struct str user, bool is_staff);
int record_card_parse(const PGresult *result, struct record_card *card_r);
/* Participant i of card_r->participants, in the order of joining. */
int record_card_parse_participant(const PGresult *result, size_t i,
				  struct record_participant *participant_r);

/* ---- changing ---- */

struct record_card_change {
	struct str ticket;
	struct str user;
	struct str status; /* p NULL: stays as it is */
	struct str title;  /* p NULL: none */
	bool sets_title;   /* false: stays as it is */
	enum record_grant grant;
};

enum record_card_outcome {
	RECORD_CARD_CHANGED = 'c', /* `event` is the change; it may have begun the ticket */
	RECORD_CARD_SAME = 'u',
	RECORD_CARD_NOT_A_PARTICIPANT = 'p',
};

struct record_card_changed {
	enum record_card_outcome outcome;
	int64_t epoch;
	struct ticket_event event; /* CHANGED */
};

/*
 * Changes status and title: one call, one transaction. Nothing is written unless the outcome is
 * RECORD_CARD_CHANGED. Repeating it after ERR_UNCERTAIN is safe: what was done is RECORD_CARD_SAME.
 */
void record_card_put_change(struct pg_stmt *stmt, const struct record_card_change *change);
int record_card_parse_change(const PGresult *result, struct str ticket,
			     struct record_card_changed *changed_r);

/* ---- legal hold ---- */

enum record_card_hold {
	RECORD_CARD_HOLD_CHANGED = 'c',
	RECORD_CARD_HOLD_SAME = 'u',
	RECORD_CARD_HOLD_ABSENT = 'a', /* there is no such ticket */
};

/* Once it is answered nothing more is deleted from a ticket that is held. */
void record_card_put_hold(struct pg_stmt *stmt, struct str ticket, bool hold);
int record_card_parse_hold(const PGresult *result, enum record_card_hold *hold_r);

#endif
