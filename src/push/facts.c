/* SPDX-License-Identifier: BSD-2-Clause */
/* Asks the stores about tickets and reads what they say. */
#include "config.h"

#include "push/facts.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "push/push.h"
#include "push/stores.h"
#include "store/hot.h"
#include "store/people.h"
#include "store/presence.h"
#include "store/record_open.h"
#include "web/json_write.h"
#include "web/ticket_list.h"

enum {
	WINDOW_INIT_COUNT = 1000, /* events looked through for the newest messages */
	TYPISTS_MAX = 32,	  /* that are told */
	/* Replies of one ticket; put_ticket() and take_window() agree on them. */
	AT_TYPISTS = HOT_OPEN_REPLIES,
	AT_LOOKING = AT_TYPISTS + PEOPLE_TYPISTS_REPLIES,
	AT_MARKS = AT_LOOKING + 1,
	TICKET_REPLIES = AT_MARKS + 1,
};

/* ---- what is kept ---- */

static void ticket_forget(struct facts_ticket *ticket)
{
	free(ticket->read);
	free(ticket->typing);
	free(ticket->lookers);
	free(ticket->typists);
	*ticket = (struct facts_ticket){.ticket = ticket->ticket, .key = ticket->key, .unread = -1};
}

static void facts_cancel(struct facts *facts)
{
	if (facts->redis_call != NULL)
		redis_async_cancel(facts->redis_call);
	if (facts->record_call != NULL)
		pg_call_cancel(facts->record_call);
	facts->redis_call = NULL;
	facts->record_call = NULL;
}

int facts_init(struct facts *facts, const struct facts_opts *opts)
{
	*facts = (struct facts){.opts = *opts, .n = opts->tickets->n};
	facts->tickets = calloc(facts->n, sizeof(*facts->tickets));
	if (facts->tickets == NULL)
		return -1;
	for (size_t i = 0; i < facts->n; i++) {
		facts->tickets[i].ticket = str_of(opts->tickets->items[i].id);
		facts->tickets[i].key = opts->tickets->items[i].key;
	}
	return 0;
}

void facts_deinit(struct facts *facts)
{
	facts_cancel(facts);
	for (size_t i = 0; facts->tickets != NULL && i < facts->n; i++)
		ticket_forget(&facts->tickets[i]);
	free(facts->tickets);
	facts->tickets = NULL;
}

static void set_status(struct facts_ticket *ticket, struct str status)
{
	snprintf(ticket->status, sizeof(ticket->status), "%.*s", STR_ARG(status));
}

/* Both have answered or failed. */
static void facts_look(struct facts *facts)
{
	if (facts->redis_call == NULL && facts->record_call == NULL)
		facts->opts.done(facts->opts.arg);
}

/* The text as a string of one's own; NULL where it failed. */
static char *json_done(struct json_write *json, struct buf *text)
{
	char *copy = NULL;

	json_write_close(json);
	if (json_write_finish(json) == 0)
		copy = str_dup(buf_str(text));
	buf_deinit(text);
	return copy;
}

/* ---- the record ---- */

static enum access_membership membership_of(const struct record_opened *opened)
{
	switch (opened->membership) {
	case RECORD_MEMBER:
		return ACCESS_MEMBER;
	case RECORD_REMOVED:
		return ACCESS_REMOVED;
	case RECORD_NOT_MEMBER:
		break;
	}
	return ACCESS_NONE;
}

/* {user: seq}, of those who have read something that this viewer may know of. */
static char *read_json(struct str reads)
{
	struct buf text = BUF_INIT;
	struct json_write json;
	struct str user;
	int64_t seq;

	json_write_init(&json, &text);
	json_write_open_object(&json);
	while (record_open_next_read(&reads, &user, &seq)) {
		if (seq == 0)
			continue;
		json_write_key_str(&json, user);
		json_write_int(&json, seq);
	}
	return json_done(&json, &text);
}

static void take_record(struct facts *facts, struct facts_ticket *ticket,
			const struct record_open_ticket *row)
{
	const struct record_opened *opened = &row->opened;
	bool is_staff = facts->opts.viewer == MESSAGE_FOR_STAFF;

	ticket->membership = membership_of(opened);
	ticket->epoch = opened->ticket.epoch;
	ticket->kept_from = opened->ticket.first_seq;
	ticket->last = opened->ticket.last_seq;
	ticket->last_public = opened->ticket.last_public;
	ticket->unread = is_staff ? opened->unread : opened->unread_public;
	ticket->first.seq = row->init_seq;
	ticket->first.prev = is_staff ? row->init_seq - 1 : row->init_prev_public;
	free(ticket->read);
	ticket->read = read_json(row->reads);
	set_status(ticket, opened->ticket.status);
}

