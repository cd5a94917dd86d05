/* SPDX-License-Identifier: BSD-2-Clause */
/* Asks PostgreSQL for what hubs miss: one statement under way, many tickets in it. */
#include "config.h"

#include "push/chase.h"

#include <event2/event.h>
#include <stdlib.h>

#include "base/log.h"
#include "push/hubs.h"
#include "push/stores.h"
#include "push/texts.h"
#include "store/record.h"

enum {
	BATCH_MAX = 256, /* tickets of one statement */
	EVENTS_MAX = 100 /* of one ticket */
};

struct chase {
	struct chase_opts opts;
	struct event *timer;
	struct pg_call *call;
	struct hub *hubs[BATCH_MAX]; /* that the call is about; NULL where it is gone */
	size_t taken[BATCH_MAX];     /* events that the answer had for it */
	size_t n;
	bool has_untrusted; /* some hub is_untrusted */
	bool is_taking;	    /* an answer: what is asked for meanwhile is asked afterwards */
};

static void chase_run(struct chase *chase);

/* ---- what came after ---- */

static bool hub_is_behind_epoch(const struct chase *chase, const struct hub *hub)
{
	return hub_epoch(hub) != stores_epoch(chase->opts.stores);
}

static void chase_feed(const struct chase *chase, struct hub *hub,
		       const struct ticket_event *stored)
{
	struct ticket_event event;
	enum hub_fed fed = HUB_FULL;

	if (texts_open(stores_texts(chase->opts.stores), stored, &event) == 0)
		fed = hub_feed(hub, &event);
	if (fed == HUB_HOLE) {
		log_error(NULL, "the record has a hole", LOG_S("ticket", event.ticket),
			  LOG_INT("after", hub_last(hub)), LOG_INT("next", event.seq));
		hub_skip(hub, event.seq);
		fed = hub_feed(hub, &event);
	}
	if (fed == HUB_FULL)
		log_error(NULL, "could not keep an event: out of memory",
			  LOG_S("ticket", event.ticket));
}

/* The hub of a ticket in the batch, which is in the order of the answer; n if it has gone. */
static size_t chase_find(const struct chase *chase, size_t from, struct str ticket)
{
	for (size_t i = from; i < chase->n; i++) {
		if (chase->hubs[i] != NULL && str_eq(hub_ticket(chase->hubs[i]), ticket))
			return i;
	}
	return chase->n;
}

static void chase_take(struct chase *chase, const struct record_watched *watched)
{
	size_t at = 0;

	for (size_t i = 0; i < watched->count; i++) {
		size_t found = chase_find(chase, at, watched->events[i].ticket);

		if (found == chase->n)
			continue;
		at = found;
		chase->taken[at]++;
		chase_feed(chase, chase->hubs[at], &watched->events[i]);
	}
}

/*
 * The batch is over: what got a full page, or failed, is asked again. Where the record has nothing before
 * a hole there is something in the stream that does not belong there, and to read that again would show
 * the same at once: the hub is looked after with each tick.
 */
static void chase_settle(struct chase *chase, bool is_answered)
{
	size_t n = chase->n;

	chase->n = 0;
	for (size_t i = 0; i < n; i++) {
		struct hub *hub = chase->hubs[i];
		struct hub_keep *keep;

		if (hub == NULL)
			continue;
		keep = hub_keep(hub);
		if (!is_answered || chase->taken[i] == EVENTS_MAX)
			keep->is_asked = true;
		if (keep->is_asked || !keep->has_hole)
			continue;
		if (hub_last(hub) == keep->hole_after) {
			keep->is_untrusted = chase->has_untrusted = true;
			continue;
		}
		keep->has_hole = false;
		chase->opts.filled(chase->opts.arg, hub);
	}
}

static void on_watch(void *arg, enum err err, const PGresult *result)
{
	struct chase *chase = arg;
	struct record_watched watched = {0};

	chase->call = NULL;
	chase->is_taking = true;
	if (err == ERR_NONE && record_parse_watch(result, &watched) != 0)
		err = ERR_PROTOCOL;
	if (err == ERR_NONE)
		chase_take(chase, &watched);
	else
		log_warn(NULL, "could not ask the record for new events",
			 LOG_STR("reason", err_text(err)));
	chase_settle(chase, err == ERR_NONE);
	chase->is_taking = false;
	if (err == ERR_NONE) {
		stores_note_epoch(chase->opts.stores, watched.epoch);
		chase_run(chase);
	}
	record_watched_deinit(&watched);
}

