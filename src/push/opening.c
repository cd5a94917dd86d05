/* SPDX-License-Identifier: BSD-2-Clause */
/* Turns requests into subscribers, or refuses them. */
#include "config.h"

#include "push/opening.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "base/log.h"
#include "chat/access.h"
#include "push/answer.h"
#include "push/begin.h"
#include "push/hubs.h"
#include "push/out_poll.h"
#include "push/out_sse.h"
#include "push/push.h"
#include "push/restore.h"
#include "push/revoked.h"
#include "push/stores.h"
#include "push/subscriber.h"
#include "push/tail.h"
#include "store/hot.h"
#include "store/record.h"
#include "web/query.h"
#include "web/route.h"

enum { ROUTE_STREAM, ROUTE_POLL };

enum {
	WINDOW_INIT_COUNT = 1000, /* events looked through for the newest messages */
	ASK_MAX = 3,		  /* for facts that are not older than what the hub remembers */
	POLL_PRESENT_MS = 15000,  /* a poll's user counts as there for so long beyond its wait */
};

static const struct route routes[] = {
	{ROUTE_STREAM, REQUEST_GET, "/v1/tickets/{ticket}/stream"},
	{ROUTE_POLL, REQUEST_GET, "/v1/tickets/{ticket}/poll"},
};

TAILQ_HEAD(opening_list, opening);

struct openings {
	struct openings_opts opts;
	char *base_path;
	struct opening_list list;
	size_t count;
	bool is_stopping;
};

/* What the stores say about the ticket and the user. */
struct facts {
	bool has_redis, is_swept; /* Redis answered; the ticket's partition is swept */
	bool has_window;	  /* and there is a stream */
	bool has_record;
	enum access_membership membership;
	int64_t redis_now_ms; /* as of has_window; 0 without an answer */
	int64_t epoch, last, last_public;
	int64_t first;	/* the oldest event that is kept, 0: not known */
	int64_t unread; /* -1: not known */
	char status[16];
};

struct opening {
	TAILQ_ENTRY(opening) entry;
	struct openings *all;
	struct fcgi_conn *conn;
	struct identity who;
	enum message_viewer viewer;
	int route;
	bool is_head_only, is_ephemeral;
	int64_t wait_ms;
	int asked; /* how often the facts were asked for */
	struct begin begin;
	char ticket[IDS_TICKET_MAX + 1];
	char request_id[IDS_REQUEST_MAX + 1];
	struct facts facts;
	struct redis_async_call *redis_call;
	struct pg_call *record_call;
};

static void opening_ask(struct opening *opening);
static void opening_decide(struct opening *opening);

/* ---- the end of an opening ---- */

static void opening_free(struct opening *opening)
{
	if (opening->redis_call != NULL)
		redis_async_cancel(opening->redis_call);
	if (opening->record_call != NULL)
		pg_call_cancel(opening->record_call);
	TAILQ_REMOVE(&opening->all->list, opening, entry);
	opening->all->count--;
	authn_identity_deinit(&opening->who);
	free(opening);
}

static enum mode opening_mode(const struct opening *opening)
{
	return stores_mode_now(opening->all->opts.push->stores);
}

static void opening_refuse(struct opening *opening, enum problem problem, const char *detail)
{
	const struct reply_problem refusal = {.problem = problem, .detail = detail};

	fcgi_conn_own(opening->conn, NULL, NULL);
	answer_problem(opening->conn, opening->request_id, mode_text(opening_mode(opening)),
		       &refusal, opening->is_head_only);
	opening_free(opening);
}

