/* SPDX-License-Identifier: BSD-2-Clause */
/* What a change of a ticket's participants says. Pure. */
#ifndef BELLHOP_CHAT_PARTICIPANT_H
#define BELLHOP_CHAT_PARTICIPANT_H

#include "store/event.h"
#include "web/ids.h"

enum { PARTICIPANT_ROLE_MAX = 15 };

struct participant_change {
	char user[IDS_USER_MAX + 1];
	char role[PARTICIPANT_ROLE_MAX + 1]; /* "removed" where is_removed */
	bool is_removed;
};

/*
 * Reads the detail of an EVENT_PARTICIPANT. 0; or -1 for an event of another kind, and for one whose
 * detail does not name a user and a role: *change_r says nothing then.
 */
int participant_parse(const struct ticket_event *event, struct participant_change *change_r);

/* Does the event remove this user from the ticket? */
bool participant_removes(const struct ticket_event *event, struct str user);

#endif