static void chase_watch(struct chase *chase)
{
	struct pg_stmt stmt;
	struct str tickets[BATCH_MAX];
	int64_t seqs[BATCH_MAX];

	chase->n = 0;
	for (struct hub *hub = hubs_next(chase->opts.hubs, NULL);
	     hub != NULL && chase->n < BATCH_MAX; hub = hubs_next(chase->opts.hubs, hub)) {
		if (!hub_keep(hub)->is_asked || !hub_is_started(hub))
			continue;
		hub_keep(hub)->is_asked = false;
		tickets[chase->n] = hub_ticket(hub);
		seqs[chase->n] = hub_last(hub);
		chase->taken[chase->n] = 0;
		chase->hubs[chase->n++] = hub;
	}
	if (chase->n == 0)
		return;
	record_put_watch(&stmt, tickets, seqs, chase->n, EVENTS_MAX);
	chase->call = stores_ask_record(chase->opts.stores, &stmt, on_watch, chase);
	pg_stmt_deinit(&stmt);
	if (chase->call == NULL)
		chase_settle(chase, false);
}

/* ---- another epoch ---- */

static void on_start(void *arg, enum err err, const PGresult *result)
{
	struct chase *chase = arg;
	struct hub *hub = chase->hubs[0];
	struct record_events events = {0};

	chase->call = NULL;
	chase->n = 0;
	if (hub == NULL || err != ERR_NONE ||
	    record_parse_events(result, hub_ticket(hub), &events) != 0)
		return;
	stores_note_epoch(chase->opts.stores, events.ticket.epoch);
	if (events.ticket.epoch == stores_epoch(chase->opts.stores)) {
		hub_restart(hub, events.ticket.epoch, events.ticket.last_seq,
			    events.ticket.last_public);
		hub_keep(hub)->has_hole = false;
		chase->opts.filled(chase->opts.arg, hub);
		chase_run(chase);
	}
	record_events_deinit(&events);
}

/* Finds where one hub starts in the epoch that holds; false if none has to. */
static bool chase_start(struct chase *chase)
{
	struct hub *hub = hubs_next(chase->opts.hubs, NULL);
	struct pg_stmt stmt;

	while (hub != NULL && (!hub_is_started(hub) || !hub_is_behind_epoch(chase, hub)))
		hub = hubs_next(chase->opts.hubs, hub);
	if (hub == NULL)
		return false;
	record_put_tail(&stmt, hub_ticket(hub), 1);
	chase->hubs[0] = hub;
	chase->n = 1;
	chase->call = stores_ask_record(chase->opts.stores, &stmt, on_start, chase);
	pg_stmt_deinit(&stmt);
	if (chase->call == NULL)
		chase->n = 0;
	return true;
}

/* ---- who may still listen ---- */

/* 0, or -1 when the answer makes no sense or memory ran out. */
static int check_people(struct hub *hub, const PGresult *result)
{
	size_t n = record_count_participants(result);
	struct hub_person *people = calloc(n + 1, sizeof(*people));
	struct record_participant person;
	size_t i;

	for (i = 0; people != NULL && i < n; i++) {
		if (record_parse_participant(result, i, &person) != 0)
			break;
		people[i] = (struct hub_person){
			.user = person.user,
			.is_removed = str_eq_c(person.role, "removed"),
		};
	}
	if (people != NULL && i == n)
		hub_check(hub, people, n);
	free(people);
	return people != NULL && i == n ? 0 : -1;
}

/* The record was asked who may still listen, and does not say. */
static void chase_expel(struct chase *chase, struct hub *hub)
{
	chase->is_taking = true;
	hub_expel(hub);
	chase->is_taking = false;
}

static void on_check(void *arg, enum err err, const PGresult *result)
{
	struct chase *chase = arg;
	struct hub *hub = chase->hubs[0];

	chase->call = NULL;
	chase->n = 0;
	chase->is_taking = true;
	if (hub != NULL && err == ERR_NONE && check_people(hub, result) != 0)
		err = ERR_PROTOCOL;
	chase->is_taking = false;
	if (err == ERR_NONE) {
		chase_run(chase);
		return;
	}
	log_warn(NULL, "could not ask the record for participants",
		 LOG_STR("reason", err_text(err)));
	if (hub == NULL)
		return;
	hub_keep(hub)->is_unchecked = true; /* with the next tick, for those who are left */
	chase_expel(chase, hub);
}

