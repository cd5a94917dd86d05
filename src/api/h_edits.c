/* SPDX-License-Identifier: BSD-2-Clause */
/* Edits and deletions: the record first, then Redis, then the answer; and what the record kept. */
#include "config.h"

#include "api/h_edits.h"

#include "api/allow.h"
#include "api/call.h"
#include "base/clock.h"
#include "store/record_edit.h"
#include "web/json_write.h"
#include "web/query.h"

/* ---- changing ---- */

static void answer_outcome(struct call *call, const struct record_changed *changed)
{
	switch (changed->outcome) {
	case RECORD_CHANGE_MADE:
		stores_push(call->stores, &changed->event, (struct str){0}, &call->log);
		call_answer_message(call, 200, &changed->event);
		break;
	case RECORD_CHANGE_NONE:
		call_answer_message(call, 200, &changed->event);
		break;
	case RECORD_CHANGE_NOT_A_PARTICIPANT:
		call_refuse(call, PROBLEM_NOT_A_PARTICIPANT, NULL);
		break;
	case RECORD_CHANGE_ABSENT:
		call_refuse(call, PROBLEM_NOT_FOUND, "no such message");
		break;
	case RECORD_CHANGE_FORBIDDEN:
		call_refuse(call, PROBLEM_FORBIDDEN, "this message is not yours to change");
		break;
	case RECORD_CHANGE_DELETED:
		call_refuse(call, PROBLEM_DELETED, "a deleted message cannot be edited");
		break;
	case RECORD_CHANGE_STALE:
		call_refuse(call, PROBLEM_STALE_REVISION,
			    "the message has another revision than If-Match says");
		break;
	case RECORD_CHANGE_ON_HOLD:
		call_refuse(call, PROBLEM_ON_HOLD, "nothing may be deleted from this ticket");
		break;
	}
}

static void refuse_failure(struct call *call, enum err err)
{
	log_warn(&call->log, "change not stored, or not known to be",
		 LOG_STR("reason", err_text(err)));
	/* Whether it happened or not: a change that was made is not made again. */
	call_refuse_failure(call, err, "the change may not be stored; ask for it again");
}

/*
 * Appends to *sealed what is to be stored in place of the message's present text. The same text stays what
 * it was to the byte, whatever it was sealed with: so the record sees that nothing changes. 0, or -1.
 */
static int seal_text(const struct seal *seal, const struct ticket_event *message, struct str text,
		     struct buf *sealed)
{
	const struct seal_place place = seal_place_of(message);
	struct buf opened = BUF_INIT;
	struct str present;
	int result = 0;

	if (message->content.p != NULL &&
	    seal_open(seal, &place, message->content, &opened, &present) == SEAL_OPENED &&
	    str_eq(present, text))
		buf_put_str(sealed, message->content);
	else
		result = seal_put(seal, &place, text, sealed);
	buf_deinit(&opened);
	return buf_ok(sealed) ? result : -1;
}

/*
 * Seals the new text of a change, for which has to be known whose message it is. Who may change it is
 * decided by the record.
 */
static enum err seal_change(struct call *call, struct record_change *change, struct buf *sealed)
{
	struct record_events found = {0};
	struct pg_stmt stmt;
	PGresult *result = NULL;
	enum err err;

	record_put_event(&stmt, change->ticket, change->seq);
	err = stores_pg(call->stores, &stmt, stores_pg_deadline(call->stores), &result);
	if (err == ERR_NONE && record_parse_events(result, change->ticket, &found) != 0)
		err = ERR_PROTOCOL;
	if (err == ERR_NONE && (found.count == 0 || found.events[0].kind != EVENT_MESSAGE))
		change->seq = 0; /* no message has that number, not even one that comes meanwhile */
	else if (err == ERR_NONE &&
		 seal_text(call->gate->seal, &found.events[0], change->content, sealed) != 0)
		err = ERR_MEMORY;
	if (err == ERR_NONE)
		change->content = buf_str(sealed);
	record_events_deinit(&found);
	PQclear(result);
	pg_stmt_deinit(&stmt);
	return err;
}

static void make_change(struct call *call, const struct record_change *change)
{
	struct record_changed changed;
	struct pg_stmt stmt;
	PGresult *result = NULL;
	enum err err;

	record_edit_put(&stmt, change);
	err = stores_pg_repeatable(call->stores, &stmt, stores_pg_deadline(call->stores), &result,
				   NULL);
	if (err == ERR_NONE && record_edit_parse(result, change->ticket, &changed) != 0)
		err = ERR_PROTOCOL;
	if (err == ERR_NONE) {
		stores_learn_epoch(call->stores, changed.epoch);
		/* A repeat, ours or the client's, finds what the first try made, which was not pushed yet. */
		if (changed.outcome == RECORD_CHANGE_NONE)
			stores_catch_up(call->stores, change->ticket, changed.ticket.last_seq);
		answer_outcome(call, &changed);
	} else {
		refuse_failure(call, err);
	}
	PQclear(result);
	pg_stmt_deinit(&stmt);
}

