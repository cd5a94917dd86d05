/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The newest events of one ticket, without a hole, and the frames made of them: at most two each,
 * one for staff and one for the public, when somebody first wants it. Bounded in events and bytes;
 * the oldest leave first.
 */
#ifndef BELLHOP_PUSH_RING_H
#define BELLHOP_PUSH_RING_H

#include "push/frame.h"

struct ticket_event;
struct ring;

/* max_events is at least 1. NULL when out of memory. */
struct ring *ring_new(size_t max_events, size_t max_bytes);
void ring_free(struct ring *ring);

/* Empties it: the next event to be appended is last + 1. */
void ring_restart(struct ring *ring, int64_t last);

/*
 * Lets go of all events below `seq`, and of those up to the last that tells the text of a message from
 * there.
 */
void ring_forget(struct ring *ring, int64_t seq);

/* seq of the newest event that was appended, or what ring_restart() was told. */
int64_t ring_last(const struct ring *ring);

/* seq of the oldest event held; ring_last() + 1 where it holds none. */
int64_t ring_first(const struct ring *ring);

/*
 * Appends a copy of the event, whose seq must be ring_last() + 1. 0, or -1 when it is not or when out
 * of memory; nothing has changed then. A deletion takes the content of its message out of every event
 * and frame that the ring holds; who has taken such a frame before keeps it until it is sent.
 */
int ring_append(struct ring *ring, const struct ticket_event *event);

/* The event, borrowed until the next append or restart, or NULL where the ring does not hold it. */
const struct ticket_event *ring_find(const struct ring *ring, int64_t seq);

/*
 * The frame of an event that the ring holds and the viewer may see, borrowed; made on first use.
 * NULL when out of memory.
 */
struct frame *ring_frame(struct ring *ring, int64_t seq, enum message_viewer viewer);

#endif
