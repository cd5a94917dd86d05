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
#include "chat/renewal.h"
#include "push/answer.h"
#include "push/crowds.h"
#include "push/facts.h"
#include "push/hubs.h"
#include "push/limiter.h"
#include "push/live.h"
#include "push/muster.h"
#include "push/notices.h"
#include "push/out_poll.h"
#include "push/out_sse.h"
#include "push/push.h"
#include "push/restore.h"
#include "push/revoked.h"
#include "push/stores.h"
#include "push/subscriber.h"
#include "push/tail.h"
#include "push/typing.h"
#include "push/wish.h"
#include "web/route.h"

enum { ROUTE_STREAM, ROUTE_POLL, ROUTE_MANY_STREAM, ROUTE_MANY_POLL };

enum {
	ASK_MAX = 3,		 /* for facts that will do: see opening_ask_again() */
	POLL_PRESENT_MS = 15000, /* a poll's user counts as there for so long beyond its wait */
};

static const struct route routes[] = {
	{ROUTE_STREAM, REQUEST_GET, "/v1/tickets/{ticket}/stream"},
	{ROUTE_POLL, REQUEST_GET, "/v1/tickets/{ticket}/poll"},
	{ROUTE_MANY_STREAM, REQUEST_GET, "/v1/stream"},
	{ROUTE_MANY_POLL, REQUEST_GET, "/v1/poll"},
};

TAILQ_HEAD(opening_list, opening);

struct openings {
	struct openings_opts opts;
	char *base_path;
	struct opening_list list;
	size_t count;
	bool is_stopping;
};

struct opening {
	TAILQ_ENTRY(opening) entry;
	struct openings *all;
	struct fcgi_conn *conn;
	struct identity who;
	enum message_viewer viewer;
	struct identity fresh; /* of the token that has replaced its own meanwhile; empty: none */
	struct wish wish;
	const char *flaw; /* of the query; NULL: none */
	bool is_head_only;
	bool is_first_asked;	  /* for the newest messages, of windows */
	int asked;		  /* how often the facts were asked for */
	struct limiter_ask limit; /* of a poll */
	struct facts facts;
	char request_id[IDS_REQUEST_MAX + 1];
};

static const char not_a_participant[] = "you are not a participant of this ticket";

static void opening_ask_again(struct opening *opening);

/* ---- the end of an opening ---- */

static void opening_free(struct opening *opening)
{
	limiter_cancel(&opening->limit);
	facts_deinit(&opening->facts);
	ticket_list_deinit(&opening->wish.tickets);
	TAILQ_REMOVE(&opening->all->list, opening, entry);
	opening->all->count--;
	authn_identity_deinit(&opening->fresh);
	authn_identity_deinit(&opening->who);
	free(opening);
}

static enum mode opening_mode(const struct opening *opening)
{
	return stores_mode_now(opening->all->opts.push->stores);
}

static void opening_answer(struct opening *opening, const struct reply_problem *refusal)
{
	fcgi_conn_own(opening->conn, NULL, NULL);
	answer_problem(opening->conn, opening->request_id, mode_text(opening_mode(opening)),
		       opening->limit.verdict.lines, refusal, opening->is_head_only);
	opening_free(opening);
}

static void opening_refuse(struct opening *opening, enum problem problem, const char *detail)
{
	const struct reply_problem refusal = {.problem = problem, .detail = detail};

	opening_answer(opening, &refusal);
}