/* EventSource does not come back from a status, so a stream says it in a frame. */
static void opening_bye(struct opening *opening, const char *code)
{
	int64_t retry_ms = push_jitter_ms(opening->all->opts.push->limits.retry_ms);
	const struct log_ctx ctx = {
		.request_id = str_of(opening->request_id),
		.ticket = str_of(opening->ticket),
		.user = opening->who.user_id,
	};

	if (opening->route == ROUTE_POLL) {
		opening_refuse(opening, PROBLEM_UNAVAILABLE, "cannot listen for now; ask again");
		return;
	}
	log_info(&ctx, "sent away", LOG_STR("reason", code));
	fcgi_conn_own(opening->conn, NULL, NULL);
	if (opening->is_head_only)
		out_sse_head_only(opening->conn, opening->request_id, opening_mode(opening));
	else
		out_sse_refuse(opening->conn, opening->request_id, opening_mode(opening), code,
			       retry_ms);
	opening_free(opening);
}

static void on_conn_drained(void *owner)
{
	(void)owner;
}

static void on_conn_closed(void *owner, enum fcgi_conn_end end)
{
	(void)end;
	opening_free(owner);
}

static const struct fcgi_owner_ops owner_ops = {
	.drained = on_conn_drained,
	.closed = on_conn_closed,
};

/* ---- the subscriber ---- */

static struct out *opening_out(const struct opening *opening, bool answers_now)
{
	struct push *push = opening->all->opts.push;
	const struct out_poll_opts poll = {
		.base = push->base,
		.turn = push->turn,
		.conn = opening->conn,
		.request_id = opening->request_id,
		.wait_ms = answers_now ? 0 : opening->wait_ms,
		.is_ephemeral = opening->is_ephemeral,
		.is_head_only = opening->is_head_only,
	};

	if (opening->route == ROUTE_POLL)
		return out_poll_new(&poll);
	return out_sse_new(push->base, &push->limits, opening->conn, opening->request_id);
}

/* The ticket's hub, started and followed, in the epoch of the facts. */
static struct hub *opening_hub(const struct opening *opening)
{
	struct push *push = opening->all->opts.push;
	const struct facts *facts = &opening->facts;
	struct hub *hub = hubs_open(push->hubs, str_of(opening->ticket));

	if (hub == NULL)
		return NULL;
	if (!hub_is_started(hub))
		hub_start(hub, facts->epoch, facts->last, facts->last_public);
	else if (hub_epoch(hub) < facts->epoch)
		hub_restart(hub, facts->epoch, facts->last, facts->last_public);
	if (hub_epoch(hub) != facts->epoch || tail_watch(push->tail, hub) != 0)
		return NULL;
	if (facts->has_redis)
		stores_note_swept(push->stores, hub_keep(hub)->partition, facts->is_swept);
	hub_forget(hub, facts->first);
	if (facts->is_swept && !facts->has_window && facts->first > 0 &&
	    facts->last >= facts->first)
		restore_ask(push->restore, hub_ticket(hub), facts->redis_now_ms);
	return hub;
}

/*
 * The hub may be ahead of the facts, which were asked for before: whoever was removed in between would
 * miss the event that takes the ticket away, since for a new listener that is the past.
 */
static enum hub_member opening_look(const struct opening *opening, const struct hub *hub)
{
	if (opening->who.role == ROLE_SERVICE || opening->who.role == ROLE_ADMIN)
		return HUB_MEMBER_SAME;
	return hub_look_for(hub, opening->who.user_id, opening->facts.last);
}

/* Hands everything over to a subscriber. -1 when out of memory, with nothing handed over. */
static int opening_subscribe(struct opening *opening, struct hub *hub,
			     const struct begin_place *place, const struct out_ticket *ticket)
{
	struct push *push = opening->all->opts.push;
	const struct seat_start start = {.hub = hub,
					 .pos = place->pos,
					 .shown = place->shown,
					 .is_void = place->is_void,
					 .let_in_at = hub_last(hub) > opening->facts.last
							      ? hub_last(hub)
							      : opening->facts.last,
					 .due = ticket->newest_seq};
	char cursor[CURSOR_TEXT_SIZE];
	const struct out_hello hello = {
		.cursor = cursor_format(place->hello.epoch, place->hello.seq, cursor),
		.mode = stores_mode(push->stores, hub_keep(hub)->partition),
		.tickets = ticket,
		.n_tickets = 1,
	};
	const struct subscriber_opts opts = {
		.conn = opening->conn,
		.out = opening_out(opening, opening->begin.kind == BEGIN_NOW),
		.who = &opening->who,
		.hello = &hello,
		.starts = &start,
		.n_starts = 1,
		.present_ms = opening->wait_ms + POLL_PRESENT_MS,
	};

	if (opts.out == NULL)
		return -1;
	if (subscriber_begin(push, &opts) != 0) {
		opts.out->ops->free(opts.out);
		return -1;
	}
	return 0;
}

