/* SPDX-License-Identifier: BSD-2-Clause */
/* Both stores under the shared mode. */
#include "config.h"

#include "api/stores.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/record.h"

/* How long it may take until a worker notices that another has found PostgreSQL away. */
enum { NOTICE_MS = 2000 };

struct stores {
	struct mode_board *board;
	struct pg_conn *pg;
	struct redis_conn *redis;
	char prefix[REDIS_KEYS_PREFIX_MAX + 1];
	struct redis_keys keys;
	bool has_keys;
	unsigned pg_generation; /* the connection whose deployment the keys know */
	int64_t pg_timeout_ms;
	int64_t redis_timeout_ms;
	int64_t pg_away_since_ms; /* clock_mono_ms, 0 while it is up */
};

struct stores *stores_new(const struct conf *conf, struct mode_board *board, struct buf *error)
{
	const struct pg_opts pg = pg_opts_of_conf(conf, "bellhop-api");
	struct redis_target target = {0};
	struct stores *s;

	if (redis_target_of_conf(conf, CONF_REDIS_URL, &target, error) != 0)
		return NULL;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		goto out;
	s->board = board;
	s->pg_timeout_ms = conf_int(conf, CONF_PG_TIMEOUT_MS);
	s->redis_timeout_ms = conf_int(conf, CONF_REDIS_TIMEOUT_MS);
	snprintf(s->prefix, sizeof(s->prefix), "%s", conf_str(conf, CONF_REDIS_PREFIX));
	s->pg = pg_conn_new(&pg);
	s->redis = redis_conn_new(&target, "bellhop-api",
				  conf_int(conf, CONF_REDIS_CONNECT_TIMEOUT) * 1000);
	if (s->pg == NULL || s->redis == NULL) {
		stores_free(s);
		s = NULL;
	}
out:
	if (s == NULL)
		buf_puts(error, "out of memory\n");
	redis_target_deinit(&target);
	return s;
}

void stores_free(struct stores *s)
{
	if (s == NULL)
		return;
	pg_conn_free(s->pg);
	redis_conn_free(s->redis);
	free(s);
}

enum mode stores_mode(const struct stores *s)
{
	return mode_now(s->board);
}

bool stores_has_redis(const struct stores *s)
{
	return mode_is_up(s->board, MODE_REDIS);
}

int64_t stores_pg_deadline(const struct stores *s)
{
	return clock_mono_ms() + s->pg_timeout_ms;
}

int64_t stores_redis_deadline(const struct stores *s)
{
	return clock_mono_ms() + s->redis_timeout_ms;
}

/* ---- the mode ---- */

static void note_postgres(struct stores *s)
{
	if (mode_is_up(s->board, MODE_POSTGRES))
		s->pg_away_since_ms = 0;
	else if (s->pg_away_since_ms == 0)
		s->pg_away_since_ms = clock_mono_ms();
}

static void report(struct stores *s, enum mode_store store, bool is_well, const char *reason)
{
	const char *name = store == MODE_REDIS ? "redis" : "postgres";

	if (is_well) {
		if (mode_succeeded(s->board, store))
			log_info(NULL, "store is back", LOG_STR("store", name));
	} else if (mode_failed(s->board, store)) {
		log_error(NULL, "store is away", LOG_STR("store", name), LOG_STR("reason", reason));
	}
	if (store == MODE_POSTGRES)
		note_postgres(s);
}

/*
 * Whether an error is the server's word about this one statement (a row that is locked too long, a
 * deadlock, data it refuses) and says nothing against the server.
 */
static bool is_statement_error(const struct pg_conn *pg, enum err err)
{
	const char *state = pg_conn_sqlstate(pg);

	if (err == ERR_INVALID)
		return true;
	return strncmp(state, "40", 2) == 0 || strcmp(state, "55P03") == 0 ||
	       strcmp(state, "57014") == 0;
}

