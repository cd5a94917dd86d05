/* SPDX-License-Identifier: BSD-2-Clause */
/* The shared connections to both stores, the epoch, and which partitions are swept. */
#include "config.h"

#include "push/stores.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/conf.h"
#include "base/log.h"
#include "push/texts.h"
#include "store/hot.h"

enum {
	/* With the time-out of a question, so long a silent Redis goes unnoticed, and with it a removal. */
	LOOK_EVERY_MS = 500,
	LOOK_HEAD = 2 /* replies of a look before the marks: the deployment, the time */
};

/* A partition as far as it is in use. */
struct partition {
	unsigned int users;
	bool is_swept;
};

struct stores {
	struct stores_ops ops;
	struct redis_target target;
	int64_t connect_timeout_ms, redis_timeout_ms, pg_timeout_ms;
	char prefix[REDIS_KEYS_PREFIX_MAX + 1];
	struct redis_keys keys; /* epoch 0 until known */
	struct partition *partitions;
	unsigned int *in_use; /* numbers of the partitions with users */
	size_t n_in_use;
	unsigned int *asked; /* the partitions that the look under way is about */
	size_t n_asked;
	struct redis_async *redis;
	struct pg_async *pg;
	bool was_record_up;
	int64_t record_away_ms; /* since when, while it is */
	struct event *look_timer;
	struct redis_async_call *look;
	struct texts *texts;
};

static void stores_distrust(struct stores *stores)
{
	for (size_t i = 0; i < stores->n_in_use; i++)
		stores->partitions[stores->in_use[i]].is_swept = false;
}

/* ---- the epoch ---- */

/* Adopts (epoch, partitions) if it is news; the number of partitions never changes afterwards. */
static void stores_adopt(struct stores *stores, int64_t epoch, unsigned int partitions)
{
	struct redis_keys keys;

	if (epoch <= stores->keys.epoch)
		return;
	if (stores->keys.epoch == 0) {
		if (redis_keys_init(&keys, stores->prefix, epoch, partitions) != 0) {
			log_error(NULL, "could not use the deployment's numbers",
				  LOG_INT("epoch", epoch), LOG_INT("partitions", partitions));
			return;
		}
		stores->partitions = calloc(partitions, sizeof(*stores->partitions));
		stores->in_use = calloc(partitions, sizeof(*stores->in_use));
		stores->asked = calloc(partitions, sizeof(*stores->asked));
		if (stores->partitions == NULL || stores->in_use == NULL || stores->asked == NULL) {
			free(stores->partitions);
			free(stores->in_use);
			free(stores->asked);
			stores->partitions = NULL;
			stores->in_use = stores->asked = NULL;
			log_error(NULL, "could not begin: out of memory");
			return;
		}
		stores->keys = keys;
	} else {
		log_warn(NULL, "a new epoch has begun", LOG_INT("epoch", epoch),
			 LOG_INT("was", stores->keys.epoch));
		stores->keys.epoch = epoch;
	}
	stores_distrust(stores);
	stores->ops.epoch(stores->ops.arg);
	stores->ops.changed(stores->ops.arg);
}

int64_t stores_epoch(const struct stores *stores)
{
	return stores->keys.epoch;
}

const struct redis_keys *stores_keys(const struct stores *stores)
{
	return &stores->keys;
}

unsigned int stores_partition(const struct stores *stores, struct str ticket)
{
	return redis_keys_partition(&stores->keys, ticket);
}

void stores_note_epoch(struct stores *stores, int64_t epoch)
{
	if (stores->keys.epoch != 0)
		stores_adopt(stores, epoch, stores->keys.partitions);
}

/* ---- the marks ---- */

/* What one look at a mark says; true if trust has changed. */
static bool partition_take(struct partition *p, const redisReply *reply, int64_t now_ms)
{
	struct hot_mark mark = {0};
	bool was = p->is_swept;

	p->is_swept = hot_parse_mark(reply, &mark) == 0 && mark.exists &&
		      mark.at_ms >= now_ms - HOT_SWEPT_MAX_MS;
	return p->is_swept != was;
}

static void on_look(void *arg, enum err err, redisReply **replies, size_t n)
{
	struct stores *stores = arg;
	struct redis_keys keys;
	bool is_changed = false;
	int64_t now_ms;

	stores->look = NULL;
	if (err != ERR_NONE) {
		/* The connection goes with it and comes back through on_redis(). */
		stores_distrust(stores);
		stores->ops.changed(stores->ops.arg);
		return;
	}
	if (hot_parse_time(replies[1], &now_ms) != 0)
		now_ms = INT64_MAX; /* no time, no trust */
	for (size_t i = 0; i < stores->n_asked && i + LOOK_HEAD < n; i++) {
		if (partition_take(&stores->partitions[stores->asked[i]], replies[i + LOOK_HEAD],
				   now_ms))
			is_changed = true;
	}
	if (hot_parse_deployment(replies[0], stores->prefix, &keys) == 0)
		stores_adopt(stores, keys.epoch, keys.partitions);
	if (is_changed)
		stores->ops.changed(stores->ops.arg);
}