/* `first` is the oldest of the messages that BEGIN_INIT wants, NULL if there are none. */
static void opening_begin(struct opening *opening, const struct ticket_event *first)
{
	const struct facts *facts = &opening->facts;
	const struct begin_ticket now = {
		.epoch = facts->epoch,
		.last = facts->last,
		.newest = opening->viewer == MESSAGE_FOR_STAFF ? facts->last : facts->last_public,
		.is_certain = facts->has_record,
	};
	const struct out_ticket ticket = {
		.ticket = str_of(opening->ticket),
		.newest_seq = now.newest,
		.status = str_of(facts->status),
		.unread = facts->unread,
	};
	struct begin_place place;
	struct hub *hub = opening_hub(opening);
	enum hub_member member = hub == NULL ? HUB_MEMBER_SAME : opening_look(opening, hub);

	if (member == HUB_MEMBER_REMOVED) {
		opening_refuse(opening, PROBLEM_NOT_A_PARTICIPANT,
			       "you are not a participant of this ticket");
		return;
	}
	if (member == HUB_MEMBER_UNKNOWN && opening->asked < ASK_MAX) {
		opening_ask(opening);
		return;
	}
	if (member == HUB_MEMBER_UNKNOWN) {
		opening_bye(opening, "unavailable");
		return;
	}
	begin_place(&opening->begin, &now, first, opening->viewer, &place);
	if (hub != NULL && opening_subscribe(opening, hub, &place, &ticket) == 0)
		opening_free(opening);
	else
		opening_bye(opening, "unavailable");
}

/* ---- the newest messages ---- */

static void on_init_record(void *arg, enum err err, const PGresult *result)
{
	struct opening *opening = arg;
	struct record_events page;

	opening->record_call = NULL;
	if (err != ERR_NONE || record_parse_events(result, str_of(opening->ticket), &page) != 0) {
		opening_bye(opening, "unavailable");
		return;
	}
	opening_begin(opening, page.count == 0 ? NULL : &page.events[page.count - 1]);
	record_events_deinit(&page);
}

/* With PostgreSQL away it is the newest messages that the window has. */
static void on_init_window(void *arg, enum err err, redisReply **replies, size_t n_replies)
{
	struct opening *opening = arg;
	const struct ticket_event *first = NULL;
	struct ticket_event *events = calloc(WINDOW_INIT_COUNT, sizeof(*events));
	int64_t found = 0;
	int n = -1;

	(void)n_replies;
	opening->redis_call = NULL;
	if (err == ERR_NONE && events != NULL)
		n = hot_parse_events(replies[0], str_of(opening->ticket), opening->facts.epoch,
				     events, WINDOW_INIT_COUNT);
	for (int i = 0; i < n && found < opening->begin.init; i++) {
		if (events[i].kind != EVENT_MESSAGE ||
		    !message_is_visible(&events[i], opening->viewer))
			continue;
		first = &events[i];
		found++;
	}
	if (n < 0)
		opening_bye(opening, "unavailable");
	else
		opening_begin(opening, first);
	free(events);
}

