/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One durable event of a ticket, as PostgreSQL and Redis both hold it and as it is numbered for
 * ever. Everything that is later shown to a viewer is derived from it (chat/message.h).
 *
 * An event of the kinds MESSAGE, EDIT and DELETE speaks of one message: it carries that message's
 * present state (sender, content, rev, times), whatever the state was at the event. Only the
 * numbers seq, n, n_public and prev_public belong to the event itself.
 */
#ifndef BELLHOP_STORE_EVENT_H
#define BELLHOP_STORE_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* The letters are what both stores hold. */
enum event_kind {
	EVENT_MESSAGE = 'm',
	EVENT_EDIT = 'e',
	EVENT_DELETE = 'd',
	EVENT_PARTICIPANT = 'p',
	EVENT_TICKET = 't',
};

enum message_kind {
	MESSAGE_NONE = 0, /* not an event of a message */
	MESSAGE_TEXT = 't',
	MESSAGE_NOTE = 'n',
	MESSAGE_SYSTEM = 's',
};

struct ticket_event {
	struct str ticket;
	int64_t epoch;
	int64_t seq;
	int64_t n;	     /* messages up to and including this event */
	int64_t n_public;    /* of them, those that are not notes */
	int64_t prev_public; /* seq of the public event before this one, 0 if none */
	/* EDIT and DELETE: the message that changed, and its own n and n_public; else 0. */
	int64_t target;
	int64_t target_n;
	int64_t target_n_public;
	int64_t rev; /* 1, and one more with each edit; 0 where there is no message */
	enum event_kind kind;
	enum message_kind message_kind;
	bool is_public; /* false for a note and for every edit and deletion of one */
	/* Of a message: its author. Of a participant or ticket change: who made it. */
	struct str sender_id;
	struct str sender_name; /* p NULL: none */
	struct str content;	/* p NULL: deleted, or no message */
	struct str uid;		/* the client_msg_id; p NULL where there is no message */
	/* Unix time in ms. 0 = never. */
	int64_t sent_at_ms;
	int64_t edited_at_ms;
	int64_t deleted_at_ms;
	struct str deleted_by; /* p NULL: nobody */
	/*
	 * A JSON object made by us, p NULL for messages. PARTICIPANT: {"user_id","role"}, role
	 * being "removed" for one who was; TICKET: {"status","title"}.
	 */
	struct str detail;
};

/*
 * The strings of an event are borrowed from whatever it was parsed from. event_copy returns a copy
 * in one block that owns them, or NULL if out of memory; event_copy_free takes such a copy, or
 * NULL. (event_free would be libevent's: the linker would let one replace the other.)
 */
struct ticket_event *event_copy(const struct ticket_event *event);
void event_copy_free(struct ticket_event *event);

/* Bytes that event_copy would allocate. */
size_t event_size(const struct ticket_event *event);

/* True for the letters of the two enums; what a store holds is checked with them. */
bool event_kind_is_known(int letter);
bool event_message_kind_is_known(int letter);

/* "text", "note", "system"; static text, "" for MESSAGE_NONE. */
const char *event_message_kind_text(enum message_kind kind);

#endif
