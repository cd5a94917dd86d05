/* SPDX-License-Identifier: BSD-2-Clause */
/* Messages and other events as a viewer sees them. */
#include "config.h"

#include "chat/message.h"

#include <sodium.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "chat/seal.h"
#include "store/event.h"
#include "web/json_read.h"
#include "web/json_write.h"

bool message_is_visible(const struct ticket_event *event, enum message_viewer viewer)
{
	return event->is_public || viewer == MESSAGE_FOR_STAFF;
}

int64_t message_n(const struct ticket_event *event, enum message_viewer viewer)
{
	return viewer == MESSAGE_FOR_STAFF ? event->n : event->n_public;
}

int64_t message_prev(const struct ticket_event *event, enum message_viewer viewer)
{
	return viewer == MESSAGE_FOR_STAFF ? event->seq - 1 : event->prev_public;
}

int64_t message_seq(const struct ticket_event *event)
{
	return event->target != 0 ? event->target : event->seq;
}

/* The count at the message itself, where an edit or deletion speaks of it. */
static int64_t own_n(const struct ticket_event *event, enum message_viewer viewer)
{
	if (event->target == 0)
		return message_n(event, viewer);
	return viewer == MESSAGE_FOR_STAFF ? event->target_n : event->target_n_public;
}

const char *message_event_name(const struct ticket_event *event)
{
	switch (event->kind) {
	case EVENT_MESSAGE:
		return "message";
	case EVENT_EDIT:
		return "message-edited";
	case EVENT_DELETE:
		return "message-deleted";
	case EVENT_PARTICIPANT:
		return "participant";
	case EVENT_TICKET:
		break;
	}
	return "ticket";
}

static void write_time(struct json_write *j, const char *key, int64_t real_ms)
{
	char text[CLOCK_TEXT_SIZE];

	if (real_ms == 0) {
		json_write_member_null(j, key);
		return;
	}
	clock_format(real_ms, text);
	json_write_member_cstr(j, key, text);
}

static void write_message_members(struct json_write *j, const struct ticket_event *event,
				  enum message_viewer viewer)
{
	json_write_member_str(j, "ticket_id", event->ticket);
	json_write_member_int(j, "seq", message_seq(event));
	json_write_member_int(j, "n", own_n(event, viewer));
	json_write_member_int(j, "epoch", event->epoch);
	json_write_member_int(j, "rev", event->rev);
	json_write_member_cstr(j, "kind", event_message_kind_text(event->message_kind));
	json_write_member_str(j, "sender_id", event->sender_id);
	json_write_member_str(j, "sender_name", event->sender_name);
	/* Whoever tells it has to open it first (seal_reader_event). */
	if (seal_is_sealed(event->content))
		json_write_fail(j);
	json_write_member_str(j, "content", event->content);
	json_write_member_str(j, "client_msg_id", event->uid);
	write_time(j, "sent_at", event->sent_at_ms);
	write_time(j, "edited_at", event->edited_at_ms);
	write_time(j, "deleted_at", event->deleted_at_ms);
	json_write_member_str(j, "deleted_by", event->deleted_by);
}

void message_json(struct json_write *j, const struct ticket_event *event,
		  enum message_viewer viewer)
{
	json_write_open_object(j);
	write_message_members(j, event, viewer);
	json_write_close(j);
}

/* A member of the event's detail; absent where there is none. */
static struct str detail_str(const struct json_read *detail, const char *key)
{
	const struct json_read_value *value = NULL;

	if (detail != NULL)
		value = json_read_find(json_read_root(detail), key);
	return value == NULL ? (struct str){0} : json_read_str(value);
}

/* The frame of a change that is no message's. */
static void write_change_members(struct json_write *j, const struct ticket_event *event)
{
	struct json_read_error error;
	struct json_read *detail = NULL;
	struct str role;

	if (event->detail.p != NULL && json_read(event->detail, &detail, &error) != JSON_READ_OK)
		detail = NULL;
	json_write_member_str(j, "ticket_id", event->ticket);
	if (event->kind == EVENT_PARTICIPANT) {
		role = detail_str(detail, "role");
		json_write_member_str(j, "user_id", detail_str(detail, "user_id"));
		/* The contract can be read either way: as a member `removed`, or as a role of that name. */
		json_write_member_str(j, "role", role);
		if (str_eq_c(role, "removed"))
			json_write_member_bool(j, "removed", true);
	} else {
		json_write_member_str(j, "status", detail_str(detail, "status"));
		json_write_member_str(j, "title", detail_str(detail, "title"));
	}
	json_write_member_str(j, "by", event->sender_id);
	write_time(j, "at", event->sent_at_ms);
	json_read_free(detail);
}

void message_frame_json(struct json_write *j, const struct ticket_event *event,
			enum message_viewer viewer)
{
	json_write_open_object(j);
	if (event->kind == EVENT_PARTICIPANT || event->kind == EVENT_TICKET)
		write_change_members(j, event);
	else
		write_message_members(j, event, viewer);
	json_write_member_int(j, "event_seq", event->seq);
	json_write_member_int(j, "prev", message_prev(event, viewer));
	json_write_close(j);
}

const char *message_content_fault(struct str content)
{
	if (content.n == 0)
		return "must not be empty";
	if (content.n > MESSAGE_CONTENT_MAX)
		return "must not be longer than 16384 bytes";
	if (!utf8_is_valid(content))
		return "must be valid UTF-8";
	if (!utf8_is_text(content))
		return "must not contain control characters other than tab, newline and carriage "
		       "return";
	return NULL;
}

void message_digest_key(struct str secret, unsigned char key_r[MESSAGE_KEY_SIZE])
{
	static const unsigned char purpose[] = "bellhop message digest";
	crypto_generichash_state state;

	/* Unkeyed, because a secret may be longer than a BLAKE2b key. */
	crypto_generichash_init(&state, NULL, 0, MESSAGE_KEY_SIZE);
	crypto_generichash_update(&state, purpose, sizeof(purpose));
	crypto_generichash_update(&state, (const unsigned char *)secret.p, secret.n);
	crypto_generichash_final(&state, key_r, MESSAGE_KEY_SIZE);
	sodium_memzero(&state, sizeof(state));
}

void message_digest(const unsigned char key[MESSAGE_KEY_SIZE], enum message_kind kind,
		    struct str content, unsigned char digest_r[MESSAGE_DIGEST_SIZE])
{
	const unsigned char letter = (unsigned char)kind;
	crypto_generichash_state state;

	crypto_generichash_init(&state, key, MESSAGE_KEY_SIZE, MESSAGE_DIGEST_SIZE);
	crypto_generichash_update(&state, &letter, 1);
	crypto_generichash_update(&state, (const unsigned char *)content.p, content.n);
	crypto_generichash_final(&state, digest_r, MESSAGE_DIGEST_SIZE);
}