static void on_record(void *arg, enum err err, const PGresult *result)
{
	struct facts *facts = arg;
	struct record_open_ticket row;
	bool is_whole = err == ERR_NONE && record_open_parse(result, facts->n) == 0;

	facts->record_call = NULL;
	for (size_t i = 0; is_whole && i < facts->n; i++)
		is_whole = record_open_parse_ticket(result, i, &row) == 0;
	if (is_whole) {
		facts->has_record = true;
		for (size_t i = 0; i < facts->n; i++) {
			record_open_parse_ticket(result, i, &row);
			take_record(facts, &facts->tickets[i], &row);
		}
		stores_note_epoch(facts->opts.push->stores, facts->tickets[0].epoch);
	} else {
		log_warn(NULL, "could not ask the record for tickets",
			 LOG_STR("reason", err_text(err)), LOG_INT("tickets", facts->n));
	}
	facts_look(facts);
}

static void ask_record(struct facts *facts)
{
	struct str *names = calloc(facts->n, sizeof(*names));
	const struct record_open_query query = {
		.tickets = names,
		.n = facts->n,
		.user = facts->opts.user,
		.is_staff = facts->opts.viewer == MESSAGE_FOR_STAFF,
		.init = facts->opts.init,
	};
	struct pg_stmt stmt;

	if (names == NULL)
		return;
	for (size_t i = 0; i < facts->n; i++)
		names[i] = facts->tickets[i].ticket;
	record_open_put(&stmt, &query);
	facts->record_call = stores_ask_record(facts->opts.push->stores, &stmt, on_record, facts);
	pg_stmt_deinit(&stmt);
	free(names);
}

/* ---- Redis ---- */

static char *typing_json(const struct people_typist *typists, int n)
{
	struct buf text = BUF_INIT;
	struct json_write json;

	json_write_init(&json, &text);
	json_write_open_array(&json);
	for (int i = 0; i < n; i++) {
		json_write_open_object(&json);
		json_write_member_str(&json, "user_id", typists[i].user);
		json_write_member_str(&json, "name", typists[i].name);
		json_write_member_int(&json, "expires_in_ms", typists[i].left_ms);
		json_write_close(&json);
	}
	return json_done(&json, &text);
}

static void take_lookers(struct facts_ticket *ticket, const redisReply *reply, int64_t now_ms)
{
	struct str users[PRESENCE_LOOKING_MAX];
	int n = presence_parse_looking(reply, now_ms, users);

	ticket->lookers = n >= 0 ? calloc((size_t)n + 1, sizeof(*ticket->lookers)) : NULL;
	for (int i = 0; ticket->lookers != NULL && i < n; i++) {
		if (ids_is_user(users[i]))
			snprintf(ticket->lookers[ticket->n_lookers++], sizeof(*ticket->lookers),
				 "%.*s", STR_ARG(users[i]));
	}
}

/* Copies, so that the hub can tell of their end. What cannot be kept is only told by its time-out. */
static void keep_typists(struct facts_ticket *ticket, const struct people_typist *typists, int n)
{
	ticket->typists = n > 0 ? calloc((size_t)n, sizeof(*ticket->typists)) : NULL;
	for (int i = 0; ticket->typists != NULL && i < n; i++) {
		struct facts_typist *kept = &ticket->typists[ticket->n_typists];

		if (!ids_is_user(typists[i].user) ||
		    (typists[i].name.n > 0 && !ids_is_name(typists[i].name)))
			continue;
		snprintf(kept->user, sizeof(kept->user), "%.*s", STR_ARG(typists[i].user));
		snprintf(kept->name, sizeof(kept->name), "%.*s", STR_ARG(typists[i].name));
		kept->left_ms = typists[i].left_ms;
		ticket->n_typists++;
	}
}

static void take_typists(struct facts_ticket *ticket, redisReply *const *replies)
{
	struct people_typist typists[TYPISTS_MAX];
	int n = people_parse_typists(replies, typists, TYPISTS_MAX);

	if (n < 0)
		return;
	ticket->typing = typing_json(typists, n);
	keep_typists(ticket, typists, n);
}

/* The marks that were told to Redis lately: not all of them, but none is wrong. */
static char *marks_json(const struct facts *facts, const redisReply *reply)
{
	int n = people_count_marks(reply);
	struct buf text = BUF_INIT;
	struct json_write json;
	struct people_mark mark;

	json_write_init(&json, &text);
	json_write_open_object(&json);
	for (int i = 0; i < n; i++) {
		int64_t seq;

		if (people_parse_mark(reply, (size_t)i, &mark) != 0 ||
		    mark.epoch != stores_epoch(facts->opts.push->stores))
			continue;
		seq = facts->opts.viewer == MESSAGE_FOR_STAFF ? mark.seq : mark.public_seq;
		if (seq == 0)
			continue;
		json_write_key_str(&json, people_mark_user(reply, (size_t)i));
		json_write_int(&json, seq);
	}
	return json_done(&json, &text);
}

static size_t put_ticket(struct facts *facts, const struct facts_ticket *ticket,
			 struct buf *commands)
{
	const struct redis_keys *keys = stores_keys(facts->opts.push->stores);