static void set_keys(struct stores *s, int64_t epoch, int64_t partitions)
{
	struct redis_keys keys;

	/* An epoch never goes back: a smaller one is an old copy's. */
	if (s->has_keys && epoch <= s->keys.epoch)
		return;
	if (partitions < 1 || partitions > REDIS_KEYS_PARTITION_MAX ||
	    redis_keys_init(&keys, s->prefix, epoch, (unsigned int)partitions) != 0) {
		log_error(NULL, "could not use the deployment's numbers", LOG_INT("epoch", epoch),
			  LOG_INT("partitions", partitions));
		return;
	}
	s->keys = keys;
	s->has_keys = true;
}

void stores_learn_epoch(struct stores *s, int64_t epoch)
{
	if (s->has_keys)
		set_keys(s, epoch, s->keys.partitions);
}

static void learn_deployment(struct stores *s)
{
	const struct pg_deployment *deployment = pg_conn_deployment(s->pg);

	if (deployment == NULL || pg_conn_generation(s->pg) == s->pg_generation)
		return;
	s->pg_generation = pg_conn_generation(s->pg);
	set_keys(s, deployment->epoch, deployment->partitions);
}

enum err stores_pg_repeatable(struct stores *s, const struct pg_stmt *stmt, int64_t deadline_ms,
			      PGresult **result_r, bool *is_repeat_r)
{
	enum err err;

	*result_r = NULL;
	if (is_repeat_r != NULL)
		*is_repeat_r = false;
	if (!mode_ask(s->board, MODE_POSTGRES)) {
		note_postgres(s);
		return ERR_UNAVAILABLE;
	}
	err = pg_conn_exec(s->pg, stmt, deadline_ms, result_r);
	if (err == ERR_UNCERTAIN && clock_mono_ms() < deadline_ms) {
		if (is_repeat_r != NULL)
			*is_repeat_r = true;
		err = pg_conn_exec(s->pg, stmt, deadline_ms, result_r);
	}
	learn_deployment(s);
	if (err == ERR_NONE || is_statement_error(s->pg, err))
		report(s, MODE_POSTGRES, true, NULL);
	else if (err != ERR_MEMORY)
		report(s, MODE_POSTGRES, false, pg_conn_error(s->pg));
	return err;
}

enum err stores_pg(struct stores *s, const struct pg_stmt *stmt, int64_t deadline_ms,
		   PGresult **result_r)
{
	/* What only reads is never uncertain, and raising an epoch twice raises it once. */
	return stores_pg_repeatable(s, stmt, deadline_ms, result_r, NULL);
}

enum err stores_redis(struct stores *s, const struct buf *commands, size_t nreplies,
		      int64_t deadline_ms, redisReply **replies_r)
{
	enum err err;

	for (size_t i = 0; i < nreplies; i++)
		replies_r[i] = NULL;
	if (!mode_ask(s->board, MODE_REDIS))
		return ERR_UNAVAILABLE;
	err = redis_conn_exec(s->redis, commands, nreplies, deadline_ms, replies_r);
	if (err == ERR_NONE)
		report(s, MODE_REDIS, true, NULL);
	else if (err != ERR_MEMORY)
		report(s, MODE_REDIS, false, redis_conn_reason(s->redis));
	return err;
}

int stores_redis_ride(struct stores *s, const struct buf *command, redis_conn_rider_cb *done,
		      void *arg)
{
	return redis_conn_ride(s->redis, command, done, arg);
}

void stores_redis_settle(struct stores *s)
{
	const struct buf nothing = BUF_INIT;

	if (!redis_conn_has_rider(s->redis))
		return;
	/* Whoever probes a Redis that is away may wait for it in vain: not for this. */
	if (stores_has_redis(s))
		stores_redis(s, &nothing, 0, stores_redis_deadline(s), NULL);
	redis_conn_drop_rider(s->redis);
}

