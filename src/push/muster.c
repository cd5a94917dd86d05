/* SPDX-License-Identifier: BSD-2-Clause */
/* Brings the people of a ticket from the stores. */
#include "config.h"

#include "push/muster.h"

#include <event2/event.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "push/crowds.h"
#include "push/stores.h"
#include "store/hot.h"
#include "store/record.h"
#include "store/upkeep.h"

enum { RETRY_MS = 1000 };

/* A hub, waiting or done. */
struct roll {
	TAILQ_ENTRY(roll) entry;
	struct hub *hub;
	bool is_waiting;
	bool is_done;
};

TAILQ_HEAD(roll_list, roll);

struct muster {
	struct stores *stores;
	struct crowds *crowds;
	struct roll_list waiting, done;
	struct roll *asked; /* whose answer is awaited; NULL: none, or its hub is gone */
	struct redis_async_call *redis_call;
	struct pg_call *record_call;
	struct event *retry;
};

enum { REPLY_TIME, REPLY_LOOKING, REPLY_PEOPLE, REPLIES };

static void muster_next(struct muster *muster);

static void move(struct muster *muster, struct roll *roll, bool is_waiting)
{
	TAILQ_REMOVE(roll->is_waiting ? &muster->waiting : &muster->done, roll, entry);
	roll->is_waiting = is_waiting;
	TAILQ_INSERT_TAIL(is_waiting ? &muster->waiting : &muster->done, roll, entry);
}

/* ---- answers ---- */

static void settle(struct muster *muster, bool is_done)
{
	const struct timeval wait = {RETRY_MS / 1000, RETRY_MS % 1000 * 1000};

	if (muster->asked != NULL && is_done) {
		move(muster, muster->asked, false);
		muster->asked->is_done = true;
	}
	muster->asked = NULL;
	if (is_done)
		muster_next(muster);
	else
		event_add(muster->retry, &wait);
}

static void on_record(void *arg, enum err err, const PGresult *result)
{
	struct muster *muster = arg;
	struct record_participant participant;

	muster->record_call = NULL;
	for (size_t i = 0;
	     err == ERR_NONE && muster->asked != NULL && i < record_count_participants(result);
	     i++) {
		if (record_parse_participant(result, i, &participant) != 0)
			break;
		if (!str_eq_c(participant.role, "removed"))
			crowds_add(muster->crowds, muster->asked->hub, participant.user,
				   participant.is_public ? CROWDS_PARTICIPANT : CROWDS_NOTED);
	}
	settle(muster, err == ERR_NONE);
}

static void ask_record(struct muster *muster)
{
	struct pg_stmt stmt;

	record_put_participants(&stmt, hub_ticket(muster->asked->hub));
	muster->record_call = stores_ask_record(muster->stores, &stmt, on_record, muster);
	pg_stmt_deinit(&stmt);
	if (muster->record_call == NULL)
		settle(muster, false);
}

static void take_lookers(struct muster *muster, redisReply *const *replies)
{
	struct str *users = calloc(PRESENCE_LOOKING_MAX, sizeof(*users));
	int64_t now_ms;
	int n = -1;

	if (users != NULL && hot_parse_time(replies[REPLY_TIME], &now_ms) == 0)
		n = presence_parse_looking(replies[REPLY_LOOKING], now_ms, users);
	if (n >= 0)
		crowds_set_lookers(muster->crowds, muster->asked->hub, users, (size_t)n);
	free(users);
}

/* Redis does not tell of whom the public has heard. */
static void take_people(struct muster *muster, const redisReply *reply, size_t n)
{
	struct hot_participant person;

	for (size_t i = 0; i <= n; i++) {
		if (upkeep_person(reply, i, &person) && !str_eq_c(person.role, "removed"))
			crowds_add(muster->crowds, muster->asked->hub, person.user_id,
				   CROWDS_NOTED);
	}
}

static void on_redis(void *arg, enum err err, redisReply **replies, size_t n)
{
	struct muster *muster = arg;
	int64_t people;

	(void)n;
	muster->redis_call = NULL;
	if (err != ERR_NONE || muster->asked == NULL) {
		settle(muster, err == ERR_NONE);
		return;
	}
	take_lookers(muster, replies);
	people = upkeep_count_people(replies[REPLY_PEOPLE]);
	if (people < 0 || stores_has_record(muster->stores)) {
		ask_record(muster);
		return;
	}
	take_people(muster, replies[REPLY_PEOPLE], (size_t)people);
	settle(muster, true);
}

/* ---- asking ---- */

static void muster_next(struct muster *muster)
{
	struct roll *roll = TAILQ_FIRST(&muster->waiting);
	struct buf commands = BUF_INIT;
	struct str ticket;
	size_t n;

	if (roll == NULL || muster->redis_call != NULL || muster->record_call != NULL ||
	    evtimer_pending(muster->retry, NULL))
		return;
	muster->asked = roll;
	ticket = hub_ticket(roll->hub);
	if (stores_has_redis(muster->stores) && stores_epoch(muster->stores) != 0) {
		const struct redis_keys *keys = stores_keys(muster->stores);

		n = hot_put_time(&commands);
		n += presence_put_looking(&commands, keys, ticket);
		n += upkeep_put_people(&commands, keys, ticket);
		crowds_ask_lookers(muster->crowds, roll->hub);
		muster->redis_call =
			stores_ask_redis(muster->stores, &commands, n, on_redis, muster);
		buf_deinit(&commands);
	}
	if (muster->redis_call == NULL)
		settle(muster, false);
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	muster_next(arg);
}

int muster_hub(struct muster *muster, struct hub *hub)
{
	struct roll *roll = calloc(1, sizeof(*roll));

	if (roll == NULL)
		return -1;
	roll->hub = hub;
	TAILQ_INSERT_TAIL(&muster->done, roll, entry);
	hub_keep(hub)->roll = roll;
	return 0;
}

void muster_forget(struct muster *muster, struct hub *hub)
{
	struct roll *roll = hub_keep(hub)->roll;

	if (roll == NULL)
		return;
	TAILQ_REMOVE(roll->is_waiting ? &muster->waiting : &muster->done, roll, entry);
	if (muster->asked == roll)
		muster->asked = NULL;
	hub_keep(hub)->roll = NULL;
	free(roll);
}

bool muster_is_done(const struct hub *hub)
{
	const struct roll *roll = hub_keep((struct hub *)hub)->roll;

	return roll != NULL && roll->is_done;
}

void muster_joined(struct muster *muster, struct hub *hub)
{
	struct roll *roll = hub_keep(hub)->roll;

	move(muster, roll, true);
	roll->is_done = false;
	muster_next(muster);
}

/* ---- the whole ---- */

struct muster *muster_new(struct event_base *base, struct stores *stores, struct crowds *crowds)
{
	struct muster *muster = calloc(1, sizeof(*muster));

	if (muster == NULL)
		return NULL;
	muster->stores = stores;
	muster->crowds = crowds;
	TAILQ_INIT(&muster->waiting);
	TAILQ_INIT(&muster->done);
	muster->retry = evtimer_new(base, on_retry, muster);
	if (muster->retry == NULL) {
		free(muster);
		return NULL;
	}
	return muster;
}

/* Hubs are gone by then. */
void muster_free(struct muster *muster)
{
	if (muster == NULL)
		return;
	if (muster->redis_call != NULL)
		redis_async_cancel(muster->redis_call);
	if (muster->record_call != NULL)
		pg_call_cancel(muster->record_call);
	event_free(muster->retry);
	free(muster);
}
