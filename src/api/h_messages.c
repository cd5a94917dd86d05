/* SPDX-License-Identifier: BSD-2-Clause */
/* Sending: reads what the client wants, has it stored, and words the outcome. */
#include "config.h"

#include "api/h_messages.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>

#include "api/allow.h"
#include "api/call.h"
#include "api/send.h"
#include "chat/history.h"
#include "web/json_write.h"

enum {
	FAULTS_MAX = 8,
	UID_BYTES = 16,
};

/* A send as it is being read from the request. */
struct draft {
	struct record_send send;
	unsigned char digest[MESSAGE_DIGEST_SIZE];
	char own_uid[2 * UID_BYTES + 1]; /* "" where the client gave one */
	struct buf sealed; /* what send.content borrows from, where texts are sealed */
	struct reply_error faults[FAULTS_MAX];
	size_t n_faults;
};

static void add_fault(struct draft *draft, const char *pointer, const char *message)
{
	if (message != NULL && draft->n_faults < FAULTS_MAX)
		draft->faults[draft->n_faults++] = (struct reply_error){pointer, message};
}

/* A member that may be absent or null: then p is NULL. */
static struct str read_text(struct call *call, struct draft *draft, const char *pointer)
{
	const struct json_read_value *value =
		json_read_find(json_read_root(call->json), pointer + 1);

	if (value == NULL || json_read_is_null(value))
		return (struct str){0};
	if (!json_read_is_string(value))
		add_fault(draft, pointer, "has to be a string");
	return json_read_str(value);
}

static void read_content(struct call *call, struct draft *draft)
{
	const struct json_read_value *value = json_read_find(json_read_root(call->json), "content");

	if (value == NULL) {
		add_fault(draft, "/content", "is missing");
		return;
	}
	if (!json_read_is_string(value)) {
		add_fault(draft, "/content", "has to be a string");
		return;
	}
	draft->send.content = json_read_str(value);
	add_fault(draft, "/content", message_content_fault(draft->send.content));
}

static void make_uid(struct draft *draft)
{
	unsigned char bytes[UID_BYTES];

	randombytes_buf(bytes, sizeof(bytes));
	sodium_bin2hex(draft->own_uid, sizeof(draft->own_uid), bytes, sizeof(bytes));
	draft->send.uid = str_of(draft->own_uid);
}

static void read_uid(struct call *call, struct draft *draft)
{
	const struct str header = call->request.idempotency_key;
	struct str uid = read_text(call, draft, "/client_msg_id");

	if (uid.p != NULL && header.p != NULL && !str_eq(uid, header))
		add_fault(draft, "/client_msg_id", "differs from the header Idempotency-Key");
	if (uid.p == NULL)
		uid = header;
	if (uid.p == NULL)
		make_uid(draft);
	else if (!ids_is_client_msg(uid))
		add_fault(draft, "/client_msg_id", "has to be 1 to 64 printable ASCII characters");
	else
		draft->send.uid = uid;
}

static void read_kind(struct call *call, struct draft *draft)
{
	const struct str kind = read_text(call, draft, "/kind");

	if (kind.p == NULL || str_eq_c(kind, "text"))
		draft->send.kind = MESSAGE_TEXT;
	else if (str_eq_c(kind, "note"))
		draft->send.kind = MESSAGE_NOTE;
	else
		add_fault(draft, "/kind", "has to be \"text\" or \"note\"");
}

/* 0, or -1 after a refusal: only a service speaks for others. */
static int read_sender(struct call *call, struct draft *draft)
{
	const struct str id = read_text(call, draft, "/sender_id");
	const struct str name = read_text(call, draft, "/sender_name");

	draft->send.sender_id = call->who.user_id;
	draft->send.sender_name = call->who.name;
	if (id.p == NULL && name.p == NULL)
		return 0;
	if (call->who.role != ROLE_SERVICE) {
		allow_refuse_role(call, "only a service may set sender_id and sender_name");
		return -1;
	}
	if (id.p != NULL) {
		draft->send.sender_id = id;
		if (!ids_is_user(id))
			add_fault(draft, "/sender_id", "has to be a user id");
	}
	draft->send.sender_name = name;
	if (name.p != NULL && !ids_is_name(name))
		add_fault(draft, "/sender_name",
			  "has to be 1 to 128 bytes without control characters");
	return 0;
}

/* Fills the draft. 0, or -1 after a refusal. */
static int read_draft(struct call *call, struct draft *draft, bool is_system)
{
	const struct reply_problem bad = {.problem = PROBLEM_INVALID_FIELD,
					  .errors = draft->faults};
	struct reply_problem problem = bad;

	draft->send.ticket = call_ticket(call);
	draft->send.role = str_of(ids_role_text(call->who.role));
	draft->send.grant = call_grant(call);
	draft->send.kind = MESSAGE_SYSTEM;
	read_content(call, draft);
	read_uid(call, draft);
	if (!is_system)
		read_kind(call, draft);
	if (read_sender(call, draft) != 0 ||
	    call_if_match(call, 0, "If-Match has to be the seq of an event in quotes",
			  &draft->send.if_match) != 0)
		return -1;
	if (draft->n_faults > 0) {
		problem.n_errors = draft->n_faults;
		reply_problem(&call->reply, &problem);
		return -1;
	}
	if (draft->send.kind == MESSAGE_NOTE && !authn_identity_is_staff(&call->who)) {
		allow_refuse_role(call, "notes are written by staff");
		return -1;
	}
	message_digest(call->gate->digest_key.data, draft->send.kind, draft->send.content,
		       draft->digest);
	draft->send.digest = (struct str){(const char *)draft->digest, sizeof(draft->digest)};
	return 0;
}

