/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads the queries of streams and polls. */
#include "config.h"

#include "push/wish.h"

#include "push/out_poll.h"
#include "web/query.h"
#include "web/request.h"

static const char no_memory[] = "too much for now";

/* The tickets of a route that names none. */
static const char *parse_tickets(struct wish *wish, const struct query *query, size_t max)
{
	int64_t inbox = 0;

	if (query_int(query, "inbox", 0, 1, &inbox) == QUERY_INT_BAD)
		return "inbox must be 0 or 1";
	wish->has_inbox = inbox == 1;
	switch (ticket_list_parse(query_find(query, "tickets"), max, &wish->tickets)) {
	case TICKET_LIST_OK:
		break;
	case TICKET_LIST_BAD:
		return "tickets must be ticket ids with commas between them";
	case TICKET_LIST_TOO_MANY:
		return "too many tickets";
	case TICKET_LIST_MEMORY:
		return no_memory;
	}
	if (wish->tickets.n == 0 && !wish->has_inbox)
		return "tickets and inbox are missing";
	return NULL;
}

/* Where it begins, and how long it lasts. */
static const char *parse(struct wish *wish, const struct request *q, const struct query *query,
			 size_t max_tickets)
{
	bool is_poll = wish->is_poll;
	struct str cursor = is_poll ? query_find(query, "cursor") : q->last_event_id;
	int64_t wait_s = OUT_POLL_WAIT_DEFAULT_S, ephemeral = 0;
	const char *detail = NULL;

	if (!is_poll && cursor.n == 0)
		cursor = query_find(query, "last_event_id");
	if (!is_poll && cursor.n == 0)
		cursor = query_find(query, "lastEventId");
	if (is_poll && query_int(query, "wait", 0, OUT_POLL_WAIT_MAX_S, &wait_s) == QUERY_INT_BAD)
		return "wait must be a number from 0 to 55";
	if (is_poll && query_int(query, "ephemeral", 0, 1, &ephemeral) == QUERY_INT_BAD)
		return "ephemeral must be 0 or 1";
	wish->wait_ms = wait_s * 1000;
	wish->is_ephemeral = ephemeral == 1;
	if (wish->is_many)
		detail = parse_tickets(wish, query, max_tickets);
	return detail != NULL ? detail : begin_parse(cursor, query, &wish->begin);
}

const char *wish_parse(struct wish *wish, const struct request *q, size_t max_tickets)
{
	const char *detail = NULL;
	struct query query;

	switch (query_parse(&query, q->query, &detail)) {
	case QUERY_MEMORY:
		return no_memory;
	case QUERY_OK:
		detail = parse(wish, q, &query, max_tickets);
		query_deinit(&query);
		break;
	case QUERY_BAD:
		break;
	}
	return detail;
}
