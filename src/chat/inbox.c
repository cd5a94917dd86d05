/* SPDX-License-Identifier: BSD-2-Clause */
/* Places in the list of conversations, previews, the data of inbox events. */
#include "config.h"

#include "chat/inbox.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "web/base64url.h"
#include "web/json_write.h"

/* A time in microseconds, a colon, the ticket. */
enum { PLACE_MAX = 20 + 1 + IDS_TICKET_MAX };

/* The years 1 to 9999, which the record can hold, too. */
#define TIME_MIN_US INT64_C(-62135596800000000)
#define TIME_MAX_US INT64_C(253402300799999999)

void inbox_place_put(struct buf *out, int64_t active_at_us, struct str ticket)
{
	char text[PLACE_MAX + 1];
	int n = snprintf(text, sizeof(text), "%" PRId64 ":%.*s", active_at_us, STR_ARG(ticket));

	if (n < 0 || n > PLACE_MAX)
		out->failed = true;
	else
		base64url_encode(out, text, (size_t)n);
}

int inbox_place_parse(struct str text, struct inbox_place *place_r)
{
	unsigned char bytes[PLACE_MAX];
	struct str ticket, time;

	if (base64url_decode(text, bytes, sizeof(bytes), &ticket.n) != 0)
		return -1;
	ticket.p = (const char *)bytes;
	if (!str_split(&ticket, ':', &time) || !ids_is_ticket(ticket) ||
	    str_to_i64(time, TIME_MIN_US, TIME_MAX_US, &place_r->active_at_us) != 0)
		return -1;
	memcpy(place_r->ticket, ticket.p, ticket.n);
	place_r->ticket[ticket.n] = '\0';
	return 0;
}

struct str inbox_preview(struct str content)
{
	size_t characters = 0;

	for (size_t i = 0; i < content.n; i++) {
		/* Any byte but those that go on with a character begins one (RFC 3629, section 3). */
		if (((unsigned char)content.p[i] & 0xC0) != 0x80 &&
		    characters++ == INBOX_PREVIEW_MAX)
			return (struct str){content.p, i};
	}
	return content;
}

void inbox_news_json(struct json_write *j, const struct inbox_news *news)
{
	char at[CLOCK_TEXT_SIZE];

	clock_format(news->active_at_ms, at);
	json_write_open_object(j);
	json_write_member_str(j, "ticket_id", news->ticket);
	json_write_member_int(j, "newest_seq", news->newest_seq);
	json_write_member_int(j, "unread", news->unread);
	json_write_member_str(j, "preview", inbox_preview(news->content));
	json_write_member_str(j, "sender_id", news->sender_id);
	json_write_member_cstr(j, "at", at);
	json_write_close(j);
}
