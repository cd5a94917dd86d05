/* SPDX-License-Identifier: BSD-2-Clause */
/* The list of conversations: read from the record alone, a page at a time, and only if it has changed. */
#include "config.h"

#include "api/h_inbox.h"

#include <inttypes.h>

#include "api/call.h"
#include "base/clock.h"
#include "chat/inbox.h"
#include "store/record_inbox.h"
#include "web/etag.h"
#include "web/json_write.h"
#include "web/query.h"

/* ---- the question ---- */

struct listing {
	struct record_inbox_query query;
	struct inbox_place place; /* what the query's `after` borrows from */
	int limit;		  /* of the page; one more is asked for */
};

static int read_choices(struct call *call, const struct query *q, struct listing *l)
{
	struct str filter = query_find(q, "filter");
	struct str status = query_find(q, "status");

	if (filter.p != NULL && !str_eq_c(filter, "all") && !str_eq_c(filter, "unread")) {
		call_refuse(call, PROBLEM_INVALID_FIELD, "filter has to be all or unread");
		return -1;
	}
	l->query.only_unread = str_eq_c(filter, "unread");
	if (str_eq_c(status, "open"))
		l->query.status = STR("open");
	else if (str_eq_c(status, "closed"))
		l->query.status = STR("closed");
	else if (status.p != NULL) {
		call_refuse(call, PROBLEM_INVALID_FIELD, "status has to be open or closed");
		return -1;
	}
	return 0;
}

static int read_place(struct call *call, const struct query *q, struct listing *l)
{
	struct str before = query_find(q, "before");
	int64_t limit = INBOX_LIMIT_DEFAULT;

	if (query_int(q, "limit", 1, INBOX_LIMIT_MAX, &limit) == QUERY_INT_BAD) {
		call_refuse(call, PROBLEM_INVALID_FIELD, "limit has to be a number from 1 to 200");
		return -1;
	}
	l->limit = (int)limit;
	l->query.limit = l->limit + 1;
	if (before.p == NULL)
		return 0;
	if (inbox_place_parse(before, &l->place) != 0) {
		call_refuse(call, PROBLEM_INVALID_FIELD,
			    "before has to be what the page before gave as next");
		return -1;
	}
	l->query.after_active_at_us = l->place.active_at_us;
	l->query.after_ticket = str_of(l->place.ticket);
	return 0;
}

/* 0, or -1 after a refusal. */
static int read_listing(struct call *call, struct listing *l)
{
	const char *fault;
	struct query q;
	int result = -1;

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
	if (read_choices(call, &q, l) == 0 && read_place(call, &q, l) == 0)
		result = 0;
	query_deinit(&q);
	return result;
}

/* ---- the answer ---- */

static void write_ticket(struct call *call, struct json_write *j,
			 const struct record_inbox_ticket *ticket)
{
	struct ticket_event message;
	char at[CLOCK_TEXT_SIZE];

	clock_format(ticket->active_at_us / 1000, at);
	json_write_open_object(j);
	json_write_member_str(j, "ticket_id", ticket->ticket);
	json_write_member_str(j, "title", ticket->title);
	json_write_member_str(j, "status", ticket->status);
	json_write_member_int(j, "newest_seq", ticket->newest_seq);
	json_write_member_int(j, "unread", ticket->unread);
	json_write_key(j, "last_message");
	if (ticket->has_message) {
		message = call_open(call, &ticket->message);
		message_json(j, &message, call_viewer(call));
	} else {
		json_write_null(j);
	}
	json_write_member_cstr(j, "last_activity_at", at);
	json_write_key(j, "participants");
	json_write_raw(j, ticket->people);
	json_write_close(j);
}

static void write_link(struct call *call, const struct listing *l, struct str next)
{
	struct buf link = BUF_INIT;

	buf_printf(&link, "<%.*s?limit=%d", STR_ARG(call->request.path), l->limit);
	if (l->query.only_unread)
		buf_puts(&link, "&filter=unread");
	if (l->query.status.p != NULL)
		buf_printf(&link, "&status=%.*s", STR_ARG(l->query.status));
	buf_printf(&link, "&before=%.*s>; rel=\"next\"", STR_ARG(next));
	if (buf_ok(&link))
		reply_header(&call->reply, "Link", buf_str(&link));
	else
		call->reply.head.failed = true;
	buf_deinit(&link);
}

/* Writes the page, and into *next where it goes on; empty: nowhere. 0, or -1. */
static int write_page(struct call *call, const struct listing *l, const PGresult *result,
		      struct buf *next)
{
	struct record_inbox_ticket ticket;
	size_t count = record_inbox_count(result);
	bool has_more = count > (size_t)l->limit;
	struct json_write j;

	if (has_more)
		count = (size_t)l->limit;
	json_write_init(&j, &call->reply.body);
	json_write_open_object(&j);
	json_write_member_array(&j, "tickets");
	for (size_t i = 0; i < count; i++) {
		if (record_inbox_parse(result, i, &ticket) != 0)
			return -1;
		if (i == 0)
			stores_learn_epoch(call->stores, ticket.epoch);
		write_ticket(call, &j, &ticket);
	}
	json_write_close(&j);
	if (has_more)
		inbox_place_put(next, ticket.active_at_us, ticket.ticket);
	json_write_member_str(&j, "next", has_more ? buf_str(next) : (struct str){0});
	json_write_close(&j);
	return buf_ok(next) ? json_write_finish(&j) : -1;
}

static void answer(struct call *call, const struct listing *l, const PGresult *result)
{
	struct buf next = BUF_INIT;
	char tag[ETAG_TEXT_SIZE];
	struct str etag;

	reply_json(&call->reply, 200);
	if (write_page(call, l, result, &next) != 0) {
		call_refuse(call, PROBLEM_INTERNAL, NULL);
		goto out;
	}
	etag = etag_of(buf_str(&call->reply.body), tag);
	if (etag_is_in(call->request.if_none_match, etag)) {
		reply_reset(&call->reply);
		reply_empty(&call->reply, 304);
	} else if (next.len > 0) {
		write_link(call, l, buf_str(&next));
	}
	reply_header(&call->reply, "ETag", etag);
out:
	buf_deinit(&next);
}

void h_inbox_list(struct call *call)
{
	struct listing l = {.query = {.user = call->who.user_id,
				      .is_staff = call_viewer(call) == MESSAGE_FOR_STAFF}};
	PGresult *result = NULL;
	struct pg_stmt stmt;
	enum err err;

	if (read_listing(call, &l) != 0)
		return;
	record_inbox_put_list(&stmt, &l.query);
	err = stores_pg(call->stores, &stmt, stores_pg_deadline(call->stores), &result);
	if (err == ERR_NONE)
		answer(call, &l, result);
	else
		call_refuse_failure(call, err, "the record is away");
	PQclear(result);
	pg_stmt_deinit(&stmt);
}
