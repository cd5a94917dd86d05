/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Leases wait on a wheel of seconds until they have to be prolonged or taken back; those that are due
 * go to the outbox, of which one batch at a time is under way. Users before tickets: who hears that
 * somebody is gone for all still knows that he was looking.
 */
#include "config.h"

#include "push/leases.h"

#include <event2/event.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "push/stores.h"
#include "push/turn.h"
#include "store/hot.h"
#include "store/presence.h"

enum {
	WHEEL_SECONDS = 128, /* more than anything waits */
	LINGER_MAX_MS = 75000,
	BATCH_MAX = 100, /* leases of one pipeline: it is shared with those who open streams */
};

TAILQ_HEAD(lease_list, lease);

struct lease {
	UT_hash_handle hh;
	TAILQ_ENTRY(lease) entry;
	struct lease_list *in; /* of the wheel, or the outbox */
	size_t count;	       /* listeners */
	int64_t gone_at_ms;    /* when it is taken back; without listeners */
	int64_t renew_at_ms;
	size_t ticket_len; /* 0: of the user at all */
	size_t key_len;
	char key[]; /* "<ticket> <user>" */
};

struct leases {
	struct stores *stores;
	struct turn *turn;
	struct turn_job flush;
	struct event *tick;
	struct lease *all; /* hash by key */
	struct lease_list wheel[WHEEL_SECONDS];
	struct lease_list of_users, of_tickets; /* the outbox */
	int64_t second;				/* up to which the wheel was looked at */
	struct redis_async_call *call;
	bool is_stale; /* what was said may not have been heard */
	char node[32];
};

/* ---- one lease ---- */

static struct str lease_ticket(const struct lease *lease)
{
	return (struct str){lease->key, lease->ticket_len};
}

static struct str lease_user(const struct lease *lease)
{
	size_t at = lease->ticket_len + 1;

	return (struct str){lease->key + at, lease->key_len - at};
}

static bool is_over(const struct lease *lease, int64_t now_ms)
{
	return lease->count == 0 && lease->gone_at_ms <= now_ms;
}

static void put_into(struct lease *lease, struct lease_list *list)
{
	if (lease->in != NULL)
		TAILQ_REMOVE(lease->in, lease, entry);
	lease->in = list;
	TAILQ_INSERT_TAIL(list, lease, entry);
}

static bool is_in_outbox(const struct leases *leases, const struct lease *lease)
{
	return lease->in == &leases->of_users || lease->in == &leases->of_tickets;
}

static void put_into_outbox(struct leases *leases, struct lease *lease)
{
	put_into(lease, lease->ticket_len == 0 ? &leases->of_users : &leases->of_tickets);
}

/* Where the wheel comes by when something is to be done. */
static void put_onto_wheel(struct leases *leases, struct lease *lease)
{
	int64_t due_ms = lease->renew_at_ms;
	int64_t second;

	if (lease->count == 0 && lease->gone_at_ms < due_ms)
		due_ms = lease->gone_at_ms;
	second = (due_ms + 999) / 1000;
	if (second <= leases->second)
		second = leases->second + 1;
	put_into(lease, &leases->wheel[second % WHEEL_SECONDS]);
}

static struct lease *lease_new(struct leases *leases, struct str ticket, struct str user)
{
	size_t n = ticket.n + 1 + user.n;
	struct lease *lease = calloc(1, sizeof(*lease) + n);

	if (lease == NULL)
		return NULL;
	if (ticket.n > 0)
		memcpy(lease->key, ticket.p, ticket.n);
	lease->key[ticket.n] = ' ';
	memcpy(lease->key + ticket.n + 1, user.p, user.n);
	lease->ticket_len = ticket.n;
	lease->key_len = n;
	HASH_ADD_KEYPTR(hh, leases->all, lease->key, lease->key_len, lease);
	if (!hash_has_added(lease)) {
		free(lease);
		return NULL;
	}
	return lease;
}

static void lease_free(struct leases *leases, struct lease *lease)
{
	HASH_DEL(leases->all, lease);
	TAILQ_REMOVE(lease->in, lease, entry);
	free(lease);
}