/* From here on the text is what the stores get. 0, or -1 after a refusal. */
static int seal_draft(struct call *call, struct draft *draft)
{
	const struct seal_place place = {draft->send.ticket, draft->send.uid,
					 draft->send.sender_id};

	if (call->gate->seal == NULL)
		return 0;
	if (seal_put(call->gate->seal, &place, draft->send.content, &draft->sealed) != 0) {
		call_refuse(call, PROBLEM_INTERNAL, NULL);
		return -1;
	}
	draft->send.content = buf_str(&draft->sealed);
	return 0;
}

static void answer_message(struct call *call, const struct ticket_event *event, bool is_replayed)
{
	struct buf location = BUF_INIT;

	call_answer_message(call, is_replayed ? 200 : 201, event);
	if (is_replayed) {
		reply_header(&call->reply, "Idempotent-Replayed", STR("true"));
	} else {
		buf_puts(&location, conf_str(call->conf, CONF_BASE_PATH));
		buf_printf(&location, "/v1/tickets/%s/messages/%" PRId64, call->route.ticket,
			   event->seq);
		if (buf_ok(&location))
			reply_header(&call->reply, "Location", buf_str(&location));
	}
	buf_deinit(&location);
}

/* The messages after if_match that the caller may see, as a JSON array. 0, or -1. */
static int write_missed(struct call *call, int64_t after, struct buf *out)
{
	const struct record_page_query query = {
		.ticket = call_ticket(call),
		.after = after,
		.limit = HISTORY_LIMIT_MAX,
		.is_staff = call_viewer(call) == MESSAGE_FOR_STAFF,
	};
	struct record_events events = {0};
	struct json_write j;
	struct pg_stmt stmt;
	PGresult *result = NULL;
	int status = -1;

	record_put_page(&stmt, &query);
	if (stores_pg(call->stores, &stmt, stores_pg_deadline(call->stores), &result) == ERR_NONE &&
	    record_parse_events(result, query.ticket, &events) == 0) {
		json_write_init(&j, out);
		json_write_open_array(&j);
		for (size_t i = 0; i < events.count; i++) {
			const struct ticket_event message = call_open(call, &events.events[i]);

			message_json(&j, &message, call_viewer(call));
		}
		json_write_close(&j);
		status = json_write_finish(&j);
		record_events_deinit(&events);
	}
	PQclear(result);
	pg_stmt_deinit(&stmt);
	return status;
}

static void refuse_newer(struct call *call, int64_t after)
{
	struct buf messages = BUF_INIT;
	struct reply_problem problem = {.problem = PROBLEM_NEWER_MESSAGES,
					.detail = "somebody else has written meanwhile",
					.member = "messages"};

	if (write_missed(call, after, &messages) == 0) {
		problem.member_json = buf_str(&messages);
		reply_problem(&call->reply, &problem);
	} else {
		call_refuse_unavailable(call, "the record is away");
	}
	buf_deinit(&messages);
}

static void answer_outcome(struct call *call, const struct draft *draft,
			   const struct record_sent *sent)
{
	switch (sent->outcome) {
	case RECORD_CREATED:
		answer_message(call, &sent->event, false);
		break;
	case RECORD_REPLAYED:
		answer_message(call, &sent->event, true);
		break;
	case RECORD_MISMATCH:
		call_refuse(call, PROBLEM_IDEMPOTENCY_MISMATCH,
			    "this client_msg_id was used for another message");
		break;
	case RECORD_NOT_A_PARTICIPANT:
		call_refuse(call, PROBLEM_NOT_A_PARTICIPANT, NULL);
		break;
	case RECORD_CLOSED:
		call_refuse(call, PROBLEM_TICKET_CLOSED, "the ticket is closed");
		break;
	case RECORD_NEWER:
		refuse_newer(call, draft->send.if_match);
		break;
	}
}

static void store_draft(struct call *call, const struct draft *draft)
{
	const bool uid_is_ours = draft->own_uid[0] != '\0';
	struct send_result result;
	enum err err = send_message(call->stores, &draft->send, uid_is_ours, &call->log, &result);

	if (err != ERR_NONE) {
		call_refuse_failure(
			call, err,
			"the message may not be stored; send it again with its client_msg_id");
		return;
	}
	answer_outcome(call, draft, &result.sent);
	send_result_deinit(&result);
}

static void handle_send(struct call *call, bool is_system)
{
	struct draft draft = {0};

	if (read_draft(call, &draft, is_system) == 0 && seal_draft(call, &draft) == 0)
		store_draft(call, &draft);
	buf_deinit(&draft.sealed);
}

void h_messages_send(struct call *call)
{
	handle_send(call, false);
}

void h_messages_send_system(struct call *call)
{
	handle_send(call, true);
}