void stores_redis_trouble(struct stores *s, enum hot_trouble trouble)
{
	switch (trouble) {
	case HOT_TROUBLE_AWAY:
	case HOT_TROUBLE_FUNCTION:
	case HOT_TROUBLE_DENIED:
	case HOT_TROUBLE_MOVED:
		report(s, MODE_REDIS, false, hot_trouble_text(trouble));
		break;
	case HOT_TROUBLE_NONE:
	case HOT_TROUBLE_FULL:
	case HOT_TROUBLE_RETRY:
	case HOT_TROUBLE_DATA:
	case HOT_TROUBLE_OTHER:
		break;
	}
}

/* ---- windows ---- */

/* The archiver keeps a copy of epoch and partitions in Redis. */
static void read_deployment_copy(struct stores *s)
{
	struct buf commands = BUF_INIT;
	redisReply *reply = NULL;
	struct redis_keys keys;
	size_t n = hot_put_deployment_read(&commands, s->prefix);

	if (stores_redis(s, &commands, n, stores_redis_deadline(s), &reply) == ERR_NONE &&
	    hot_parse_deployment(reply, s->prefix, &keys) == 0)
		set_keys(s, keys.epoch, keys.partitions);
	redis_conn_release(&reply, 1);
	buf_deinit(&commands);
}

const char *stores_prefix(const struct stores *s)
{
	return s->prefix;
}

const struct redis_keys *stores_keys(struct stores *s)
{
	if (!s->has_keys)
		read_deployment_copy(s);
	if (!s->has_keys && mode_ask(s->board, MODE_POSTGRES)) {
		enum err err = pg_conn_open(s->pg, stores_pg_deadline(s));

		learn_deployment(s);
		report(s, MODE_POSTGRES, err == ERR_NONE, pg_conn_error(s->pg));
	}
	return s->has_keys ? &s->keys : NULL;
}

/*
 * Whether the sweep keeps windows up. While PostgreSQL is away nothing is committed and the sweep cannot
 * renew its mark: then windows are as good as they were when that began, if they were swept until then.
 */
static bool is_kept_up(const struct stores *s, const struct hot_open *open)
{
	int64_t unknown_ms = HOT_SWEPT_MAX_MS + s->pg_timeout_ms + NOTICE_MS;

	if (open->is_swept)
		return true;
	if (s->pg_away_since_ms == 0 || open->swept_at_ms == 0)
		return false;
	return open->now_ms - open->swept_at_ms <=
	       unknown_ms + clock_mono_ms() - s->pg_away_since_ms;
}

/*
 * Whether the window holds everything that was answered here before: the mark of a sweep may be older
 * than an event that could not be pushed, by us or by whoever served before us. Who starts while
 * PostgreSQL is away has to believe it. asked_ms: clock_mono_ms() before Redis was asked.
 */
static bool is_complete(const struct stores *s, const struct hot_open *open, unsigned int partition,
			int64_t asked_ms)
{
	int64_t swept_ms = asked_ms - (open->now_ms - open->swept_at_ms);

	if (mode_is_unpushed_since(s->board, partition, swept_ms))
		return false;
	return s->pg_away_since_ms != 0 || !mode_is_new_since(s->board, swept_ms);
}

/* One look. Returns whether Redis answered. */
static bool look(struct stores *s, struct str ticket, struct str user, struct stores_window *window)
{
	struct buf commands = BUF_INIT;
	bool has_answer = false;
	size_t n = hot_put_open(&commands, &s->keys, ticket, user);

	if (stores_redis(s, &commands, n, stores_redis_deadline(s), window->replies) == ERR_NONE) {
		if (hot_parse_open(window->replies, &window->open) == 0)
			has_answer = true;
		else
			stores_redis_trouble(s, hot_trouble_of(window->replies, n));
	}
	buf_deinit(&commands);
	window->epoch = s->keys.epoch;
	return has_answer;
}

void stores_window_load(struct stores *s, struct str ticket, struct str user,
			struct stores_window *window_r)
{
	int64_t asked_ms;
	bool is_kept;