/* content p NULL: a deletion. */
static void handle_change(struct call *call, struct str content)
{
	struct record_change change = {
		.ticket = call_ticket(call),
		.seq = call->route.seq,
		.user = call->who.user_id,
		.role = str_of(ids_role_text(call->who.role)),
		.content = content,
		.grant = call_grant(call),
	};
	struct buf sealed = BUF_INIT;
	enum err err = ERR_NONE;

	if (call_if_match(call, 1, "If-Match has to be the rev of the message in quotes",
			  &change.if_match) != 0)
		return;
	if (content.p != NULL && call->gate->seal != NULL)
		err = seal_change(call, &change, &sealed);
	if (err == ERR_NONE)
		make_change(call, &change);
	else
		refuse_failure(call, err);
	buf_deinit(&sealed);
}

void h_edits_edit(struct call *call)
{
	const struct json_read_value *value = json_read_find(json_read_root(call->json), "content");
	const char *fault;

	if (value == NULL)
		fault = "is missing";
	else if (!json_read_is_string(value))
		fault = "has to be a string";
	else
		fault = message_content_fault(json_read_str(value));
	if (fault != NULL)
		call_refuse_field(call, "/content", fault);
	else
		handle_change(call, json_read_str(value));
}

void h_edits_delete(struct call *call)
{
	handle_change(call, (struct str){0});
}

/* ---- former texts ---- */

/* 0, or -1 after a refusal. */
static int read_before(struct call *call, int64_t *before_r)
{
	const char *fault;
	struct query q;
	enum query_int found;

	*before_r = 0;
	switch (query_parse(&q, call->request.query, &fault)) {
	case QUERY_OK:
		break;
	case QUERY_BAD:
		call_refuse(call, PROBLEM_INVALID_FIELD, fault);
		return -1;
	case QUERY_MEMORY:
		call_refuse(call, PROBLEM_INTERNAL, NULL);
		return -1;
	}
	found = query_int(&q, "before", 1, INT64_MAX, before_r);
	query_deinit(&q);
	if (found != QUERY_INT_BAD)
		return 0;
	call_refuse(call, PROBLEM_INVALID_FIELD, "before has to be a rev");
	return -1;
}

static int write_revision(struct call *call, struct json_write *j, const PGresult *result, size_t i)
{
	struct record_revision revision;
	struct seal_place place;
	char at[CLOCK_TEXT_SIZE];

	if (record_edit_parse_revision(result, i, &revision) != 0)
		return -1;
	place = (struct seal_place){call_ticket(call), revision.uid, revision.sender_id};
	clock_format(revision.edited_at_ms, at);
	json_write_open_object(j);
	json_write_member_int(j, "rev", revision.rev);
	json_write_member_str(
		j, "content",
		seal_reader_open(&call->texts, &place, call->route.seq, revision.content));
	json_write_member_cstr(j, "edited_at", at);
	json_write_member_str(j, "edited_by", revision.edited_by);
	json_write_close(j);
	return 0;
}

static void answer_revisions(struct call *call, const PGresult *result)
{
	struct json_write j;
	bool is_there, is_good;
	size_t count;

	if (record_edit_parse_revisions(result, &is_there, &count) != 0) {
		call_refuse(call, PROBLEM_INTERNAL, NULL);
		return;
	}
	if (!is_there) {
		call_refuse(call, PROBLEM_NOT_FOUND, "no such message");
		return;
	}
	reply_json(&call->reply, 200);
	json_write_init(&j, &call->reply.body);
	json_write_open_object(&j);
	json_write_member_array(&j, "revisions");
	is_good = true;
	for (size_t i = 0; i < count && is_good; i++)
		is_good = write_revision(call, &j, result, i) == 0;
	json_write_close(&j);
	json_write_close(&j);
	if (!is_good || json_write_finish(&j) != 0)
		call_refuse(call, PROBLEM_INTERNAL, NULL);
}

void h_edits_revisions(struct call *call)
{
	struct pg_stmt stmt;
	PGresult *result = NULL;
	int64_t before;

	if (call->who.role != ROLE_ADMIN) {
		allow_refuse_role(call, "this is for admins");
		return;
	}
	if (read_before(call, &before) != 0)
		return;
	record_edit_put_revisions(&stmt, call_ticket(call), call->route.seq, before);
	if (stores_pg(call->stores, &stmt, stores_pg_deadline(call->stores), &result) == ERR_NONE)
		answer_revisions(call, result);
	else
		call_refuse_unavailable(call, "the record is away");
	PQclear(result);
	pg_stmt_deinit(&stmt);
}