/* EventSource does not come back from a status, so a stream says it in a frame. */
static void opening_bye(struct opening *opening, const char *code)
{
	int64_t retry_ms = push_jitter_ms(opening->all->opts.push->limits.retry_ms);
	const struct log_ctx ctx = {
		.request_id = str_of(opening->request_id),
		.ticket = opening->wish.is_many ? (struct str){0}
						: str_of(opening->wish.tickets.items[0].id),
		.user = opening->who.user_id,
	};

	if (opening->wish.is_poll) {
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

/* ---- limits ---- */

/* Limits are for people. */
static bool is_service(const struct opening *opening)
{
	return opening->who.role == ROLE_SERVICE;
}

static bool opening_has_too_many(const struct opening *opening)
{
	const struct push *push = opening->all->opts.push;

	return !opening->wish.is_poll && !is_service(opening) && push->limits.streams > 0 &&
	       subscribers_streams_of(push->subscribers, opening->who.user_id) >=
		       push->limits.streams;
}

static size_t opening_max_tickets(const struct opening *opening)
{
	size_t max = opening->all->opts.push->limits.stream_tickets;

	return max == 0 || is_service(opening) ? CURSOR_PLACES_MAX : max;
}

/* ---- the subscriber ---- */

static struct out *opening_out(const struct opening *opening)
{
	struct push *push = opening->all->opts.push;
	const struct out_poll_opts poll = {
		.base = push->base,
		.turn = push->turn,
		.conn = opening->conn,
		.request_id = opening->request_id,
		.lines = opening->limit.verdict.lines,
		.wait_ms = opening->wish.begin.kind == BEGIN_NOW ? 0 : opening->wish.wait_ms,
		.is_ephemeral = opening->wish.is_ephemeral,
		.is_head_only = opening->is_head_only,
	};

	if (opening->wish.is_poll)
		return out_poll_new(&poll);
	return out_sse_new(push->base, &push->limits, opening->conn, opening->request_id);
}

/* Whoever types as hello tells it: if nothing more is heard of that, its end is told all the same. */
static void opening_learn(const struct opening *opening, const struct facts_ticket *ticket,
			  struct hub *hub)
{
	struct typing *typing = notices_typing(opening->all->opts.push->notices);

	for (size_t i = 0; i < ticket->n_typists; i++) {
		const struct facts_typist *typist = &ticket->typists[i];

		typing_learn(typing, hub, str_of(typist->user), str_of(typist->name),
			     typist->left_ms);
	}
}

/* The ticket's hub, started and followed, in the epoch of the facts. */
static struct hub *opening_hub(const struct opening *opening, const struct facts_ticket *ticket)
{
	struct push *push = opening->all->opts.push;
	struct hub *hub = hubs_open(push->hubs, ticket->ticket);

	if (hub == NULL)
		return NULL;
	if (!hub_is_started(hub))
		hub_start(hub, ticket->epoch, ticket->last, ticket->last_public);
	else if (hub_epoch(hub) < ticket->epoch)
		hub_restart(hub, ticket->epoch, ticket->last, ticket->last_public);
	if (hub_epoch(hub) != ticket->epoch || tail_watch(push->tail, hub) != 0)
		return NULL;
	if (opening->facts.has_redis)
		stores_note_swept(push->stores, hub_keep(hub)->partition, ticket->is_swept);
	opening_learn(opening, ticket, hub);
	hub_forget(hub, ticket->kept_from);
	if (ticket->is_swept && !ticket->has_window && ticket->kept_from > 0 &&
	    ticket->last >= ticket->kept_from)
		restore_ask(push->restore, ticket->ticket, ticket->redis_now_ms);
	return hub;
}

/*
 * The hub may be ahead of the facts, which were asked for before: whoever was removed in between would
 * miss the event that takes the ticket away, since for a new listener that is the past.
 */
static enum hub_member opening_look(const struct opening *opening, const struct hub *hub,
				    const struct facts_ticket *ticket)
{
	if (opening->who.role == ROLE_SERVICE || opening->who.role == ROLE_ADMIN)
		return HUB_MEMBER_SAME;
	return hub_look_for(hub, opening->who.user_id, ticket->last);
}

/*
 * Who looks at the ticket may have changed since the stores were asked, and that was told to those who
 * had joined by then. So whoever joins now is told what the hub knows. As long as the hub itself waits for
 * an answer it learns from this one, and the difference will be told to all. NULL: nobody knows.
 */
static char *opening_lookers(const struct opening *opening, const struct facts_ticket *ticket,
			     struct hub *hub)
{
	const struct push *push = opening->all->opts.push;
	struct crowds *crowds = notices_crowds(push->notices);
	enum mode mode = stores_mode(push->stores, hub_keep(hub)->partition);
	bool has_redis = mode == MODE_FULL || mode == MODE_NO_POSTGRES;

	/*
	 * A Redis that was only slow to answer is no reason not to tell. One that has been given up is, even
	 * while the connection that would tell of changes stays open.
	 */
	if (ticket->lookers == NULL &&
	    !(has_redis && live_is_up(push->live) && muster_is_done(hub)))
		return NULL;
	for (size_t i = 0; !muster_is_done(hub) && i < ticket->n_lookers; i++)
		crowds_learn_looker(crowds, hub, str_of(ticket->lookers[i]));
	return crowds_lookers_json(hub);
}

/* What a subscriber is made of, ticket by ticket. */
struct plan {
	struct seat_start starts[CURSOR_PLACES_MAX];
	struct out_ticket tickets[CURSOR_PLACES_MAX];
	struct cursor_place places[CURSOR_PLACES_MAX]; /* for the cursor of hello */
	struct str refused[CURSOR_PLACES_MAX];
	char *present[CURSOR_PLACES_MAX]; /* for hello */
	struct begin_place place;	  /* of the last ticket */
	size_t n, n_refused;
	int64_t epoch;
	enum mode mode;
	bool is_outdated; /* a hub does not remember enough to take the facts for true */
};

static void plan_ticket(struct plan *plan, const struct opening *opening,
			const struct facts_ticket *ticket, struct hub *hub)
{
	const struct push *push = opening->all->opts.push;
	const struct begin_ticket now = {
		.epoch = ticket->epoch,
		.last = ticket->last,
		.newest = opening->viewer == MESSAGE_FOR_STAFF ? ticket->last : ticket->last_public,
		.is_certain = opening->facts.has_record,
	};
	enum mode mode = stores_mode(push->stores, hub_keep(hub)->partition);
	struct begin_place *place = &plan->place;
	struct begin begin;

	plan->present[plan->n] = opening_lookers(opening, ticket, hub);
	begin_of(&opening->wish.begin, ticket->key, &begin);
	begin_place(&begin, &now, ticket->first.seq > 0 ? &ticket->first : NULL, place);
	plan->starts[plan->n] = (struct seat_start){
		.hub = hub,
		.pos = place->pos,
		.shown = place->shown,
		.is_void = place->is_void,
		.let_in_at = hub_last(hub) > ticket->last ? hub_last(hub) : ticket->last,
		.due = now.newest,
	};
	plan->tickets[plan->n] = (struct out_ticket){
		.ticket = ticket->ticket,
		.newest_seq = now.newest,
		.status = str_of(ticket->status),
		.unread = ticket->unread,
		.read = str_of(ticket->read),
		.typing = str_of(ticket->typing),
		.present = str_of(plan->present[plan->n]),
	};
	plan->places[plan->n] =
		(struct cursor_place){ticket->key, place->is_void ? CURSOR_VOID : place->hello.seq};
	if (plan->n == 0 || mode > plan->mode)
		plan->mode = mode;
	plan->epoch = ticket->epoch;
	plan->n++;
}

static void plan_free(struct plan *plan)
{
	for (size_t i = 0; plan != NULL && i < plan->n; i++)
		free(plan->present[i]);
	free(plan);
}

/* 0, or -1 where it cannot be served for now. */
static int plan_make(struct plan *plan, struct opening *opening)
{
	for (size_t i = 0; i < opening->facts.n; i++) {
		struct facts_ticket *ticket = &opening->facts.tickets[i];
		struct hub *hub = ticket->is_refused ? NULL : opening_hub(opening, ticket);

		if (hub == NULL && !ticket->is_refused)
			return -1;
		switch (hub == NULL ? HUB_MEMBER_REMOVED : opening_look(opening, hub, ticket)) {
		case HUB_MEMBER_SAME:
			plan_ticket(plan, opening, ticket, hub);
			break;
		case HUB_MEMBER_REMOVED:
			plan->refused[plan->n_refused++] = ticket->ticket;
			break;
		case HUB_MEMBER_UNKNOWN:
			plan->is_outdated = true;
			break;
		}
	}
	return 0;
}

/* Hands everything over to a subscriber. -1 when out of memory, with nothing handed over. */
static int opening_subscribe(struct opening *opening, const struct plan *plan)
{
	struct push *push = opening->all->opts.push;
	const struct cursor *one = &plan->place.hello;
	struct buf cursor = BUF_INIT;
	char text[CURSOR_TEXT_SIZE];
	struct out_hello hello = {
		.mode = plan->n > 0 ? plan->mode : stores_mode_now(push->stores),
		.tickets = plan->tickets,
		.n_tickets = plan->n,
	};
	const struct subscriber_opts opts = {
		.conn = opening->conn,
		.out = opening_out(opening),
		.who = &opening->who,
		.fresh = &opening->fresh,
		.hello = &hello,
		.starts = plan->starts,
		.n_starts = plan->n,
		.refused = plan->refused,
		.n_refused = plan->n_refused,
		.is_many = opening->wish.is_many,
		.has_inbox = opening->wish.has_inbox,
		.present_ms = opening->wish.wait_ms + POLL_PRESENT_MS,
	};
	int status = -1;

	if (opening->wish.is_many)
		cursor_put_places(&cursor, plan->n > 0 ? plan->epoch : stores_epoch(push->stores),
				  plan->places, plan->n);
	else
		buf_put_str(&cursor, cursor_format(one->epoch, one->seq, text));
	hello.cursor = buf_str(&cursor);
	if (buf_ok(&cursor) && opts.out != NULL)
		status = subscriber_begin(push, &opts);
	if (status != 0 && opts.out != NULL)
		opts.out->ops->free(opts.out);
	buf_deinit(&cursor);
	return status;
}

/* All is known: begins. */
static void opening_begin(struct opening *opening)
{
	struct plan *plan = calloc(1, sizeof(*plan));

	if (plan == NULL || plan_make(plan, opening) != 0)
		opening_bye(opening, "unavailable");
	else if (plan->is_outdated)
		opening_ask_again(opening);
	else if (plan->n == 0 && !opening->wish.has_inbox)
		opening_refuse(opening, PROBLEM_NOT_A_PARTICIPANT, not_a_participant);
	else if (opening_has_too_many(opening))
		opening_bye(opening, "too_many_streams");
	else if (opening_subscribe(opening, plan) == 0)
		opening_free(opening);
	else
		opening_bye(opening, "unavailable");
	plan_free(plan);
}

/* ---- the facts ---- */

/* Marks the tickets that are none of the user's. False where that cannot be said for now. */
static bool opening_sift(struct opening *opening, size_t *n_left_r)
{
	const struct facts *facts = &opening->facts;

	*n_left_r = 0;
	for (size_t i = 0; i < facts->n; i++) {
		struct facts_ticket *ticket = &facts->tickets[i];

		if (!facts->has_record && !ticket->has_window)
			return false;
		switch (access_decide(&opening->who, ticket->ticket, ticket->membership)) {
		case ACCESS_NO:
			ticket->is_refused = true;
			break;
		case ACCESS_ASK:
			return false;
		case ACCESS_YES:
			(*n_left_r)++;
			break;
		}
	}
	return true;
}

/* Once both stores have answered or failed. */
static void opening_decide(struct opening *opening)
{
	size_t n_left;

	if (!opening_sift(opening, &n_left)) {
		opening_bye(opening, "unavailable");
	} else if (n_left == 0 && !opening->wish.has_inbox) {
		opening_refuse(opening, PROBLEM_NOT_A_PARTICIPANT, not_a_participant);
	} else if (opening->is_head_only && !opening->wish.is_poll) {
		fcgi_conn_own(opening->conn, NULL, NULL);
		out_sse_head_only(opening->conn, opening->request_id, opening_mode(opening));
		opening_free(opening);
	} else if (opening->wish.begin.kind == BEGIN_INIT && !opening->facts.has_record &&
		   n_left > 0) {
		opening->is_first_asked = true;
		if (facts_ask_first(&opening->facts) != 0)
			opening_bye(opening, "unavailable");
	} else {
		opening_begin(opening);
	}
}

/*
 * Windows stand in for the record only while that is away, which the mode then says: they begin later, and
 * know less. A question that failed while it is there is asked again, and so is one that it is back for.
 */
static bool opening_can_have_record(const struct opening *opening)
{
	return !opening->facts.has_record &&
	       !stores_is_record_away(opening->all->opts.push->stores);
}

static void on_facts(void *arg)
{
	struct opening *opening = arg;
	size_t n_left;

	if (opening_can_have_record(opening))
		opening_ask_again(opening);
	else if (!opening->is_first_asked)
		opening_decide(opening);
	else if (opening_sift(opening, &n_left))
		opening_begin(opening);
	else
		opening_bye(opening, "unavailable");
}

static int opening_prepare(struct opening *opening)
{
	const struct facts_opts opts = {
		.push = opening->all->opts.push,
		.tickets = &opening->wish.tickets,
		.user = opening->who.user_id,
		.viewer = opening->viewer,
		.init = opening->wish.begin.kind == BEGIN_INIT ? opening->wish.begin.init : 0,
		.done = on_facts,
		.arg = opening,
	};

	return opening->wish.tickets.n == 0 ? 0 : facts_init(&opening->facts, &opts);
}

static void opening_ask(struct opening *opening)
{
	opening->asked++;
	opening->is_first_asked = false;
	if (opening->facts.n > 0 ? facts_ask(&opening->facts) != 0
				 : stores_epoch(opening->all->opts.push->stores) == 0)
		opening_bye(opening, "unavailable");
	else if (opening->facts.n == 0)
		opening_decide(opening);
}

/* The facts were older than what the hubs remember, or not of the record. */
static void opening_ask_again(struct opening *opening)
{
	if (opening->asked < ASK_MAX)
		opening_ask(opening);
	else
		opening_bye(opening, "unavailable");
}

static void opening_go_on(struct opening *opening)
{
	const struct limits_verdict *limit = &opening->limit.verdict;
	const struct reply_problem refusal = {
		.problem = PROBLEM_RATE_LIMITED,
		.detail = limit->detail,
		.retry_after_s = limit->retry_after_s,
	};

	if (limit->is_refused)
		opening_answer(opening, &refusal);
	else if (opening->flaw != NULL)
		opening_refuse(opening, PROBLEM_INVALID_FIELD, opening->flaw);
	else if (opening_prepare(opening) != 0)
		opening_bye(opening, "unavailable");
	else
		opening_ask(opening);
}

static void on_counted(void *arg)
{
	opening_go_on(arg);
}

/* False: it goes on later. */
static bool opening_is_counted(struct opening *opening)
{
	const struct log_ctx log = {
		.request_id = str_of(opening->request_id),
		.user = opening->who.user_id,
	};

	opening->limit.done = on_counted;
	opening->limit.arg = opening;
	return limiter_ask(opening->all->opts.push->limiter, &opening->limit, &opening->who, &log);
}

/* ---- the request ---- */

/* Identity and origin, 0, or -1 with the refusal; and the query. */
static int opening_read(struct opening *opening, const struct request *q,
			struct reply_problem *refusal_r)
{
	const struct authn *authn = opening->all->opts.authn;
	struct authn_refusal refusal = {0};

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
	opening->viewer = access_viewer(&opening->who);
	opening->flaw = wish_parse(&opening->wish, q, opening_max_tickets(opening));
	return 0;
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
	if (match->ticket[0] != '\0' &&
	    ticket_list_parse(str_of(match->ticket), 1, &opening->wish.tickets) != TICKET_LIST_OK) {
		free(opening);
		return NULL;
	}
	opening->all = openings;
	opening->conn = conn;
	opening->wish.is_poll = match->id == ROUTE_POLL || match->id == ROUTE_MANY_POLL;
	opening->wish.is_many = match->id == ROUTE_MANY_STREAM || match->id == ROUTE_MANY_POLL;
	opening->is_head_only = q->method == REQUEST_HEAD;
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

	if (answer_prepare(conn, openings->opts.cors, q->origin) != 0) {
		fcgi_conn_close(conn, FCGI_CONN_CLOSED);
		return;
	}
	if (refusal.problem == PROBLEM_METHOD_NOT_ALLOWED &&
	    cors_is_preflight(openings->opts.cors, q)) {
		answer_preflight(conn, q, mode, match.allowed);
		return;
	}
	if (refusal.problem != PROBLEM_NONE) {
		answer_problem(conn, q->request_id, mode, NULL, &refusal, head_only);
		return;
	}
	opening = opening_new(openings, conn, q, &match);
	if (opening == NULL) {
		fcgi_conn_close(conn, FCGI_CONN_CLOSED);
		return;
	}
	if (opening_read(opening, q, &refusal) != 0) {
		answer_problem(conn, q->request_id, mode, NULL, &refusal, head_only);
		opening_free(opening);
		return;
	}
	fcgi_conn_own(conn, &owner_ops, opening);
	if (opening->flaw != NULL && !opening->wish.is_poll)
		opening_refuse(opening, PROBLEM_INVALID_FIELD, opening->flaw);
	else if (openings->is_stopping)
		opening_bye(opening, "shutdown");
	else if (is_full(openings) || !revoked_is_known(push->revoked))
		opening_bye(opening, "unavailable");
	else if (opening_has_too_many(opening))
		opening_bye(opening, "too_many_streams");
	else if (!opening->wish.is_poll || opening_is_counted(opening))
		opening_go_on(opening);
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

void openings_renew(struct openings *openings, const struct renewal *renewal)
{
	struct opening *opening, *next;

	for (opening = TAILQ_FIRST(&openings->list); opening != NULL; opening = next) {
		const struct identity *now = opening->fresh.user_id.p != NULL ? &opening->fresh
									      : &opening->who;
		struct identity fresh;

		next = TAILQ_NEXT(opening, entry);
		if (!str_eq(now->user_id, renewal->claims.sub) ||
		    !str_eq(now->token_id, renewal->replaced))
			continue;
		if (authn_identity_of(&renewal->claims, now->via, &fresh) != 0) {
			opening_bye(opening, "unavailable");
			continue;
		}
		authn_identity_deinit(&opening->fresh);
		opening->fresh = fresh;
	}
}

void openings_shutdown(struct openings *openings)
{
	openings->is_stopping = true;
	while (!TAILQ_EMPTY(&openings->list))
		opening_bye(TAILQ_FIRST(&openings->list), "shutdown");
}