static struct lease *find_lease(const struct leases *leases, struct str ticket, struct str user)
{
	char key[2 * REDIS_KEYS_TICKET_MAX + 2];
	struct lease *lease;
	int n = snprintf(key, sizeof(key), "%.*s %.*s", STR_ARG(ticket), STR_ARG(user));

	HASH_FIND(hh, leases->all, key, (size_t)n, lease);
	return lease;
}

/* ---- saying ---- */

/* A ticket's part of a batch: all its leases in one call. */
static size_t say_here(struct leases *leases, struct buf *commands, struct lease *const *batch,
		       size_t n, int64_t now_ms)
{
	struct str users[BATCH_MAX];
	struct presence_here here = {
		.ticket = lease_ticket(batch[0]),
		.node = str_of(leases->node),
		.users = users,
		.ttl_ms = LEASES_TTL_MS,
	};

	for (size_t i = 0; i < n; i++) {
		if (is_over(batch[i], now_ms))
			users[n - ++here.n_left] = lease_user(batch[i]);
		else
			users[here.n_here++] = lease_user(batch[i]);
	}
	return presence_put_here(commands, stores_keys(leases->stores), &here);
}

static int by_ticket(const void *a, const void *b)
{
	const struct lease *x = *(struct lease *const *)a, *y = *(struct lease *const *)b;

	return str_cmp(lease_ticket(x), lease_ticket(y));
}

/* The commands of a batch, which is sorted: users come before tickets. */
static size_t say_batch(struct leases *leases, struct buf *commands, struct lease *const *batch,
			size_t n, int64_t now_ms)
{
	size_t calls = 0;

	for (size_t i = 0, end; i < n; i = end) {
		end = i + 1;
		if (batch[i]->ticket_len == 0) {
			calls += presence_put_lease(commands, stores_keys(leases->stores),
						    lease_user(batch[i]), str_of(leases->node),
						    is_over(batch[i], now_ms) ? 0 : LEASES_TTL_MS);
			continue;
		}
		while (end < n && str_eq(lease_ticket(batch[end]), lease_ticket(batch[i])))
			end++;
		calls += say_here(leases, commands, batch + i, end - i, now_ms);
	}
	return calls;
}

/* Takes the next ones out of the outbox; they are still in its lists. */
static size_t next_batch(const struct leases *leases, struct lease **batch)
{
	struct lease *lease;
	size_t n = 0, users;

	TAILQ_FOREACH(lease, &leases->of_users, entry) {
		if (n == BATCH_MAX)
			break;
		batch[n++] = lease;
	}
	users = n;
	TAILQ_FOREACH(lease, &leases->of_tickets, entry) {
		if (n == BATCH_MAX)
			break;
		batch[n++] = lease;
	}
	qsort(batch + users, n - users, sizeof(batch[0]), by_ticket);
	return n;
}

/* What was said of them stands: until they are to be prolonged, or for good. */
static void settle(struct leases *leases, struct lease *const *batch, size_t n, int64_t now_ms)
{
	for (size_t i = 0; i < n; i++) {
		if (is_over(batch[i], now_ms)) {
			lease_free(leases, batch[i]);
		} else {
			batch[i]->renew_at_ms = now_ms + LEASES_RENEW_MS;
			put_onto_wheel(leases, batch[i]);
		}
	}
}

static void on_said(void *arg, enum err err, redisReply **replies, size_t n)
{
	struct leases *leases = arg;

	leases->call = NULL;
	/* The functions may be missing, or memory: all is said again, a second later. */
	if (err != ERR_NONE || hot_trouble_of(replies, n) != HOT_TROUBLE_NONE)
		leases->is_stale = true;
	turn_ask(leases->turn, &leases->flush);
}

