/* SPDX-License-Identifier: BSD-2-Clause */
/* How the command shows messages and events. */
#include "config.h"

#include "cli/event_text.h"

#include "cli/escape.h"
#include "cli/json_get.h"

/* Further lines of a text: no line of ours begins like that. */
#define INDENT "        "

static void put_word(struct buf *out, struct str word, const char *otherwise)
{
	if (word.p == NULL)
		buf_puts(out, otherwise);
	else
		escape_text(out, word, NULL);
}

/* "2026-11-20T15:04:05.123Z" as "2026-11-20 15:04:05  "; something else is shown as it is. */
static void put_time(struct buf *out, struct str time)
{
	if (time.n >= 20 && time.p[10] == 'T') {
		escape_text(out, (struct str){.p = time.p, .n = 10}, NULL);
		buf_putc(out, ' ');
		escape_text(out, (struct str){.p = time.p + 11, .n = 8}, NULL);
	} else {
		put_word(out, time, "?");
	}
	buf_puts(out, "  ");
}

static void put_sender(struct buf *out, const struct json_read_value *message)
{
	struct str name = json_get_str(message, "sender_name");

	put_word(out, name.p != NULL ? name : json_get_str(message, "sender_id"), "?");
}

static void put_content(struct buf *out, const struct json_read_value *message)
{
	struct str content = json_get_str(message, "content");

	if (content.p == NULL)
		buf_puts(out, json_get_str(message, "deleted_at").p != NULL ? "(deleted)"
									    : "(cannot be read)");
	else
		escape_text(out, content, INDENT);
	buf_putc(out, '\n');
}

void event_text_put_message(struct buf *out, const struct json_read_value *message)
{
	struct str kind = json_get_str(message, "kind");

	put_time(out, json_get_str(message, "sent_at"));
	put_word(out, json_get_str(message, "seq"), "-");
	buf_puts(out, "  ");
	if (str_eq_c(kind, "system")) {
		buf_puts(out, "* ");
	} else {
		put_sender(out, message);
		buf_puts(out, str_eq_c(kind, "note") ? " [note]: " : ": ");
	}
	put_content(out, message);
}

static void put_head(struct buf *out, const struct json_read_value *event, const char *time)
{
	put_time(out, json_get_str(event, time));
	put_word(out, json_get_str(event, "event_seq"), "-");
	buf_puts(out, "  ");
}

static void put_edited(struct buf *out, const struct json_read_value *message)
{
	/* Its author need not be who has edited it, which only admins can ask for. */
	put_head(out, message, "edited_at");
	put_word(out, json_get_str(message, "seq"), "?");
	buf_puts(out, " of ");
	put_sender(out, message);
	buf_puts(out, " was edited: ");
	put_content(out, message);
}

static void put_deleted(struct buf *out, const struct json_read_value *message)
{
	put_head(out, message, "deleted_at");
	put_word(out, json_get_str(message, "deleted_by"), "somebody");
	buf_puts(out, " deleted ");
	put_word(out, json_get_str(message, "seq"), "?");
	buf_putc(out, '\n');
}

static void put_participant(struct buf *out, const struct json_read_value *event)
{
	struct str role = json_get_str(event, "role");
	bool is_removed = str_eq_c(role, "removed");

	put_head(out, event, "at");
	put_word(out, json_get_str(event, "by"), "somebody");
	buf_puts(out, is_removed ? " removed " : " added ");
	put_word(out, json_get_str(event, "user_id"), "?");
	if (role.p != NULL && !is_removed) {
		buf_puts(out, " as ");
		escape_text(out, role, NULL);
	}
	buf_putc(out, '\n');
}

static void put_ticket(struct buf *out, const struct json_read_value *event)
{
	struct str title = json_get_str(event, "title");

	put_head(out, event, "at");
	put_word(out, json_get_str(event, "by"), "somebody");
	buf_puts(out, " set the ticket to ");
	put_word(out, json_get_str(event, "status"), "?");
	if (title.n > 0) {
		buf_puts(out, ": ");
		escape_text(out, title, NULL);
	}
	buf_putc(out, '\n');
}

static void put_gap(struct buf *out, const struct json_read_value *event)
{
	buf_puts(out, "-- gap from ");
	put_word(out, json_get_str(event, "from"), "?");
	buf_puts(out, " to ");
	put_word(out, json_get_str(event, "to"), "?");
	buf_puts(out, ": ");
	put_word(out, json_get_str(event, "reason"), "?");
	buf_putc(out, '\n');
}

static void put_pending(struct buf *out, const struct json_read_value *message)
{
	buf_puts(out, "-- pending: ");
	put_sender(out, message);
	buf_puts(out, ": ");
	put_content(out, message);
}

static void put_rejected(struct buf *out, const struct json_read_value *event)
{
	buf_puts(out, "-- rejected: ");
	put_word(out, json_get_str(event, "client_msg_id"), "?");
	buf_puts(out, ": ");
	put_word(out, json_get_str(event, "code"), "?");
	buf_putc(out, '\n');
}

static void put_mode(struct buf *out, const struct json_read_value *event)
{
	buf_puts(out, "-- mode ");
	put_word(out, json_get_str(event, "mode"), "?");
	buf_putc(out, '\n');
}

static void put_revoked(struct buf *out, const struct json_read_value *event)
{
	buf_puts(out, "-- no longer allowed: ");
	put_word(out, json_get_str(event, "ticket_id"), "?");
	buf_putc(out, '\n');
}

static void put_bye(struct buf *out, const struct json_read_value *event)
{
	buf_puts(out, "-- bye: ");
	put_word(out, json_get_str(event, "code"), "?");
	buf_putc(out, '\n');
}

void event_text_put(struct buf *out, struct str type, const struct json_read_value *data)
{
	static const struct {
		const char *type;
		void (*put)(struct buf *out, const struct json_read_value *data);
	} table[] = {
		{"message", event_text_put_message},
		{"message-edited", put_edited},
		{"message-deleted", put_deleted},
		{"participant", put_participant},
		{"ticket", put_ticket},
		{"gap", put_gap},
		{"message-pending", put_pending},
		{"message-rejected", put_rejected},
		{"mode", put_mode},
		{"revoked", put_revoked},
		{"bye", put_bye},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (str_eq_c(type, table[i].type)) {
			table[i].put(out, data);
			return;
		}
	}
}