static void opening_ask_init(struct opening *opening)
{
	struct stores *stores = opening->all->opts.push->stores;
	const struct record_page_query page = {
		.ticket = str_of(opening->ticket),
		.after = -1,
		.limit = (int)opening->begin.init,
		.is_staff = opening->viewer == MESSAGE_FOR_STAFF,
	};
	const struct hot_range range = {
		.ticket = str_of(opening->ticket),
		.from = 1,
		.to = INT64_MAX,
		.count = WINDOW_INIT_COUNT,
		.newest_first = true,
	};
	struct buf commands = BUF_INIT;
	struct pg_stmt stmt;

	if (opening->facts.has_record) {
		record_put_page(&stmt, &page);
		opening->record_call = stores_ask_record(stores, &stmt, on_init_record, opening);
		pg_stmt_deinit(&stmt);
	} else {
		size_t replies = hot_put_range(&commands, stores_keys(stores), &range);

		opening->redis_call =
			stores_ask_redis(stores, &commands, replies, on_init_window, opening);
		buf_deinit(&commands);
	}
	if (opening->record_call == NULL && opening->redis_call == NULL)
		opening_bye(opening, "unavailable");
}

/* ---- the facts ---- */

static void facts_set_status(struct facts *facts, struct str status)
{
	snprintf(facts->status, sizeof(facts->status), "%.*s", STR_ARG(status));
}

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

static void on_open_record(void *arg, enum err err, const PGresult *result)
{
	struct opening *opening = arg;
	struct facts *facts = &opening->facts;
	struct record_opened opened;

	opening->record_call = NULL;
	if (err == ERR_NONE && record_parse_open(result, &opened) == 0) {
		facts->has_record = true;
		facts->membership = membership_of(&opened);
		facts->epoch = opened.ticket.epoch;
		facts->first = opened.ticket.first_seq;
		facts->last = opened.ticket.last_seq;
		facts->last_public = opened.ticket.last_public;
		facts->unread = opening->viewer == MESSAGE_FOR_STAFF ? opened.unread
								     : opened.unread_public;
		facts_set_status(facts, opened.ticket.status);
		stores_note_epoch(opening->all->opts.push->stores, opened.ticket.epoch);
	} else {
		log_warn(NULL, "could not ask the record for a ticket",
			 LOG_STR("reason", err_text(err)));
	}
	opening_decide(opening);
}

static void on_open_window(void *arg, enum err err, redisReply **replies, size_t n)
{
	struct opening *opening = arg;
	struct facts *facts = &opening->facts;
	struct stores *stores = opening->all->opts.push->stores;
	struct hot_open window;

	opening->redis_call = NULL;
	if (err == ERR_NONE && n == HOT_OPEN_REPLIES && hot_parse_open(replies, &window) == 0) {
		facts->has_redis = true;
		facts->is_swept = window.is_swept;
		facts->redis_now_ms = window.now_ms;
		facts->has_window = window.has_stream;
	}
	if (facts->has_window && !facts->has_record) {
		facts->membership = access_from_window(
			window.role, window.knows_people && stores_believe(stores, &window));
		facts->epoch = stores_epoch(stores);
		facts->last = window.last_seq;
		facts->last_public = window.last_public;
		facts_set_status(facts, window.status);
	}
	opening_decide(opening);
}

/* Once both stores have answered or failed. */
static void opening_decide(struct opening *opening)
{
	const struct facts *facts = &opening->facts;

	if (opening->redis_call != NULL || opening->record_call != NULL)
		return;
	if (!facts->has_record && !facts->has_window) {
		opening_bye(opening, "unavailable");
		return;
	}
	switch (access_decide(&opening->who, str_of(opening->ticket), facts->membership)) {
	case ACCESS_NO:
		opening_refuse(opening, PROBLEM_NOT_A_PARTICIPANT,
			       "you are not a participant of this ticket");
		return;
	case ACCESS_ASK:
		opening_bye(opening, "unavailable");
		return;
	case ACCESS_YES:
		break;
	}
	if (opening->is_head_only && opening->route == ROUTE_STREAM) {
		fcgi_conn_own(opening->conn, NULL, NULL);
		out_sse_head_only(opening->conn, opening->request_id, opening_mode(opening));
		opening_free(opening);
	} else if (opening->begin.kind == BEGIN_INIT) {
		opening_ask_init(opening);
	} else {
		opening_begin(opening, NULL);
	}
}