	*window_r = (struct stores_window){0};
	note_postgres(s);
	if (stores_keys(s) == NULL)
		return;
	asked_ms = clock_mono_ms();
	if (!look(s, ticket, user, window_r))
		return;
	if (!window_r->open.is_swept) {
		/* Perhaps the epoch has changed, and this is the window of the old one. */
		read_deployment_copy(s);
		if (s->keys.epoch != window_r->epoch) {
			stores_window_deinit(window_r);
			asked_ms = clock_mono_ms();
			if (!look(s, ticket, user, window_r))
				return;
		}
	}
	is_kept = is_kept_up(s, &window_r->open);
	mode_set_swept(s->board, is_kept);
	window_r->is_usable =
		window_r->open.has_stream && is_kept &&
		is_complete(s, &window_r->open, redis_keys_partition(&s->keys, ticket), asked_ms);
}

void stores_window_deinit(struct stores_window *window)
{
	redis_conn_release(window->replies, HOT_OPEN_REPLIES);
	*window = (struct stores_window){0};
}

/* ---- pushing ---- */

/* Two stores tell different stories of one number: from now on all streams are new ones. */
static void raise_epoch(struct stores *s, const struct log_ctx *log)
{
	struct pg_deployment deployment;
	struct pg_stmt stmt;
	PGresult *result = NULL;

	log_error(log, "redis has other events than the record: raising the epoch",
		  LOG_INT("epoch", s->keys.epoch));
	record_put_epoch_bump(&stmt, s->keys.epoch);
	if (stores_pg(s, &stmt, stores_pg_deadline(s), &result) == ERR_NONE &&
	    pg_sql_parse_deployment(result, &deployment) == 0)
		set_keys(s, deployment.epoch, deployment.partitions);
	PQclear(result);
	pg_stmt_deinit(&stmt);
}

static struct feed feed_of(const struct stores *s)
{
	return (struct feed){
		.redis = s->redis,
		.pg = s->pg,
		.keys = &s->keys,
		.redis_timeout_ms = s->redis_timeout_ms,
		.pg_timeout_ms =
			s->redis_timeout_ms, /* the client waits: not long, then the sweep */
	};
}

static void report_feed(struct stores *s, struct feed_result result)
{
	if (result.outcome != FEED_REDIS)
		report(s, MODE_REDIS, true, NULL);
	else if (result.trouble == HOT_TROUBLE_NONE)
		report(s, MODE_REDIS, false, redis_conn_reason(s->redis));
	else
		stores_redis_trouble(s, result.trouble);
}

static struct feed_result push_once(struct stores *s, const struct ticket_event *event,
				    struct str join_role)
{
	const struct feed feed = feed_of(s);
	struct feed_result result = {.outcome = FEED_REDIS};

	if (!mode_ask(s->board, MODE_REDIS))
		return result;
	result = feed_push(&feed, event, join_role);
	report_feed(s, result);
	return result;
}

/* Redis answers, and does not take an event: others would believe the window until its mark has aged. */
static void unmark(struct stores *s, unsigned int partition)
{
	struct buf commands = BUF_INIT;
	redisReply *reply = NULL;
	size_t n = hot_put_unmark(&commands, &s->keys, partition);

	stores_redis(s, &commands, n, stores_redis_deadline(s), &reply);
	redis_conn_release(&reply, 1);
	buf_deinit(&commands);
}

void stores_push(struct stores *s, const struct ticket_event *event, struct str join_role,
		 const struct log_ctx *log)
{
	struct feed_result result;

	if (stores_keys(s) == NULL)
		return;
	result = push_once(s, event, join_role);
	if (result.outcome == FEED_CLASH) {
		raise_epoch(s, log);
		result = push_once(s, event, join_role);
	}
	if (result.outcome != FEED_DONE)
		mode_note_unpushed(s->board, redis_keys_partition(&s->keys, event->ticket));
	if (result.outcome == FEED_REDIS && result.trouble == HOT_TROUBLE_FULL)
		unmark(s, redis_keys_partition(&s->keys, event->ticket));
	/* That Redis is away was said once, by report(). */
	if (result.outcome == FEED_REDIS && result.trouble == HOT_TROUBLE_NONE)
		log_debug(log, "event not pushed: left to the sweep", LOG_INT("seq", event->seq));
	else if (result.outcome != FEED_DONE)
		log_warn(log, "event not pushed: left to the sweep", LOG_INT("seq", event->seq),
			 LOG_STR("trouble", hot_trouble_text(result.trouble)));
}

