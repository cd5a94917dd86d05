/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is sent to subscribers, built once and shared by all who get it: the bytes of one server-sent
 * event (WHATWG HTML, 9.2), from which a long poll takes the parts that it needs. Frames are counted
 * and never change after they were made.
 */
#ifndef BELLHOP_PUSH_FRAME_H
#define BELLHOP_PUSH_FRAME_H

#include "base/str.h"
#include "chat/message.h"

struct frame {
	unsigned int refs;
	const char *event; /* static text; NULL for bytes that are no event: headers, comments */
	size_t id_len;	   /* the "id: …\n" line at the start, 0 without one */
	size_t data_at;	   /* the JSON in bytes */
	size_t data_len;
	size_t len;
	char bytes[];
};

/* Each returns a frame with one reference, or NULL when out of memory. */

/* An event of a ticket, visible to the viewer; its id is <epoch>.<seq>. */
struct frame *frame_of_event(const struct ticket_event *event, enum message_viewer viewer);

/* Any other event. id absent: none. data is JSON without line ends. */
struct frame *frame_new(const char *event, struct str id, struct str data);

/* The event `revoked` of a ticket. */
struct frame *frame_of_revoked(struct str ticket);

/* Bytes that are sent as they are. */
struct frame *frame_raw(struct str bytes);

/* One more reference; returns its argument. */
struct frame *frame_ref(struct frame *frame);

/* One less; the last frees it. NULL is fine. */
void frame_unref(struct frame *frame);

/* The parts, borrowed from the frame. The id is absent where there is none. */
struct str frame_id(const struct frame *frame);
struct str frame_data(const struct frame *frame);

#endif