/* Both at once: the record knows, Redis tells whether to believe it, and stands in for it. */
static void opening_ask(struct opening *opening)
{
	struct stores *stores = opening->all->opts.push->stores;
	struct buf commands = BUF_INIT;
	struct pg_stmt stmt;
	size_t replies;

	opening->facts = (struct facts){.unread = -1};
	opening->asked++;
	if (stores_has_redis(stores)) {
		replies = hot_put_open(&commands, stores_keys(stores), str_of(opening->ticket),
				       opening->who.user_id);
		opening->redis_call =
			stores_ask_redis(stores, &commands, replies, on_open_window, opening);
		buf_deinit(&commands);
	}
	if (stores_has_record(stores)) {
		record_put_open(&stmt, str_of(opening->ticket), opening->who.user_id);
		opening->record_call = stores_ask_record(stores, &stmt, on_open_record, opening);
		pg_stmt_deinit(&stmt);
	}
	if (opening->redis_call == NULL && opening->record_call == NULL)
		opening_bye(opening, "unavailable");
}

/* ---- the request ---- */

/* What is wrong with the query, or NULL. */
static const char *opening_parse_query(struct opening *opening, const struct request *q,
				       const struct query *query)
{
	bool is_poll = opening->route == ROUTE_POLL;
	struct str cursor = is_poll ? query_find(query, "cursor") : q->last_event_id;
	int64_t wait_s = OUT_POLL_WAIT_DEFAULT_S, ephemeral = 0;

	if (!is_poll && cursor.n == 0)
		cursor = query_find(query, "last_event_id");
	if (!is_poll && cursor.n == 0)
		cursor = query_find(query, "lastEventId");
	if (is_poll && query_int(query, "wait", 0, OUT_POLL_WAIT_MAX_S, &wait_s) == QUERY_INT_BAD)
		return "wait must be a number from 0 to 55";
	if (is_poll && query_int(query, "ephemeral", 0, 1, &ephemeral) == QUERY_INT_BAD)
		return "ephemeral must be 0 or 1";
	opening->wait_ms = wait_s * 1000;
	opening->is_ephemeral = ephemeral == 1;
	return begin_parse(cursor, query, &opening->begin);
}

/* Identity, origin and query. 0, or -1 with the refusal. */
static int opening_read(struct opening *opening, const struct request *q,
			struct reply_problem *refusal_r)
{
	const struct authn *authn = opening->all->opts.authn;
	struct authn_refusal refusal = {0};
	struct query query;
	const char *detail = NULL;

	if (authn_identify(authn, q, clock_real_ms(), &opening->who, &refusal) != 0 ||
	    authn_check_listen(authn, q, &opening->who, &refusal) != 0) {
		*refusal_r = (struct reply_problem){
			.problem = refusal.problem,
			.detail = refusal.detail,
			.bad_credentials = refusal.bad_credentials,
		};
		return -1;
	}
	if (revoked_cover(opening->all->opts.push->revoked, &opening->who, clock_real_us())) {
		*refusal_r = (struct reply_problem){
			.problem = PROBLEM_TOKEN_REVOKED,
			.detail = "the token was revoked",
			.bad_credentials = true,
		};
		return -1;
	}
	opening->viewer = authn_identity_is_staff(&opening->who) ? MESSAGE_FOR_STAFF
								 : MESSAGE_FOR_PUBLIC;
	switch (query_parse(&query, q->query, &detail)) {
	case QUERY_MEMORY:
		*refusal_r = (struct reply_problem){.problem = PROBLEM_INTERNAL};
		return -1;
	case QUERY_OK:
		detail = opening_parse_query(opening, q, &query);
		query_deinit(&query);
		break;
	case QUERY_BAD:
		break;
	}
	if (detail == NULL)
		return 0;
	*refusal_r = (struct reply_problem){.problem = PROBLEM_INVALID_FIELD, .detail = detail};
	return -1;
}