void stores_restore(struct stores *s, struct str ticket, const struct stores_window *window)
{
	const struct feed feed = feed_of(s);

	/* Of an epoch that has passed nothing is loaded. */
	if (window->open.has_stream || !window->open.is_swept || window->epoch != s->keys.epoch ||
	    !mode_ask(s->board, MODE_REDIS))
		return;
	report_feed(s, feed_fill(&feed, ticket, 0, window->open.now_ms, 0));
}

/* Brings the stream to last_seq if it is there. 0, or -1. */
static int catch_up(struct stores *s, struct str ticket, int64_t last_seq)
{
	const struct feed feed = feed_of(s);
	redisReply *replies[HOT_TAIL_REPLIES + 1];
	struct feed_result result = {.outcome = FEED_REDIS};
	struct buf commands = BUF_INIT;
	struct hot_tail tail;
	int64_t now_ms = 0;
	size_t n;

	/* The time is asked for first, as a load wants it. */
	n = hot_put_time(&commands);
	n += hot_put_tail(&commands, &s->keys, ticket);
	if (stores_redis(s, &commands, n, stores_redis_deadline(s), replies) == ERR_NONE &&
	    hot_parse_time(replies[0], &now_ms) == 0 && hot_parse_tail(&replies[1], &tail) == 0) {
		result = (struct feed_result){.outcome = FEED_DONE};
		if (tail.last_seq > 0 && tail.last_seq < last_seq)
			result = feed_fill(&feed, ticket, tail.last_seq, now_ms, tail.last_seq + 1);
		report_feed(s, result);
	}
	redis_conn_release(replies, HOT_TAIL_REPLIES + 1);
	buf_deinit(&commands);
	return result.outcome == FEED_DONE ? 0 : -1;
}

void stores_catch_up(struct stores *s, struct str ticket, int64_t last_seq)
{
	if (stores_keys(s) != NULL && catch_up(s, ticket, last_seq) != 0)
		mode_note_unpushed(s->board, redis_keys_partition(&s->keys, ticket));
}

/* ---- idle ---- */

static void ask_deployment(struct stores *s)
{
	struct pg_deployment deployment;
	struct pg_stmt stmt;
	PGresult *result = NULL;

	record_put_deployment(&stmt);
	if (stores_pg(s, &stmt, stores_pg_deadline(s), &result) == ERR_NONE &&
	    pg_sql_parse_deployment(result, &deployment) == 0)
		set_keys(s, deployment.epoch, deployment.partitions);
	PQclear(result);
	pg_stmt_deinit(&stmt);
}

void stores_warm(struct stores *s)
{
	/* No ticket has an empty id, and nobody may act on it: nothing is written. */
	const struct record_send nothing = {
		.ticket = STR(""),
		.sender_id = STR(""),
		.role = STR("requester"),
		.content = STR(""),
		.uid = STR(""),
		.digest = STR(""),
		.kind = MESSAGE_TEXT,
		.grant = RECORD_GRANT_NONE,
		.if_match = -1,
	};
	PGresult *result = NULL;
	struct pg_stmt stmt;

	record_put_send(&stmt, &nothing);
	stores_pg(s, &stmt, stores_pg_deadline(s), &result);
	PQclear(result);
	pg_stmt_deinit(&stmt);
}

void stores_tick(struct stores *s, bool asks_record)
{
	struct stores_window window;

	if (asks_record)
		ask_deployment(s);
	/* Any ticket's partition will do, and its mark tells the mode. */
	stores_window_load(s, STR("-"), STR("-"), &window);
	stores_window_deinit(&window);
}
