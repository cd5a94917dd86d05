/* SPDX-License-Identifier: BSD-2-Clause */
/* Pages of history and single messages. */
#include "config.h"

#include "api/h_history.h"

#include <inttypes.h>
#include <stdio.h>

#include "api/call.h"
#include "api/page.h"
#include "web/json_write.h"
#include "web/query.h"

/* Above any seq that there will be, and exact in every JSON reader. */
#define SEQ_MAX INT64_C(9007199254740991)

static void refuse_seam(struct call *call, int64_t seam)
{
	char detail[128];

	snprintf(detail, sizeof(detail),
		 "the record is away; messages from seq %" PRId64 " on can be read", seam);
	call_refuse_unavailable(call, detail);
}

/* The page, or NULL after a refusal. */
static struct history *load(struct call *call, const struct history_query *query)
{
	const struct page_query page_query = {.ticket = call_ticket(call), .history = *query};
	struct history *page;

	switch (page_load(call->stores, &call->who, &page_query, &call->log, &page)) {
	case PAGE_LOADED:
		return page;
	case PAGE_DENIED:
		call_refuse(call, PROBLEM_NOT_A_PARTICIPANT, NULL);
		break;
	case PAGE_UNAVAILABLE:
		call_refuse_unavailable(call, "the record is away");
		break;
	case PAGE_SEAM:
		refuse_seam(call, history_seam(page));
		break;
	case PAGE_FAILED:
		call_refuse(call, PROBLEM_INTERNAL, NULL);
		break;
	}
	history_free(page);
	return NULL;
}

/* One bound of the query. 0, or -1 after a refusal. */
static int read_bound(struct call *call, const struct query *q, const char *name,
		      enum history_bound bound, struct history_query *query)
{
	char detail[64];
	int64_t at;

	switch (query_int(q, name, bound == HISTORY_AFTER ? 0 : 1, SEQ_MAX, &at)) {
	case QUERY_INT_ABSENT:
		return 0;
	case QUERY_INT_BAD:
		snprintf(detail, sizeof(detail), "%s has to be the seq of an event", name);
		call_refuse(call, PROBLEM_INVALID_FIELD, detail);
		return -1;
	case QUERY_INT_OK:
		break;
	}
	if (query->bound != HISTORY_NEWEST) {
		call_refuse(call, PROBLEM_INVALID_FIELD,
			    "before, after and around exclude each other");
		return -1;
	}
	query->bound = bound;
	query->at = at;
	return 0;
}

static int read_query(struct call *call, struct history_query *query)
{
	const char *fault;
	struct query q;
	int64_t limit = HISTORY_LIMIT_DEFAULT;
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
	if (query_int(&q, "limit", 1, HISTORY_LIMIT_MAX, &limit) == QUERY_INT_BAD)
		call_refuse(call, PROBLEM_INVALID_FIELD, "limit has to be a number from 1 to 200");
	else if (read_bound(call, &q, "before", HISTORY_BEFORE, query) == 0 &&
		 read_bound(call, &q, "after", HISTORY_AFTER, query) == 0 &&
		 read_bound(call, &q, "around", HISTORY_AROUND, query) == 0)
		result = 0;
	query->limit = (int)limit;
	query_deinit(&q);
	return result;
}

void h_history_page(struct call *call)
{
	struct history_query query = {.bound = HISTORY_NEWEST, .viewer = call_viewer(call)};
	struct buf link = BUF_INIT;
	struct json_write j;
	struct history *page;

	if (read_query(call, &query) != 0)
		return;
	page = load(call, &query);
	if (page == NULL)
		return;
	reply_json(&call->reply, 200);
	history_link(page, call->request.path, &link);
	if (!buf_ok(&link))
		call->reply.head.failed = true;
	else if (link.len > 0)
		reply_header(&call->reply, "Link", buf_str(&link));
	json_write_init(&j, &call->reply.body);
	history_json(page, &call->texts, &j);
	if (json_write_finish(&j) != 0)
		call_refuse(call, PROBLEM_INTERNAL, NULL);
	buf_deinit(&link);
	history_free(page);
}

void h_history_message(struct call *call)
{
	const int64_t seq = call->route.seq;
	const struct history_query query = {
		.bound = HISTORY_AFTER, .at = seq - 1, .limit = 1, .viewer = call_viewer(call)};
	struct history *page = load(call, &query);

	if (page == NULL)
		return;
	if (history_count(page) == 0 || history_event(page, 0)->seq != seq)
		call_refuse(call, PROBLEM_NOT_FOUND, "no such message");
	else
		call_answer_message(call, 200, history_event(page, 0));
	history_free(page);
}