	return hot_put_open(commands, keys, ticket->ticket, facts->opts.user) +
	       people_put_typists(commands, keys, ticket->ticket) +
	       presence_put_looking(commands, keys, ticket->ticket) +
	       people_put_marks(commands, keys, ticket->ticket);
}

/* Where the record has not answered, or will not have, the window stands in for it. */
static void take_window(struct facts *facts, struct facts_ticket *ticket,
			redisReply *const *replies)
{
	const struct stores *stores = facts->opts.push->stores;
	struct hot_open window;

	if (hot_parse_open(replies, &window) != 0) {
		facts->has_redis = false;
		return;
	}
	ticket->is_swept = window.is_swept;
	ticket->redis_now_ms = window.now_ms;
	ticket->has_window = window.has_stream;
	take_typists(ticket, replies + AT_TYPISTS);
	take_lookers(ticket, replies[AT_LOOKING], window.now_ms);
	if (!window.has_stream || facts->has_record)
		return;
	ticket->membership = access_from_window(
		window.role, window.knows_people && stores_believe(stores, &window));
	ticket->epoch = stores_epoch(stores);
	ticket->last = window.last_seq;
	ticket->last_public = window.last_public;
	ticket->read = marks_json(facts, replies[AT_MARKS]);
	set_status(ticket, window.status);
}

static void on_windows(void *arg, enum err err, redisReply **replies, size_t n)
{
	struct facts *facts = arg;

	facts->redis_call = NULL;
	facts->has_redis = err == ERR_NONE && n == facts->n * TICKET_REPLIES;
	for (size_t i = 0; facts->has_redis && i < facts->n; i++)
		take_window(facts, &facts->tickets[i], replies + i * TICKET_REPLIES);
	facts_look(facts);
}

static void ask_redis(struct facts *facts)
{
	struct buf commands = BUF_INIT;
	size_t replies = 0;

	for (size_t i = 0; i < facts->n; i++)
		replies += put_ticket(facts, &facts->tickets[i], &commands);
	facts->redis_call =
		stores_ask_redis(facts->opts.push->stores, &commands, replies, on_windows, facts);
	buf_deinit(&commands);
}

int facts_ask(struct facts *facts)
{
	const struct stores *stores = facts->opts.push->stores;

	facts->has_redis = false;
	facts->has_record = false;
	for (size_t i = 0; i < facts->n; i++)
		ticket_forget(&facts->tickets[i]);
	if (stores_has_redis(stores))
		ask_redis(facts);
	if (!stores_is_record_away(stores))
		ask_record(facts);
	return facts->redis_call != NULL || facts->record_call != NULL ? 0 : -1;
}

/* ---- the newest messages, of the windows ---- */

static int ask_next_first(struct facts *facts);

static void on_first(void *arg, enum err err, redisReply **replies, size_t n_replies)
{
	struct facts *facts = arg;
	struct facts_ticket *ticket = &facts->tickets[facts->next];
	struct ticket_event *events = calloc(WINDOW_INIT_COUNT, sizeof(*events));
	int64_t found = 0;
	int n = -1;

	(void)n_replies;
	facts->redis_call = NULL;
	if (err == ERR_NONE && events != NULL)
		n = hot_parse_events(replies[0], ticket->ticket, ticket->epoch, events,
				     WINDOW_INIT_COUNT);
	for (int i = 0; i < n && found < facts->opts.init; i++) {
		if (events[i].kind != EVENT_MESSAGE ||
		    !message_is_visible(&events[i], facts->opts.viewer))
			continue;
		ticket->first.seq = events[i].seq;
		ticket->first.prev = message_prev(&events[i], facts->opts.viewer);
		found++;
	}
	free(events);
	ticket->has_window = n >= 0;
	facts->next++;
	if (ask_next_first(facts) == 0)
		return;
	while (facts->next < facts->n)
		facts->tickets[facts->next++].has_window = false;
	facts->opts.done(facts->opts.arg);
}

/* One after the other: all at once would be a lot of memory. */
static int ask_next_first(struct facts *facts)
{
	struct hot_range range = {
		.from = 1, .to = INT64_MAX, .count = WINDOW_INIT_COUNT, .newest_first = true};
	struct stores *stores = facts->opts.push->stores;
	struct buf commands = BUF_INIT;
	size_t replies;

	while (facts->next < facts->n && facts->tickets[facts->next].is_refused)
		facts->next++;
	if (facts->next == facts->n)
		return -1;
	range.ticket = facts->tickets[facts->next].ticket;
	replies = hot_put_range(&commands, stores_keys(stores), &range);
	facts->redis_call = stores_ask_redis(stores, &commands, replies, on_first, facts);
	buf_deinit(&commands);
	return facts->redis_call != NULL ? 0 : -1;
}

int facts_ask_first(struct facts *facts)
{
	facts->next = 0;
	return ask_next_first(facts);
}