/* Asks for the marks of the partitions in use, and for the epoch. */
static void stores_look(struct stores *stores)
{
	struct buf commands = BUF_INIT;
	size_t replies;

	if (stores->look != NULL || !redis_async_is_up(stores->redis))
		return;
	replies = hot_put_deployment_read(&commands, stores->prefix);
	replies += hot_put_time(&commands);
	stores->n_asked = stores->n_in_use;
	for (size_t i = 0; i < stores->n_asked; i++) {
		stores->asked[i] = stores->in_use[i];
		replies += hot_put_mark_read(&commands, &stores->keys, stores->asked[i]);
	}
	stores->look = stores_ask_redis(stores, &commands, replies, on_look, stores);
	buf_deinit(&commands);
}

static void on_look_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	stores_look(arg);
}

void stores_use(struct stores *stores, unsigned int partition)
{
	struct partition *p = &stores->partitions[partition];

	if (p->users++ > 0)
		return;
	p->is_swept = false; /* a look that was under way when the last user left may have set it */
	stores->in_use[stores->n_in_use++] = partition;
}

void stores_unuse(struct stores *stores, unsigned int partition)
{
	struct partition *p = &stores->partitions[partition];

	if (--p->users > 0)
		return;
	p->is_swept = false;
	for (size_t i = 0; i < stores->n_in_use; i++) {
		if (stores->in_use[i] == partition) {
			stores->in_use[i] = stores->in_use[--stores->n_in_use];
			return;
		}
	}
}

void stores_note_swept(struct stores *stores, unsigned int partition, bool is_swept)
{
	struct partition *p = &stores->partitions[partition];

	if (p->users == 0 || p->is_swept == is_swept)
		return;
	p->is_swept = is_swept;
	stores->ops.changed(stores->ops.arg);
}

/* ---- the connections ---- */

static void on_redis(void *arg, bool is_up, const char *reason)
{
	struct stores *stores = arg;

	if (is_up)
		log_info(NULL, "connected to redis");
	else
		log_warn(NULL, "redis is away", LOG_STR("reason", reason));
	stores_distrust(stores);
	stores_look(stores);
	stores->ops.changed(stores->ops.arg);
}

static void on_record(void *arg, bool is_up, const struct pg_deployment *deployment)
{
	struct stores *stores = arg;

	if (is_up && deployment != NULL && deployment->partitions > 0 &&
	    deployment->partitions <= REDIS_KEYS_PARTITION_MAX)
		stores_adopt(stores, deployment->epoch, (unsigned int)deployment->partitions);
	if (is_up && !stores->was_record_up)
		log_info(NULL, "connected to postgresql");
	if (!is_up && stores->was_record_up)
		stores->record_away_ms = clock_mono_ms();
	stores->was_record_up = is_up;
	if (!is_up)
		log_warn(NULL, "postgresql is away",
			 LOG_STR("reason", stores->pg == NULL ? NULL : pg_async_error(stores->pg)));
	stores->ops.changed(stores->ops.arg);
}

static int stores_read_conf(struct stores *stores, const struct conf *conf, struct buf *error)
{
	const char *prefix = conf_str(conf, CONF_REDIS_PREFIX);

	if (!redis_keys_prefix_is_valid(prefix)) {
		buf_puts(error,
			 "BELLHOP_REDIS_PREFIX has characters that a prefix must not have\n");
		return -1;
	}
	snprintf(stores->prefix, sizeof(stores->prefix), "%s", prefix);
	stores->connect_timeout_ms = conf_int(conf, CONF_REDIS_CONNECT_TIMEOUT) * 1000;
	stores->redis_timeout_ms = conf_int(conf, CONF_REDIS_TIMEOUT_MS);
	stores->pg_timeout_ms = conf_int(conf, CONF_PG_TIMEOUT_MS);
	return redis_target_of_conf(conf, CONF_REDIS_URL, &stores->target, error);
}

static int stores_connect(struct stores *stores, struct event_base *base, const struct conf *conf)
{
	const struct redis_async_opts redis = {
		.target = &stores->target,
		.name = "bellhop-push",
		.connect_timeout_ms = stores->connect_timeout_ms,
		.on_state = on_redis,
		.arg = stores,
	};
	const struct pg_async_opts pg = {
		.pg = pg_opts_of_conf(conf, "bellhop-push"),
		.on_state = on_record,
		.arg = stores,
	};
	const struct timeval every = {LOOK_EVERY_MS / 1000, LOOK_EVERY_MS % 1000 * 1000};

	stores->redis = redis_async_new(base, &redis);
	stores->pg = pg_async_new(base, &pg);
	stores->look_timer = event_new(base, -1, EV_PERSIST, on_look_timer, stores);
	if (stores->redis == NULL || stores->pg == NULL || stores->look_timer == NULL)
		return -1;
	return event_add(stores->look_timer, &every);
}

