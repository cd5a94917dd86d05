/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages and the other durable events of a ticket as a viewer sees them: what is visible, how
 * it is numbered for that viewer, and its JSON, in answers and in live frames. Also the rules of
 * content and the digest by which a repeated send is recognised.
 *
 * A requester's world consists of public events alone: "n" counts public messages, "prev" names
 * the public event before, and what is not public does not exist. Everything here is pure: no
 * I/O, no clock.
 */
#ifndef BELLHOP_CHAT_MESSAGE_H
#define BELLHOP_CHAT_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "store/event.h"

struct json_write;

enum {
	MESSAGE_CONTENT_MAX = 16384, /* bytes */
	MESSAGE_DIGEST_SIZE = 32,
	MESSAGE_KEY_SIZE = 32,
};

/* Who looks: the token's role decides, a participant's role never raises it. */
enum message_viewer { MESSAGE_FOR_PUBLIC, MESSAGE_FOR_STAFF };

/* Whether the viewer may know that the event exists. */
bool message_is_visible(const struct ticket_event *event, enum message_viewer viewer);

/* The viewer's count of messages up to and including the event. */
int64_t message_n(const struct ticket_event *event, enum message_viewer viewer);

/* seq of the event before this one that the viewer may see, 0 for the first. */
int64_t message_prev(const struct ticket_event *event, enum message_viewer viewer);

/* seq that the message of a message, edit or deletion event is known by (an edit's target). */
int64_t message_seq(const struct ticket_event *event);

/* "message", "message-edited", "message-deleted", "participant" or "ticket"; static text. */
const char *message_event_name(const struct ticket_event *event);

/*
 * Writes the message as one JSON object, fields as in the HTTP contract, absent facts null. The
 * event must be one of a message, its text opened (chat/seal.h). Errors stick to j.
 */
void message_json(struct json_write *j, const struct ticket_event *event,
		  enum message_viewer viewer);

/*
 * Writes the data of the live frame of any event: the message with "event_seq" and "prev" after
 * it, or the participant's or ticket's change. The event must be visible to the viewer.
 */
void message_frame_json(struct json_write *j, const struct ticket_event *event,
			enum message_viewer viewer);

/*
 * The rules of a message's text: valid UTF-8, 1 to MESSAGE_CONTENT_MAX bytes, no NUL and no
 * control character but tab, newline and carriage return. Returns NULL, or what is wrong, static
 * text fit for a client.
 */
const char *message_content_fault(struct str content);

/* Derives the digest key from the deployment's secret (any length). */
void message_digest_key(struct str secret, unsigned char key_r[MESSAGE_KEY_SIZE]);

/*
 * Keyed BLAKE2b over kind and content: two sends with one client_msg_id are the same send exactly
 * if their digests are equal.
 */
void message_digest(const unsigned char key[MESSAGE_KEY_SIZE], enum message_kind kind,
		    struct str content, unsigned char digest_r[MESSAGE_DIGEST_SIZE]);

#endif
