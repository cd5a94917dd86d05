/* SPDX-License-Identifier: BSD-2-Clause */
/* A ticket whose events are made one after the other, numbered as the record numbers them. */
#ifndef BELLHOP_TESTS_PUSH_EVENTS_H
#define BELLHOP_TESTS_PUSH_EVENTS_H

#include "store/event.h"

struct push_events {
	int64_t epoch, seq, n, n_public, last_public;
};

/* The next message or note; its strings are static. */
struct ticket_event push_events_next(struct push_events *ticket, bool is_note);

/* The next event says something of a participant; detail is borrowed. */
struct ticket_event push_events_participant(struct push_events *ticket, struct str detail);

#endif