struct stores *stores_new(struct event_base *base, const struct conf *conf,
			  const struct stores_ops *ops, struct buf *error)
{
	struct stores *stores = calloc(1, sizeof(*stores));

	if (stores == NULL) {
		buf_puts(error, "out of memory\n");
		return NULL;
	}
	stores->ops = *ops;
	stores->record_away_ms = clock_mono_ms();
	if (stores_read_conf(stores, conf, error) != 0) {
		stores_free(stores);
		return NULL;
	}
	stores->texts = texts_new();
	if (stores->texts == NULL || stores_connect(stores, base, conf) != 0) {
		buf_puts(error, "out of memory\n");
		stores_free(stores);
		return NULL;
	}
	return stores;
}

void stores_free(struct stores *stores)
{
	if (stores == NULL)
		return;
	redis_async_close(stores->redis);
	if (stores->pg != NULL)
		pg_async_free(stores->pg);
	if (stores->look_timer != NULL)
		event_free(stores->look_timer);
	redis_target_deinit(&stores->target);
	texts_free(stores->texts);
	free(stores->partitions);
	free(stores->in_use);
	free(stores->asked);
	free(stores);
}

struct texts *stores_texts(const struct stores *stores)
{
	return stores->texts;
}

struct redis_async_call *stores_ask_redis(struct stores *stores, const struct buf *commands,
					  size_t nreplies, redis_async_cb *cb, void *arg)
{
	const struct redis_async_request request = {
		.commands = commands,
		.nreplies = nreplies,
		.timeout_ms = stores->redis_timeout_ms,
		.cb = cb,
		.arg = arg,
	};

	return redis_async_submit(stores->redis, &request);
}

struct pg_call *stores_ask_record(struct stores *stores, struct pg_stmt *stmt, pg_call_done *done,
				  void *arg)
{
	return pg_async_exec(stores->pg, stmt, (int)stores->pg_timeout_ms, done, arg);
}

const struct redis_target *stores_redis_target(const struct stores *stores)
{
	return &stores->target;
}

int64_t stores_connect_timeout_ms(const struct stores *stores)
{
	return stores->connect_timeout_ms;
}

int64_t stores_redis_timeout_ms(const struct stores *stores)
{
	return stores->redis_timeout_ms;
}

/* ---- what can be had ---- */

bool stores_has_redis(const struct stores *stores)
{
	return stores->redis != NULL && stores->keys.epoch != 0 && redis_async_is_up(stores->redis);
}

bool stores_has_record(const struct stores *stores)
{
	return stores->pg != NULL && stores->keys.epoch != 0 && pg_async_is_up(stores->pg);
}

bool stores_is_record_away(const struct stores *stores)
{
	return stores->pg == NULL || stores->keys.epoch == 0 || pg_async_is_away(stores->pg);
}

bool stores_is_swept(const struct stores *stores, unsigned int partition)
{
	return stores->partitions[partition].is_swept;
}

static enum mode mode_of(bool has_redis, bool has_record, bool is_swept)
{
	/* Nothing can be committed while PostgreSQL is away, so nothing can be missing unswept. */
	if (!has_record)
		return has_redis ? MODE_NO_POSTGRES : MODE_DOWN;
	return has_redis && is_swept ? MODE_FULL : MODE_NO_REDIS;
}

enum mode stores_mode(const struct stores *stores, unsigned int partition)
{
	return mode_of(stores_has_redis(stores), stores_has_record(stores),
		       stores_is_swept(stores, partition));
}

bool stores_believe(const struct stores *stores, const struct hot_open *window)
{
	/*
	 * How long it may have been away before it was noticed, where nobody asks it anything: the
	 * mark grows too old, a look finds that, a statement about it gets no answer; and some slack.
	 */
	int64_t unnoticed_ms = HOT_SWEPT_MAX_MS + stores->pg_timeout_ms + 4 * LOOK_EVERY_MS;

	if (!window->has_stream || window->is_swept)
		return window->has_stream;
	return !stores_has_record(stores) && window->swept_at_ms > 0 &&
	       window->now_ms - window->swept_at_ms <=
		       unnoticed_ms + clock_mono_ms() - stores->record_away_ms;
}

bool stores_may_read_window(const struct stores *stores, unsigned int partition)
{
	enum mode mode = stores_mode(stores, partition);

	return mode == MODE_FULL || mode == MODE_NO_POSTGRES;
}

enum mode stores_mode_now(const struct stores *stores)
{
	bool is_swept = true;

	for (size_t i = 0; i < stores->n_in_use; i++)
		is_swept = is_swept && stores_is_swept(stores, stores->in_use[i]);
	return mode_of(stores_has_redis(stores), stores_has_record(stores), is_swept);
}
