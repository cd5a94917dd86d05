/* SPDX-License-Identifier: BSD-2-Clause */
/* Readers: a few tickets each, one XREAD at a time. */
#include "config.h"

#include "push/tail.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <sodium.h>

#include "base/clock.h"
#include "base/log.h"
#include "push/chase.h"
#include "push/stores.h"
#include "push/texts.h"
#include "store/hot.h"

enum {
	BLOCK_MARGIN_MS = 1000, /* an XREAD that is so late will not come */
	PAUSE_MS = 1000		/* after an error reply */
};

struct reader {
	TAILQ_ENTRY(reader) entry;
	struct tail *tail;
	int64_t id;
	struct redis_async *redis;
	struct redis_async_call *call; /* XREAD, or the comparison of tails */
	struct event *pause;
	struct hub *hubs[TAIL_READER_TICKETS];
	size_t n;
	bool is_blocking; /* the call is an XREAD, which a wake ends */
	bool is_woken;	  /* and has been sent one */
	bool is_pausing;
	bool has_compared; /* since the connection was made, or lately */
	int64_t compared_ms;
	char wake_after[HOT_STREAM_ID_SIZE];
};

TAILQ_HEAD(reader_list, reader);

struct tail {
	size_t max_readers;
	struct event_base *base;
	struct stores *stores;
	struct chase *chase;
	struct reader_list readers;
	int64_t next_id;
	char node[REDIS_KEYS_NODE_MAX];
};

static void reader_next(struct reader *reader);

/* ---- what an XREAD brings ---- */

static struct hub *reader_find(const struct reader *reader, struct str ticket)
{
	for (size_t i = 0; i < reader->n; i++) {
		if (str_eq(hub_ticket(reader->hubs[i]), ticket))
			return reader->hubs[i];
	}
	return NULL;
}

static void reader_feed(struct reader *reader, struct hub *hub, const redisReply *entries)
{
	struct ticket_event events[TAIL_COUNT];
	int n = hot_parse_events(entries, hub_ticket(hub), hub_epoch(hub), events, TAIL_COUNT);

	if (n < 0) {
		log_error(NULL, "could not read a stream: malformed entry",
			  LOG_S("ticket", hub_ticket(hub)));
		chase_hole(reader->tail->chase, hub);
		return;
	}
	hub_keep(hub)->is_absence_known = false;
	for (int i = 0; i < n; i++) {
		struct ticket_event event;
		enum hub_fed fed = HUB_FULL;

		if (texts_open(stores_texts(reader->tail->stores), &events[i], &event) == 0)
			fed = hub_feed(hub, &event);
		if (fed == HUB_FED || fed == HUB_OLD)
			continue;
		chase_hole(reader->tail->chase, hub);
		return;
	}
}

static void reader_take(struct reader *reader, const redisReply *reply)
{
	const struct redis_keys *keys = stores_keys(reader->tail->stores);
	int n = hot_count_streams(reply);

	for (int i = 0; i < n; i++) {
		struct hot_stream stream;
		struct hub *hub;

		if (hot_parse_stream(reply, (size_t)i, keys, &stream) != 0)
			continue;
		if (stream.ticket.p == NULL) {
			hot_parse_wake(stream.entries, reader->wake_after);
			continue;
		}
		hub = reader_find(reader, stream.ticket);
		if (hub != NULL && hub_epoch(hub) == keys->epoch)
			reader_feed(reader, hub, stream.entries);
	}
}

/* What one key is to blame for fails for all: until it is right again the record is asked. */
static void reader_pause(struct reader *reader, const char *reason)
{
	const struct timeval wait = {PAUSE_MS / 1000, PAUSE_MS % 1000 * 1000};

	for (size_t i = 0; i < reader->n; i++)
		chase_ask(reader->tail->chase, reader->hubs[i]);
	log_warn(NULL, "could not follow streams", LOG_STR("reason", reason));
	reader->is_pausing = event_add(reader->pause, &wait) == 0;
}

static void on_pause(evutil_socket_t fd, short what, void *arg)
{
	struct reader *reader = arg;

	(void)fd;
	(void)what;
	reader->is_pausing = false;
	reader_next(reader);
}

static void on_entries(void *arg, enum err err, redisReply **replies, size_t n)
{
	struct reader *reader = arg;
	enum hot_trouble trouble;

	(void)n;
	reader->call = NULL;
	reader->is_blocking = reader->is_woken = false;
	if (err != ERR_NONE)
		return; /* the connection is lost; on_state() goes on */
	trouble = hot_trouble(replies[0]);
	if (trouble != HOT_TROUBLE_NONE && trouble != HOT_TROUBLE_RETRY) {
		reader_pause(reader, hot_trouble_text(trouble));
		return;
	}
	if (hot_count_streams(replies[0]) > 0)
		reader_take(reader, replies[0]);
	/* At each time-out, and just as often where another ticket's events keep it from coming. */
	if (clock_mono_ms() - reader->compared_ms >= TAIL_BLOCK_MS)
		reader->has_compared = false;
	reader_next(reader);
}

