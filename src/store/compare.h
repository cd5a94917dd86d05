/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether the two stores say the same about one event. */
#ifndef BELLHOP_STORE_COMPARE_H
#define BELLHOP_STORE_COMPARE_H

#include "store/event.h"

/*
 * What differs between an event in a ticket's stream and the same one in the record: the name of the
 * first such field, static text; NULL if they agree. A stream's entry keeps the state that its message
 * had when it was written, so an earlier revision agrees with a later one, whose edit is an event of
 * its own; only a deletion must have reached all entries.
 */
const char *compare_event(const struct ticket_event *stream, const struct ticket_event *record);

#endif
