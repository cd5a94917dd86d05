/* SPDX-License-Identifier: BSD-2-Clause */
/* The I/O behind a page of history. */
#include "config.h"

#include "api/page.h"

#include <stdlib.h>

#include "chat/access.h"
#include "store/record.h"

struct loading {
	struct stores *stores;
	const struct page_query *query;
	const struct log_ctx *log;
	struct stores_window window;
	struct history *page;
};

static struct history_totals totals_of_record(const struct record_ticket *ticket)
{
	return (struct history_totals){
		.epoch = ticket->epoch,
		.first_seq = ticket->first_seq,
		.last_seq = ticket->last_seq,
		.last_public = ticket->last_public,
		.n = ticket->n,
		.n_public = ticket->n_public,
		.first_n = ticket->first_n,
		.first_n_public = ticket->first_n_public,
	};
}

static struct history_totals totals_of_window(const struct stores_window *window)
{
	return (struct history_totals){
		.epoch = window->epoch,
		.first_seq = 1,
		.last_seq = window->open.last_seq,
		.last_public = window->open.last_public,
		.n = window->open.n,
		.n_public = window->open.n_public,
	};
}

/* Asks the record about the membership. ERR_NONE: *membership_r and *totals_r are filled. */
static enum err ask_membership(struct loading *l, struct str user,
			       enum access_membership *membership_r,
			       struct history_totals *totals_r)
{
	struct record_opened opened;
	struct pg_stmt stmt;
	PGresult *result = NULL;
	enum err err;

	record_put_open(&stmt, l->query->ticket, user);
	err = stores_pg(l->stores, &stmt, stores_pg_deadline(l->stores), &result);
	if (err == ERR_NONE && record_parse_open(result, &opened) != 0)
		err = ERR_PROTOCOL;
	if (err == ERR_NONE) {
		*membership_r = access_from_record(opened.membership);
		*totals_r = totals_of_record(&opened.ticket);
		stores_learn_epoch(l->stores, opened.ticket.epoch);
	}
	PQclear(result);
	pg_stmt_deinit(&stmt);
	return err;
}

/* Decides about access, and finds out the totals on the way. */
static enum page_result open_ticket(struct loading *l, const struct identity *who,
				    struct history_totals *totals_r)
{
	const struct str ticket = l->query->ticket;
	enum access_membership membership;
	enum access_verdict verdict;

	stores_window_load(l->stores, ticket, who->user_id, &l->window);
	*totals_r = (struct history_totals){.last_seq = HISTORY_UNKNOWN};
	membership = access_from_window(l->window.open.role,
					l->window.is_usable && l->window.open.knows_people);
	verdict = access_decide(who, ticket, membership);
	if (verdict == ACCESS_ASK) {
		enum err err = ask_membership(l, who->user_id, &membership, totals_r);

		if (err != ERR_NONE)
			return err == ERR_MEMORY ? PAGE_FAILED : PAGE_UNAVAILABLE;
		verdict = access_decide(who, ticket, membership);
	}
	if (l->window.is_usable)
		*totals_r = totals_of_window(&l->window);
	return verdict == ACCESS_YES ? PAGE_LOADED : PAGE_DENIED;
}

static void ask_window(struct loading *l, const struct history_ask *ask)
{
	const struct hot_range range = {.ticket = l->query->ticket,
					.from = ask->from,
					.to = ask->to,
					.count = ask->count,
					.newest_first = ask->is_newest_first};
	const struct redis_keys *keys = stores_keys(l->stores);
	struct ticket_event *events = calloc((size_t)ask->count, sizeof(*events));
	struct buf commands = BUF_INIT;
	redisReply *reply = NULL;
	int count = -1;

	/* Streams of another epoch than the one looked at are another window. */
	if (events != NULL && keys != NULL && keys->epoch == l->window.epoch) {
		size_t n = hot_put_range(&commands, keys, &range);

		if (stores_redis(l->stores, &commands, n, stores_redis_deadline(l->stores),
				 &reply) == ERR_NONE) {
			stores_redis_trouble(l->stores, hot_trouble(reply));
			count = hot_parse_events(reply, range.ticket, keys->epoch, events,
						 (size_t)ask->count);
		}
	}
	if (count >= 0)
		history_take_window(l->page, events, (size_t)count);
	else
		history_lose_window(l->page);
	redis_conn_release(&reply, 1);
	buf_deinit(&commands);
	free(events);
}

static void ask_record(struct loading *l, const struct history_ask *ask)
{
	const struct record_page_query query = {
		.ticket = l->query->ticket,
		.before = ask->before,
		.after = ask->after,
		.limit = ask->count,
		.is_staff = l->query->history.viewer == MESSAGE_FOR_STAFF,
	};
	struct record_events events;
	struct history_totals totals;
	struct pg_stmt stmt;
	PGresult *result = NULL;

	record_put_page(&stmt, &query);
	if (stores_pg(l->stores, &stmt, stores_pg_deadline(l->stores), &result) != ERR_NONE) {
		history_lose_record(l->page);
	} else if (record_parse_events(result, query.ticket, &events) != 0) {
		log_error(l->log, "could not read a page of the record: unexpected answer");
		history_lose_record(l->page);
	} else {
		totals = totals_of_record(&events.ticket);
		stores_learn_epoch(l->stores, totals.epoch);
		history_take_record(l->page, &totals, events.events, events.count);
		record_events_deinit(&events);
	}
	PQclear(result);
	pg_stmt_deinit(&stmt);
}

static enum page_result run(struct loading *l)
{
	struct history_ask ask;

	for (;;) {
		switch (history_next(l->page, &ask)) {
		case HISTORY_ASK_WINDOW:
			ask_window(l, &ask);
			break;
		case HISTORY_ASK_RECORD:
			ask_record(l, &ask);
			break;
		case HISTORY_DONE:
			if (!history_is_dense(l->page))
				log_error(l->log, "history has a hole in the record");
			return PAGE_LOADED;
		case HISTORY_SEAM:
			return history_seam(l->page) > 0 ? PAGE_SEAM : PAGE_UNAVAILABLE;
		case HISTORY_FAILED:
			return PAGE_FAILED;
		}
	}
}

enum page_result page_load(struct stores *s, const struct identity *who,
			   const struct page_query *query, const struct log_ctx *log,
			   struct history **page_r)
{
	struct loading l = {.stores = s, .query = query, .log = log};
	struct history_totals totals;
	enum page_result result;

	*page_r = NULL;
	result = open_ticket(&l, who, &totals);
	if (result != PAGE_LOADED)
		goto out;
	l.page = history_new(&query->history, &totals,
			     l.window.is_usable ? l.window.open.first_seq : 0);
	if (l.page == NULL) {
		result = PAGE_FAILED;
		goto out;
	}
	result = run(&l);
	if (result == PAGE_LOADED && history_cursor_seq(l.page) > 0)
		stores_restore(s, query->ticket, &l.window);
	if (result == PAGE_LOADED || result == PAGE_SEAM)
		*page_r = l.page;
	else
		history_free(l.page);
out:
	stores_window_deinit(&l.window);
	return result;
}