/* ---- comparing ---- */

static void compare(struct reader *reader, struct hub *hub, redisReply *const *replies)
{
	struct hub_keep *keep = hub_keep(hub);
	struct hot_tail tail;

	if (hot_parse_tail(replies, &tail) != 0)
		return;
	/* What is above, the next XREAD brings, unless it has left the stream. */
	if (tail.last_seq > hub_last(hub) ||
	    (tail.last_seq < hub_last(hub) && !keep->is_absence_known))
		chase_ask(reader->tail->chase, hub);
	keep->is_absence_known = tail.last_seq < hub_last(hub);
}

static void on_tails(void *arg, enum err err, redisReply **replies, size_t n)
{
	struct reader *reader = arg;

	reader->call = NULL;
	if (err != ERR_NONE)
		return;
	reader->has_compared = true;
	reader->compared_ms = clock_mono_ms();
	/* Tickets may have joined meanwhile, behind those asked for; none has left (tail_unwatch). */
	for (size_t i = 0; i < n / HOT_TAIL_REPLIES && i < reader->n; i++)
		compare(reader, reader->hubs[i], &replies[i * HOT_TAIL_REPLIES]);
	reader_next(reader);
}

static struct redis_async_call *reader_submit(struct reader *reader, const struct buf *commands,
					      size_t nreplies, redis_async_cb *cb)
{
	const int64_t timeout_ms = cb == on_entries ? TAIL_BLOCK_MS + BLOCK_MARGIN_MS
						    : stores_redis_timeout_ms(reader->tail->stores);
	const struct redis_async_request request = {
		.commands = commands,
		.nreplies = nreplies,
		.timeout_ms = timeout_ms,
		.cb = cb,
		.arg = reader,
	};

	return redis_async_submit(reader->redis, &request);
}

static size_t reader_put_tails(const struct reader *reader, struct buf *commands)
{
	size_t replies = 0;

	for (size_t i = 0; i < reader->n; i++)
		replies += hot_put_tail(commands, stores_keys(reader->tail->stores),
					hub_ticket(reader->hubs[i]));
	return replies;
}

static size_t reader_put_wait(const struct reader *reader, struct buf *commands)
{
	struct hot_position positions[TAIL_READER_TICKETS];
	struct hot_wait wait = {
		.positions = positions,
		.node = str_of(reader->tail->node),
		.reader = reader->id,
		.wake_after = reader->wake_after,
		.count = TAIL_COUNT,
		.block_ms = TAIL_BLOCK_MS,
	};

	for (size_t i = 0; i < reader->n; i++) {
		const struct hub *hub = reader->hubs[i];

		if (hub_keep(reader->hubs[i])->has_hole ||
		    hub_epoch(hub) != stores_epoch(reader->tail->stores))
			continue;
		positions[wait.npositions++] =
			(struct hot_position){hub_ticket(hub), hub_last(hub)};
	}
	if (wait.npositions == 0)
		return 0;
	return hot_put_wait(commands, stores_keys(reader->tail->stores), &wait);
}

/* The next call of a reader that has none under way. */
static void reader_next(struct reader *reader)
{
	struct buf commands = BUF_INIT;
	size_t replies;

	if (reader->call != NULL || reader->is_pausing || reader->n == 0 ||
	    stores_epoch(reader->tail->stores) == 0 || !redis_async_is_up(reader->redis))
		return;
	if (!reader->has_compared) {
		replies = reader_put_tails(reader, &commands);
		reader->call = reader_submit(reader, &commands, replies, on_tails);
	} else {
		replies = reader_put_wait(reader, &commands);
		if (replies > 0) {
			reader->call = reader_submit(reader, &commands, replies, on_entries);
			reader->is_blocking = reader->call != NULL;
		}
	}
	if (reader->call == NULL && replies > 0)
		reader_pause(reader, "out of memory");
	buf_deinit(&commands);
}

static void on_state(void *arg, bool is_up, const char *reason)
{
	struct reader *reader = arg;

	(void)reason; /* the shared connection says it once for all */
	if (!is_up)
		return;
	reader->has_compared = false;
	for (size_t i = 0; i < reader->n; i++)
		hub_keep(reader->hubs[i])->is_absence_known = false;
	reader_next(reader);
}

/* ---- readers ---- */

static void on_woken(void *arg, enum err err, redisReply **replies, size_t n)
{
	(void)arg;
	/* At worst the reader joins the ticket at its next time-out. */
	if (err == ERR_NONE && n > 0 && hot_trouble(replies[0]) != HOT_TROUBLE_NONE)
		log_warn(NULL, "could not wake a reader",
			 LOG_STR("reason", hot_trouble_text(hot_trouble(replies[0]))));
}

