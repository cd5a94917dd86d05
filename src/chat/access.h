/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who may act on a ticket. `service` and `admin` may on all; others where their token names the
 * ticket or where they are a participant; a participant who was removed may not, whatever the
 * token says, until added again.
 *
 * Membership is looked up in Redis first. What Redis does not say is never permission: that comes
 * from the token, and a trusted window only says that nothing stands against it. Nor is it refusal:
 * then the record is asked.
 */
#ifndef BELLHOP_CHAT_ACCESS_H
#define BELLHOP_CHAT_ACCESS_H

#include <stdbool.h>

#include "base/str.h"
#include "chat/message.h"
#include "store/record.h"

struct identity;

enum access_verdict {
	ACCESS_YES,
	ACCESS_NO, /* 403 not_a_participant, whether or not the ticket exists */
	ACCESS_ASK /* the record has to be asked */
};

enum access_membership {
	ACCESS_UNASKED,	 /* nobody was asked yet */
	ACCESS_UNTOLD,	 /* Redis was asked, and may not be trusted */
	ACCESS_UNLISTED, /* a trusted window knows everybody who was removed, and not this user */
	ACCESS_NONE,	 /* the record says: never a participant */
	ACCESS_MEMBER,
	ACCESS_REMOVED
};

/* Decides with what is known so far. Never ACCESS_ASK once the record has answered. */
enum access_verdict access_decide(const struct identity *who, struct str ticket,
				  enum access_membership membership);

/*
 * Reads the value of the user in a ticket's membership hash in Redis: a role, "removed", or
 * nothing (p NULL). is_trusted: the ticket's stream is there and swept, and the hash is whole.
 */
enum access_membership access_from_window(struct str value, bool is_trusted);

/* What the record says. */
enum access_membership access_from_record(enum record_membership membership);

/* As whom somebody sees a ticket that he may see: his token's role decides. */
enum message_viewer access_viewer(const struct identity *who);

#endif
