/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Opens the texts that the stores hold sealed (chat/seal.h), where they come into this process: once for
 * each event, whatever the number of listeners. A text that cannot be opened is told as absent; the log
 * hears of it, at most once in TEXTS_LOG_MS.
 */
#ifndef BELLHOP_PUSH_TEXTS_H
#define BELLHOP_PUSH_TEXTS_H

#include "chat/seal.h"

enum { TEXTS_LOG_MS = 10000 };

struct texts;

/* Without keys. NULL when out of memory. */
struct texts *texts_new(void);
void texts_free(struct texts *texts);

/* From now on these keys open; taken over, NULL is none. What is in memory already stays open. */
void texts_set_keys(struct texts *texts, struct seal *seal);

/*
 * The event with its text opened, which is borrowed until the next call here. 0, or -1 when out of memory:
 * then it must not be told, since nothing is wrong with it.
 */
int texts_open(struct texts *texts, const struct ticket_event *event,
	       struct ticket_event *opened_r);

/* The same of a text alone; seq is its message's. */
int texts_open_text(struct texts *texts, const struct seal_place *place, int64_t seq,
		    struct str stored, struct str *text_r);

#endif