/* What was wrong with the request before it was anybody's; PROBLEM_NONE if nothing. */
static struct reply_problem find_route(const struct openings *openings,
				       const struct fcgi_conn_request *request,
				       struct route_match *match_r)
{
	if (request->problem != PROBLEM_NONE)
		return (struct reply_problem){.problem = request->problem,
					      .detail = request->detail};
	switch (route_find(routes, sizeof(routes) / sizeof(routes[0]), str_of(openings->base_path),
			   request->q->method, request->q->path, match_r)) {
	case ROUTE_NOT_FOUND:
		return (struct reply_problem){.problem = PROBLEM_NOT_FOUND};
	case ROUTE_BAD_METHOD:
		return (struct reply_problem){.problem = PROBLEM_METHOD_NOT_ALLOWED,
					      .allowed = match_r->allowed};
	case ROUTE_FOUND:
		break;
	}
	return (struct reply_problem){.problem = PROBLEM_NONE};
}

static struct opening *opening_new(struct openings *openings, struct fcgi_conn *conn,
				   const struct request *q, const struct route_match *match)
{
	struct opening *opening = calloc(1, sizeof(*opening));

	if (opening == NULL)
		return NULL;
	opening->all = openings;
	opening->conn = conn;
	opening->route = match->id;
	opening->is_head_only = q->method == REQUEST_HEAD;
	snprintf(opening->ticket, sizeof(opening->ticket), "%s", match->ticket);
	snprintf(opening->request_id, sizeof(opening->request_id), "%s", q->request_id);
	TAILQ_INSERT_TAIL(&openings->list, opening, entry);
	openings->count++;
	return opening;
}

/* Those who are served or about to be; connections that were just accepted do not count yet. */
static bool is_full(const struct openings *openings)
{
	const struct push *push = openings->opts.push;

	return subscribers_count(push->subscribers) + openings->count > push->limits.connections;
}

void openings_request(struct openings *openings, struct fcgi_conn *conn,
		      const struct fcgi_conn_request *request)
{
	const struct push *push = openings->opts.push;
	const char *mode = mode_text(stores_mode_now(push->stores));
	const struct request *q = request->q;
	bool head_only = q->method == REQUEST_HEAD;
	struct route_match match;
	struct reply_problem refusal = find_route(openings, request, &match);
	struct opening *opening;

	if (refusal.problem != PROBLEM_NONE) {
		answer_problem(conn, q->request_id, mode, &refusal, head_only);
		return;
	}
	opening = opening_new(openings, conn, q, &match);
	if (opening == NULL) {
		fcgi_conn_close(conn, FCGI_CONN_CLOSED);
		return;
	}
	if (opening_read(opening, q, &refusal) != 0) {
		answer_problem(conn, q->request_id, mode, &refusal, head_only);
		opening_free(opening);
		return;
	}
	fcgi_conn_own(conn, &owner_ops, opening);
	if (openings->is_stopping)
		opening_bye(opening, "shutdown");
	else if (is_full(openings) || !revoked_is_known(push->revoked))
		opening_bye(opening, "unavailable");
	else
		opening_ask(opening);
}

/* ---- all of them ---- */

struct openings *openings_new(const struct openings_opts *opts)
{
	struct openings *openings = calloc(1, sizeof(*openings));

	if (openings == NULL)
		return NULL;
	openings->opts = *opts;
	openings->base_path = str_dup(str_of(opts->base_path));
	TAILQ_INIT(&openings->list);
	if (openings->base_path == NULL) {
		openings_free(openings);
		return NULL;
	}
	return openings;
}

void openings_free(struct openings *openings)
{
	if (openings == NULL)
		return;
	free(openings->base_path);
	free(openings);
}

void openings_shutdown(struct openings *openings)
{
	openings->is_stopping = true;
	while (!TAILQ_EMPTY(&openings->list))
		opening_bye(TAILQ_FIRST(&openings->list), "shutdown");
}