/* Asks for the people of one hub that may have missed a removal; false if there is none. */
static bool chase_check(struct chase *chase)
{
	struct hub *hub = hubs_next(chase->opts.hubs, NULL);
	struct pg_stmt stmt;

	while (hub != NULL && !hub_keep(hub)->is_unchecked)
		hub = hubs_next(chase->opts.hubs, hub);
	if (hub == NULL)
		return false;
	record_put_participants(&stmt, hub_ticket(hub));
	chase->hubs[0] = hub;
	chase->n = 1;
	chase->call = stores_ask_record(chase->opts.stores, &stmt, on_check, chase);
	pg_stmt_deinit(&stmt);
	hub_keep(hub)->is_unchecked = chase->call == NULL;
	if (chase->call == NULL)
		chase->n = 0;
	return true;
}

static void chase_run(struct chase *chase)
{
	if (chase->call != NULL || chase->is_taking || !stores_has_record(chase->opts.stores))
		return;
	if (!chase_start(chase) && !chase_check(chase))
		chase_watch(chase);
}

/* ---- outside ---- */

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	chase_look(arg);
}

/*
 * Asks while Redis cannot be believed, and once more when it can again: what was committed just
 * before may be in no stream, if its ticket had none.
 */
static void chase_judge(struct chase *chase, struct hub *hub)
{
	struct hub_keep *keep = hub_keep(hub);
	bool was_untrusted = keep->is_untrusted;

	keep->is_untrusted = stores_mode(chase->opts.stores, keep->partition) != MODE_FULL;
	if (keep->is_untrusted || was_untrusted)
		keep->is_asked = true;
	if (keep->is_untrusted)
		chase->has_untrusted = true;
}

static void chase_expel_all(struct chase *chase)
{
	struct hub *hub;

	for (hub = hubs_next(chase->opts.hubs, NULL); hub != NULL;
	     hub = hubs_next(chase->opts.hubs, hub)) {
		if (hub_keep(hub)->is_unchecked)
			chase_expel(chase, hub);
	}
}

void chase_look(struct chase *chase)
{
	struct stores *stores = chase->opts.stores;

	if (!stores_has_record(stores)) {
		chase_expel_all(chase);
		return;
	}
	if (chase->has_untrusted || stores_mode_now(stores) != MODE_FULL) {
		chase->has_untrusted = false;
		for (struct hub *hub = hubs_next(chase->opts.hubs, NULL); hub != NULL;
		     hub = hubs_next(chase->opts.hubs, hub)) {
			if (hub_is_started(hub))
				chase_judge(chase, hub);
		}
	}
	chase_run(chase);
}

void chase_ask(struct chase *chase, struct hub *hub)
{
	hub_keep(hub)->is_asked = true;
	chase_run(chase);
}

void chase_people(struct chase *chase, struct hub *hub)
{
	hub_keep(hub)->is_unchecked = true;
	chase_run(chase);
}

void chase_hole(struct chase *chase, struct hub *hub)
{
	hub_keep(hub)->has_hole = true;
	hub_keep(hub)->hole_after = hub_last(hub);
	chase_ask(chase, hub);
}

void chase_forget(struct chase *chase, struct hub *hub)
{
	for (size_t i = 0; i < chase->n; i++) {
		if (chase->hubs[i] == hub)
			chase->hubs[i] = NULL;
	}
}

struct chase *chase_new(const struct chase_opts *opts)
{
	struct chase *chase = calloc(1, sizeof(*chase));
	const struct timeval every = {CHASE_EVERY_MS / 1000, CHASE_EVERY_MS % 1000 * 1000};

	if (chase == NULL)
		return NULL;
	chase->opts = *opts;
	chase->timer = event_new(opts->base, -1, EV_PERSIST, on_tick, chase);
	if (chase->timer == NULL || event_add(chase->timer, &every) != 0) {
		chase_free(chase);
		return NULL;
	}
	return chase;
}

void chase_free(struct chase *chase)
{
	if (chase == NULL)
		return;
	if (chase->call != NULL)
		pg_call_cancel(chase->call);
	if (chase->timer != NULL)
		event_free(chase->timer);
	free(chase);
}