/* Makes the reader look at its tickets again. */
static void reader_wake(struct reader *reader)
{
	struct tail *tail = reader->tail;
	struct buf command = BUF_INIT;
	size_t replies;

	if (!reader->is_blocking) {
		reader_next(reader);
		return;
	}
	if (reader->is_woken)
		return;
	replies = hot_put_wake(&command, stores_keys(tail->stores), str_of(tail->node), reader->id);
	if (stores_ask_redis(tail->stores, &command, replies, on_woken, NULL) != NULL)
		reader->is_woken = true;
	buf_deinit(&command);
}

static void reader_free(struct reader *reader)
{
	redis_async_close(reader->redis);
	if (reader->pause != NULL)
		event_free(reader->pause);
	free(reader);
}

static struct reader *reader_new(struct tail *tail)
{
	struct reader *reader = calloc(1, sizeof(*reader));
	struct redis_async_opts opts = {
		.target = stores_redis_target(tail->stores),
		.name = "bellhop-push-reader",
		.connect_timeout_ms = stores_connect_timeout_ms(tail->stores),
		.on_state = on_state,
		.arg = reader,
	};

	if (reader == NULL)
		return NULL;
	reader->tail = tail;
	reader->id = tail->next_id++;
	snprintf(reader->wake_after, sizeof(reader->wake_after), "0-0");
	reader->pause = evtimer_new(tail->base, on_pause, reader);
	reader->redis = redis_async_new(tail->base, &opts);
	if (reader->pause == NULL || reader->redis == NULL) {
		reader_free(reader);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&tail->readers, reader, entry);
	return reader;
}

static struct reader *tail_find_room(struct tail *tail)
{
	struct reader *reader;
	size_t n = 0;

	TAILQ_FOREACH(reader, &tail->readers, entry) {
		if (reader->n < TAIL_READER_TICKETS)
			return reader;
		n++;
	}
	if (n < tail->max_readers)
		return reader_new(tail);
	log_warn(NULL, "could not follow one more ticket: the descriptors are used up",
		 LOG_INT("connections", n));
	return NULL;
}

/* ---- outside ---- */

struct tail *tail_new(struct event_base *base, struct stores *stores, struct chase *chase,
		      size_t max_readers)
{
	struct tail *tail = calloc(1, sizeof(*tail));

	if (tail == NULL)
		return NULL;
	tail->base = base;
	tail->stores = stores;
	tail->chase = chase;
	tail->max_readers = max_readers;
	TAILQ_INIT(&tail->readers);
	snprintf(tail->node, sizeof(tail->node), "%ld-%08x", (long)getpid(), randombytes_random());
	return tail;
}

void tail_free(struct tail *tail)
{
	if (tail == NULL)
		return;
	while (!TAILQ_EMPTY(&tail->readers)) {
		struct reader *reader = TAILQ_FIRST(&tail->readers);

		TAILQ_REMOVE(&tail->readers, reader, entry);
		reader_free(reader);
	}
	free(tail);
}

int tail_watch(struct tail *tail, struct hub *hub)
{
	struct hub_keep *keep = hub_keep(hub);
	struct reader *reader;

	if (keep->reader != NULL)
		return 0;
	reader = tail_find_room(tail);
	if (reader == NULL)
		return -1;
	keep->reader = reader;
	keep->partition = stores_partition(tail->stores, hub_ticket(hub));
	stores_use(tail->stores, keep->partition);
	reader->hubs[reader->n++] = hub;
	reader_wake(reader);
	return 0;
}

void tail_unwatch(struct tail *tail, struct hub *hub)
{
	struct hub_keep *keep = hub_keep(hub);
	struct reader *reader = keep->reader;

	if (reader == NULL)
		return;
	for (size_t i = 0; i < reader->n; i++) {
		if (reader->hubs[i] == hub) {
			reader->hubs[i] = reader->hubs[--reader->n];
			break;
		}
	}
	keep->reader = NULL;
	stores_unuse(tail->stores, keep->partition);
	if (reader->n == 0) {
		TAILQ_REMOVE(&tail->readers, reader, entry);
		reader_free(reader);
	} else if (reader->call != NULL && !reader->is_blocking) {
		/* A comparison, whose answers are in the order of the hubs: ask again. */
		redis_async_cancel(reader->call);
		reader->call = NULL;
		reader_next(reader);
	}
}

void tail_resume(struct tail *tail, struct hub *hub)
{
	(void)tail;
	if (hub_keep(hub)->reader != NULL)
		reader_wake(hub_keep(hub)->reader);
}

void tail_restart(struct tail *tail)
{
	struct reader *reader;

	TAILQ_FOREACH(reader, &tail->readers, entry) {
		reader->has_compared = false;
		reader_wake(reader);
	}
}
