/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A user's conversations: the place in the list where a page of them ends, and what a live inbox event
 * tells of one. Pure.
 */
#ifndef BELLHOP_CHAT_INBOX_H
#define BELLHOP_CHAT_INBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "web/ids.h"

struct json_write;

enum {
	INBOX_LIMIT_DEFAULT = 50,
	INBOX_LIMIT_MAX = 200,
	INBOX_PREVIEW_MAX = 120, /* characters */
};

/* A conversation's place in the list: newest activity first, then by ticket. */
struct inbox_place {
	int64_t active_at_us; /* Unix time */
	char ticket[IDS_TICKET_MAX + 1];
};

/* Appends the place as the opaque text that clients hand back. */
void inbox_place_put(struct buf *out, int64_t active_at_us, struct str ticket);

/* 0, or -1 where the text is none of ours. */
int inbox_place_parse(struct str text, struct inbox_place *place_r);

/* The beginning of a message's text, cut at a character; absent where the text is. */
struct str inbox_preview(struct str content);

/* What is new in a conversation, for one viewer. */
struct inbox_news {
	struct str ticket;
	int64_t newest_seq;
	int64_t unread;
	struct str content;   /* of the newest message; absent: deleted, or none */
	struct str sender_id; /* its sender; absent: none */
	int64_t active_at_ms;
};

/* Writes the data of the event `inbox`. */
void inbox_news_json(struct json_write *j, const struct inbox_news *news);

#endif
