/* SPDX-License-Identifier: BSD-2-Clause */
/* Events for the tests of src/push. */
#include "config.h"

#include "push_events.h"

struct ticket_event push_events_next(struct push_events *ticket, bool is_note)
{
	struct ticket_event event = {
		.ticket = STR("T-1"),
		.epoch = ticket->epoch,
		.seq = ++ticket->seq,
		.n = ++ticket->n,
		.n_public = ticket->n_public += is_note ? 0 : 1,
		.prev_public = ticket->last_public,
		.rev = 1,
		.kind = EVENT_MESSAGE,
		.message_kind = is_note ? MESSAGE_NOTE : MESSAGE_TEXT,
		.is_public = !is_note,
		.sender_id = STR("bob"),
		.content = STR("some text"),
		.uid = STR("u-1"),
		.sent_at_ms = 1,
	};

	if (!is_note)
		ticket->last_public = event.seq;
	return event;
}

struct ticket_event push_events_participant(struct push_events *ticket, struct str detail)
{
	struct ticket_event event = {
		.ticket = STR("T-1"),
		.epoch = ticket->epoch,
		.seq = ++ticket->seq,
		.n = ticket->n,
		.n_public = ticket->n_public,
		.prev_public = ticket->last_public,
		.kind = EVENT_PARTICIPANT,
		.is_public = true,
		.sender_id = STR("bob"),
		.sent_at_ms = 1,
		.detail = detail,
	};

	ticket->last_public = event.seq;
	return event;
}