static void leases_flush(struct leases *leases)
{
	int64_t now_ms = clock_mono_ms();

	while (leases->call == NULL) {
		struct lease *batch[BATCH_MAX];
		struct buf commands = BUF_INIT;
		size_t n = next_batch(leases, batch), calls;

		if (n == 0)
			return;
		if (stores_has_redis(leases->stores) && stores_epoch(leases->stores) != 0) {
			calls = say_batch(leases, &commands, batch, n, now_ms);
			leases->call =
				stores_ask_redis(leases->stores, &commands, calls, on_said, leases);
			buf_deinit(&commands);
		}
		if (leases->call == NULL)
			leases->is_stale = true;
		settle(leases, batch, n, now_ms);
	}
}

static void flush(struct turn_job *job)
{
	leases_flush((struct leases *)((char *)job - offsetof(struct leases, flush)));
}

/* ---- time ---- */

static void say_all(struct leases *leases)
{
	struct lease *lease, *next;

	leases->is_stale = false;
	HASH_ITER(hh, leases->all, lease, next) {
		if (!is_in_outbox(leases, lease))
			put_into_outbox(leases, lease);
	}
}

static void turn_wheel(struct leases *leases, int64_t now_ms)
{
	int64_t second = now_ms / 1000;
	struct lease *lease;

	/* After a long sleep once around is enough. */
	if (second - leases->second > WHEEL_SECONDS)
		leases->second = second - WHEEL_SECONDS;
	while (leases->second < second) {
		struct lease_list *slot = &leases->wheel[++leases->second % WHEEL_SECONDS];

		while ((lease = TAILQ_FIRST(slot)) != NULL)
			put_into_outbox(leases, lease);
	}
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct leases *leases = arg;

	(void)fd;
	(void)what;
	turn_wheel(leases, clock_mono_ms());
	if (leases->is_stale && stores_has_redis(leases->stores))
		say_all(leases);
	leases_flush(leases);
}

/* ---- all of them ---- */

struct leases *leases_new(struct event_base *base, struct turn *turn, struct stores *stores)
{
	const struct timeval second = {1, 0};
	struct leases *leases = calloc(1, sizeof(*leases));

	if (leases == NULL)
		return NULL;
	leases->stores = stores;
	leases->turn = turn;
	leases->flush = (struct turn_job){.run = flush};
	leases->second = clock_mono_ms() / 1000;
	for (size_t i = 0; i < WHEEL_SECONDS; i++)
		TAILQ_INIT(&leases->wheel[i]);
	TAILQ_INIT(&leases->of_users);
	TAILQ_INIT(&leases->of_tickets);
	snprintf(leases->node, sizeof(leases->node), "%ld-%08x%08x", (long)getpid(),
		 randombytes_random(), randombytes_random());
	leases->tick = event_new(base, -1, EV_PERSIST, on_tick, leases);
	if (leases->tick == NULL || event_add(leases->tick, &second) != 0) {
		leases_free(leases);
		return NULL;
	}
	return leases;
}

void leases_free(struct leases *leases)
{
	struct lease *lease, *next;

	if (leases == NULL)
		return;
	if (leases->call != NULL)
		redis_async_cancel(leases->call);
	turn_cancel(leases->turn, &leases->flush);
	HASH_ITER(hh, leases->all, lease, next)
		lease_free(leases, lease);
	if (leases->tick != NULL)
		event_free(leases->tick);
	free(leases);
}

struct lease *leases_enter(struct leases *leases, struct str ticket, struct str user)
{
	struct lease *lease = find_lease(leases, ticket, user);

	if (lease == NULL) {
		lease = lease_new(leases, ticket, user);
		if (lease == NULL)
			return NULL;
		put_into_outbox(leases, lease);
		turn_ask(leases->turn, &leases->flush);
	}
	lease->count++;
	return lease;
}

void leases_leave(struct leases *leases, struct lease *lease, int64_t linger_ms)
{
	if (lease == NULL || --lease->count > 0)
		return;
	if (linger_ms > LINGER_MAX_MS)
		linger_ms = LINGER_MAX_MS;
	lease->gone_at_ms = clock_mono_ms() + linger_ms;
	if (!is_in_outbox(leases, lease))
		put_onto_wheel(leases, lease);
}

size_t leases_count(const struct leases *leases)
{
	return HASH_COUNT(leases->all);
}
