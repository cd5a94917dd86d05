/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The record of who takes part in a ticket: the statement that changes it and what its answer says,
 * in the manner of store/record.h. Reading comes with the card (store/record_card.h).
 */
#ifndef BELLHOP_STORE_RECORD_PEOPLE_H
#define BELLHOP_STORE_RECORD_PEOPLE_H

#include "store/record.h"

struct record_people_change {
	struct str ticket;
	struct str by; /* who asks; that this is staff is the caller's to see to */
	struct str user;
	struct str role; /* requester, agent, service, admin; p NULL: removed */
	enum record_grant grant;
};

enum record_people_outcome {
	RECORD_PEOPLE_CHANGED = 'c', /* `event` is the change; adding may have begun the ticket */
	RECORD_PEOPLE_SAME = 'u',
	RECORD_PEOPLE_NOT_A_PARTICIPANT = 'p',
	RECORD_PEOPLE_ABSENT = 'a', /* nobody is removed from a ticket that has not begun */
};

struct record_people_changed {
	enum record_people_outcome outcome;
	int64_t epoch;
	int64_t joined_at_ms;	   /* CHANGED, SAME */
	struct ticket_event event; /* CHANGED */
};

/*
 * Adds or removes a participant, or changes the role: one call, one transaction. Nothing is written
 * unless the outcome is RECORD_PEOPLE_CHANGED. Repeating it after ERR_UNCERTAIN is safe: what was done
 * is RECORD_PEOPLE_SAME.
 */
void record_people_put_change(struct pg_stmt *stmt, const struct record_people_change *change);
int record_people_parse_change(const PGresult *result, struct str ticket,
			       struct record_people_changed *changed_r);

#endif
