/* SPDX-License-Identifier: BSD-2-Clause */
/* The archiver's servers: exchanges with them, the function library, the deployment, one tick. */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/archive.h"
#include "base/clock.h"
#include "base/daemon.h"
#include "base/log.h"

/* Pipelines of hundreds of commands take longer than one call of the api's. */
#define REDIS_TIMEOUT_MIN_MS 2000
#define LIBRARY_MAX	     (1024 * 1024)
#define BUMPS_MAX	     1000

/* ---- beginning and end ---- */

static int read_library(const char *dir, const char *name, struct buf *code, struct buf *error)
{
	struct buf path = BUF_INIT;
	FILE *file = NULL;
	char chunk[8192];
	size_t n;
	int status = -1;

	buf_printf(&path, "%s/redis/%s", dir, name);
	if (buf_cstr(&path) == NULL) {
		buf_puts(error, "out of memory\n");
		goto out;
	}
	file = fopen(buf_cstr(&path), "re");
	if (file == NULL) {
		buf_printf(error, "could not open %s: %s (BELLHOP_SQL_DIR)\n", buf_cstr(&path),
			   strerror(errno));
		goto out;
	}
	code->limit = LIBRARY_MAX;
	while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0)
		buf_put(code, chunk, n);
	if (ferror(file) || !buf_ok(code) || !str_starts(buf_str(code), STR("#!lua name="))) {
		buf_printf(error, "%s is not a function library\n", buf_cstr(&path));
		goto out;
	}
	status = 0;
out:
	if (file != NULL)
		fclose(file);
	buf_deinit(&path);
	return status;
}

static int read_libraries(struct archive *a, const char *dir, struct buf *error)
{
	for (size_t i = 0; i < UPKEEP_LIBRARIES; i++) {
		if (read_library(dir, upkeep_library(i)->file, &a->libraries[i], error) != 0)
			return -1;
	}
	return 0;
}

static struct redis_conn *new_redis(const struct conf *conf, enum conf_key url, struct buf *error)
{
	struct redis_target target = {0};
	struct redis_conn *conn;

	if (redis_target_of_conf(conf, url, &target, error) != 0)
		return NULL;
	conn = redis_conn_new(&target, "bellhop-archive",
			      conf_int(conf, CONF_REDIS_CONNECT_TIMEOUT) * 1000);
	if (conn == NULL)
		buf_puts(error, "out of memory\n");
	redis_target_deinit(&target);
	return conn;
}

void archive_configure(struct archive *a, const struct conf *conf)
{
	a->window = (struct upkeep_window){
		.events = conf_int(conf, CONF_WINDOW_EVENTS),
		.age_ms = conf_int(conf, CONF_WINDOW_HOURS) * 3600 * 1000,
		.bytes = conf_int(conf, CONF_WINDOW_BYTES),
		.min = conf_int(conf, CONF_WINDOW_MIN),
		.idle_ms = conf_int(conf, CONF_IDLE_MINUTES) * 60 * 1000,
	};
	retention_configure(a, conf);
}

int archive_init(struct archive *a, const struct conf *conf, struct buf *error)
{
	const struct pg_opts pg = pg_opts_of_conf(conf, "bellhop-archive");
	int64_t redis_ms = conf_int(conf, CONF_REDIS_TIMEOUT_MS);

	*a = (struct archive){.signal_fd = -1, .trim_cursor = "0"};
	if (!redis_keys_prefix_is_valid(conf_str(conf, CONF_REDIS_PREFIX))) {
		buf_puts(error, "BELLHOP_REDIS_PREFIX is not a prefix of keys\n");
		return -1;
	}
	snprintf(a->prefix, sizeof(a->prefix), "%s", conf_str(conf, CONF_REDIS_PREFIX));
	a->sweep_ms = conf_int(conf, CONF_SWEEP_MS);
	a->redis_timeout_ms = redis_ms > REDIS_TIMEOUT_MIN_MS ? redis_ms : REDIS_TIMEOUT_MIN_MS;
	a->pg_timeout_ms = conf_int(conf, CONF_PG_TIMEOUT_MS);
	archive_configure(a, conf);
	if (read_libraries(a, conf_str(conf, CONF_SQL_DIR), error) != 0)
		return -1;
	a->redis = new_redis(conf, CONF_REDIS_URL, error);
	if (a->redis == NULL)
		return -1;
	a->admin = conf_is_set(conf, CONF_REDIS_ADMIN_URL)
			   ? new_redis(conf, CONF_REDIS_ADMIN_URL, error)
			   : a->redis;
	if (a->admin == NULL)
		return -1;
	a->pg = pg_conn_new(&pg);
	if (a->pg == NULL) {
		buf_puts(error, "out of memory\n");
		return -1;
	}
	a->feed = (struct feed){
		.redis = a->redis,
		.pg = a->pg,
		.keys = &a->keys,
		.redis_timeout_ms = a->redis_timeout_ms,
		.pg_timeout_ms = a->pg_timeout_ms,
	};
	return 0;
}

void archive_deinit(struct archive *a)
{
	compare_deinit(a);
	if (a->admin != a->redis)
		redis_conn_free(a->admin);
	redis_conn_free(a->redis);
	pg_conn_free(a->pg);
	free(a->marks);
	free(a->is_dirty);
	for (size_t i = 0; i < UPKEEP_LIBRARIES; i++)
		buf_deinit(&a->libraries[i]);
}

bool archive_may_go_on(struct archive *a)
{
	return !a->is_abandoned && !a->is_redis_down && !a->is_pg_down && !archive_is_stopping(a);
}

bool archive_is_stopping(struct archive *a)
{
	int signal;

	while (a->signal_fd != -1 && (signal = daemon_signals_next(a->signal_fd)) != 0) {
		if (signal == SIGTERM || signal == SIGINT)
			a->should_stop = true;
		else if (signal == SIGHUP)
			a->should_reload = true;
	}
	return a->should_stop;
}

/* ---- exchanges ---- */

static void redis_failed(struct archive *a, const char *reason)
{
	a->is_redis_down = true;
	if (!a->is_redis_logged)
		log_error(NULL, "store is away", LOG_STR("store", "redis"),
			  LOG_STR("reason", reason));
	a->is_redis_logged = true;
}

static void pg_failed(struct archive *a)
{
	a->is_pg_down = true;
	if (!a->is_pg_logged)
		log_error(NULL, "store is away", LOG_STR("store", "postgres"),
			  LOG_STR("reason", pg_conn_error(a->pg)));
	a->is_pg_logged = true;
}

/* At the end of a tick: what was logged as away and did not fail is back. */
static void note_returns(struct archive *a)
{
	if (a->is_redis_logged && !a->is_redis_down)
		log_info(NULL, "store is back", LOG_STR("store", "redis"));
	if (a->is_pg_logged && !a->is_pg_down)
		log_info(NULL, "store is back", LOG_STR("store", "postgres"));
	a->is_redis_logged = a->is_redis_down;
	a->is_pg_logged = a->is_pg_down;
}

int archive_ask_redis(struct archive *a, const struct buf *commands, size_t n, redisReply **replies)
{
	enum err err = redis_conn_exec(a->redis, commands, n, clock_mono_ms() + a->redis_timeout_ms,
				       replies);
	enum hot_trouble trouble;

	if (err != ERR_NONE) {
		redis_failed(a, redis_conn_reason(a->redis));
		return -1;
	}
	trouble = hot_trouble_of(replies, n);
	if (trouble == HOT_TROUBLE_NONE || trouble == HOT_TROUBLE_DATA)
		return 0;
	/* A missing library is loaded with the next tick, and only failing that is worth a line. */
	if (trouble == HOT_TROUBLE_FUNCTION)
		a->has_libraries = false;
	else
		redis_failed(a, hot_trouble_text(trouble));
	redis_conn_release(replies, n);
	return -1;
}

int archive_ask_record(struct archive *a, struct pg_stmt *stmt, PGresult **result_r)
{
	enum err err = pg_conn_exec(a->pg, stmt, clock_mono_ms() + a->pg_timeout_ms, result_r);

	pg_stmt_deinit(stmt);
	if (err != ERR_NONE)
		pg_failed(a);
	return err == ERR_NONE ? 0 : -1;
}

int archive_ask_tails(struct archive *a, const struct str *tickets, size_t n,
		      struct archive_tail *tails_r)
{
	redisReply *replies[1 + ARCHIVE_BATCH * HOT_TAIL_REPLIES] = {NULL};
	struct buf commands = BUF_INIT;
	size_t nreplies = hot_put_time(&commands);
	int status;

	for (size_t i = 0; i < n; i++)
		nreplies += hot_put_tail(&commands, &a->keys, tickets[i]);
	status = archive_ask_redis(a, &commands, nreplies, replies);
	if (status == 0)
		status = hot_parse_time(replies[0], &a->asked_at_ms);
	for (size_t i = 0; status == 0 && i < n; i++) {
		struct hot_tail tail;

		/* A key of a wrong type: as good as none, and filling it will say so in the log. */
		if (hot_parse_tail(&replies[1 + i * HOT_TAIL_REPLIES], &tail) != 0)
			tail = (struct hot_tail){0};
		tails_r[i] = (struct archive_tail){.first_seq = tail.first_seq,
						   .last_seq = tail.last_seq,
						   .bytes = tail.bytes};
		snprintf(tails_r[i].last_uid, sizeof(tails_r[i].last_uid), "%.*s",
			 STR_ARG(tail.last_uid));
	}
	redis_conn_release(replies, nreplies);
	buf_deinit(&commands);
	return status;
}

/* ---- the deployment ---- */

/* Adopts (epoch, partitions); 0, or -1 if they make no sense or memory is out. */
static int adopt(struct archive *a, int64_t epoch, int64_t partitions)
{
	struct redis_keys keys;

	if (a->has_keys && a->keys.epoch == epoch && a->keys.partitions == partitions)
		return 0;
	if (partitions < 1 || partitions > REDIS_KEYS_PARTITION_MAX ||
	    redis_keys_init(&keys, a->prefix, epoch, (unsigned int)partitions) != 0) {
		log_error(NULL, "could not use the deployment's numbers", LOG_INT("epoch", epoch),
			  LOG_INT("partitions", partitions));
		return -1;
	}
	if (!a->has_keys || a->keys.partitions != keys.partitions) {
		free(a->marks);
		free(a->is_dirty);
		a->marks = calloc(keys.partitions, sizeof(*a->marks));
		a->is_dirty = calloc(keys.partitions, sizeof(*a->is_dirty));
		a->has_keys = a->marks != NULL && a->is_dirty != NULL;
		if (!a->has_keys)
			return -1;
	}
	a->keys = keys;
	a->is_abandoned = true;
	compare_deinit(a);
	log_info(NULL, "deployment", LOG_INT("epoch", epoch), LOG_INT("partitions", partitions));
	return 0;
}

/* Runs a statement that answers with the deployment, and adopts it. */
static int ask_deployment(struct archive *a, struct pg_stmt *stmt)
{
	struct pg_deployment deployment;
	PGresult *result = NULL;
	int status = -1;

	if (archive_ask_record(a, stmt, &result) == 0 &&
	    pg_sql_parse_deployment(result, &deployment) == 0)
		status = adopt(a, deployment.epoch, deployment.partitions);
	PQclear(result);
	return status;
}

void archive_bump(struct archive *a, const char *reason, struct str ticket)
{
	struct pg_stmt stmt;
	int64_t was = a->keys.epoch;

	record_put_epoch_bump(&stmt, was);
	if (ask_deployment(a, &stmt) == 0 && a->keys.epoch != was)
		log_warn(NULL, "the record went back in time: a new epoch begins",
			 LOG_STR("reason", reason), LOG_S("ticket", ticket), LOG_INT("was", was),
			 LOG_INT("epoch", a->keys.epoch));
	a->is_timeline_new = false;
	a->is_abandoned = true;
}

/* What the check on a new connection to PostgreSQL said. */
static int learn_deployment(struct archive *a)
{
	enum err err = pg_conn_open(a->pg, clock_mono_ms() + a->pg_timeout_ms);
	const struct pg_deployment *deployment = pg_conn_deployment(a->pg);

	if (err != ERR_NONE)
		pg_failed(a);
	if (err != ERR_NONE || deployment == NULL)
		return -1;
	if (pg_conn_generation(a->pg) == a->pg_generation && a->has_keys)
		return 0;
	if (adopt(a, deployment->epoch, deployment->partitions) != 0)
		return -1;
	a->pg_generation = pg_conn_generation(a->pg);
	if (deployment->is_timeline_new && !a->is_timeline_new) {
		a->is_timeline_new = true;
		log_warn(NULL, "postgres is on a new timeline: all streams are compared");
	}
	return 0;
}

/* ---- tickets ---- */

int archive_fill(struct archive *a, struct str ticket, int64_t tail_seq, int64_t news_from)
{
	const struct log_ctx ctx = {.ticket = ticket};
	struct feed_result result =
		feed_fill(&a->feed, ticket, tail_seq, a->asked_at_ms, news_from);

	switch (result.outcome) {
	case FEED_DONE:
		log_debug(&ctx, "brought up", LOG_INT("from", tail_seq));
		return 0;
	case FEED_CLASH:
		archive_bump(a, "a stream has other events than the record", ticket);
		return -1;
	case FEED_REDIS:
		if (result.trouble == HOT_TROUBLE_DATA)
			log_warn(&ctx, "could not bring up",
				 LOG_STR("reason", hot_trouble_text(result.trouble)));
		else
			redis_failed(a, result.trouble != HOT_TROUBLE_NONE
						? hot_trouble_text(result.trouble)
						: redis_conn_reason(a->redis));
		return -1;
	case FEED_RECORD:
		pg_failed(a);
		return -1;
	case FEED_UNSTEADY:
		break;
	}
	return -1;
}

/* The answer names tickets in any order; few enough to look for each. */
int archive_ask_committed(struct archive *a, const struct str *tickets, size_t n, int64_t *seqs_r)
{
	struct pg_stmt stmt;
	PGresult *result = NULL;
	int status = -1;

	memset(seqs_r, 0, n * sizeof(*seqs_r));
	record_put_tails(&stmt, tickets, n);
	if (archive_ask_record(a, &stmt, &result) != 0)
		goto out;
	for (size_t row = 0; row < record_count_tails(result); row++) {
		struct str ticket;
		int64_t last_seq;

		if (record_parse_tail(result, row, &ticket, &last_seq) != 0)
			goto out;
		for (size_t i = 0; i < n; i++) {
			if (str_eq(tickets[i], ticket))
				seqs_r[i] = last_seq;
		}
	}
	status = 0;
out:
	PQclear(result);
	return status;
}

int archive_doubt(struct archive *a, const struct str *tickets, const int64_t *tails, size_t n)
{
	int64_t found[ARCHIVE_BATCH];

	if (n == 0)
		return 0;
	if (archive_ask_committed(a, tickets, n, found) != 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (found[i] < tails[i]) {
			archive_bump(a, "a stream is ahead of the record", tickets[i]);
			return -1;
		}
	}
	return 0;
}

/* ---- one tick ---- */

static int load_library(struct archive *a, size_t i)
{
	struct buf commands = BUF_INIT;
	redisReply *reply = NULL;
	int status = -1;
	enum err err;

	upkeep_put_library(&commands, buf_str(&a->libraries[i]));
	err = redis_conn_exec(a->admin, &commands, 1, clock_mono_ms() + a->redis_timeout_ms,
			      &reply);
	if (err != ERR_NONE) {
		redis_failed(a, redis_conn_reason(a->admin));
	} else if (reply->type == REDIS_REPLY_ERROR) {
		char reason[200];

		snprintf(reason, sizeof(reason), "could not load the function library %s: %s",
			 upkeep_library(i)->name, reply->str);
		redis_failed(a, reason);
	} else {
		log_info(NULL, "loaded the function library",
			 LOG_STR("library", upkeep_library(i)->name));
		status = 0;
	}
	redis_conn_release(&reply, 1);
	buf_deinit(&commands);
	return status;
}

static int load_libraries(struct archive *a)
{
	for (size_t i = 0; i < UPKEEP_LIBRARIES; i++) {
		if (load_library(a, i) != 0)
			return -1;
	}
	a->has_libraries = true;
	return 0;
}

/* Is Redis there, with the libraries? Works without PostgreSQL, too. Sets redis_now_ms. */
static int look_at_redis(struct archive *a)
{
	/* A second time where a library was there and is gone: FUNCTION FLUSH, an empty server. */
	for (int i = 0; i < 2; i++) {
		struct buf commands = BUF_INIT;
		redisReply *replies[1 + UPKEEP_LIBRARIES] = {NULL};
		int status;
		size_t n;

		if (!a->has_libraries && load_libraries(a) != 0)
			return -1;
		n = hot_put_time(&commands);
		n += upkeep_put_probes(&commands);
		status = archive_ask_redis(a, &commands, n, replies);
		if (status == 0)
			status = hot_parse_time(replies[0], &a->redis_now_ms);
		redis_conn_release(replies, n);
		buf_deinit(&commands);
		if (status == 0 || a->has_libraries)
			return status;
	}
	return -1;
}

/* A copy with a later epoch than the record's: the record was restored from a backup. */
static void overtake(struct archive *a, int64_t epoch)
{
	for (int i = 0; i < BUMPS_MAX && a->keys.epoch <= epoch; i++) {
		int64_t was = a->keys.epoch;

		archive_bump(a, "redis has seen a later epoch", (struct str){0});
		if (a->keys.epoch == was)
			return;
	}
}

/* Reads the copy of the deployment and all marks; writes the copy where it differs. */
static int read_marks(struct archive *a)
{
	size_t n = 1 + a->keys.partitions;
	redisReply **replies = calloc(n, sizeof(redisReply *));
	struct buf commands = BUF_INIT;
	struct redis_keys copy;
	bool has_copy;
	int status = -1;

	if (replies == NULL)
		return -1;
	hot_put_deployment_read(&commands, a->prefix);
	for (unsigned int p = 0; p < a->keys.partitions; p++)
		hot_put_mark_read(&commands, &a->keys, p);
	if (archive_ask_redis(a, &commands, n, replies) != 0)
		goto out;
	has_copy = hot_parse_deployment(replies[0], a->prefix, &copy) == 0;
	if (has_copy && copy.epoch > a->keys.epoch) {
		overtake(a, copy.epoch);
		goto out;
	}
	for (unsigned int p = 0; p < a->keys.partitions; p++) {
		if (hot_parse_mark(replies[1 + p], &a->marks[p]) != 0)
			a->marks[p] = (struct hot_mark){0};
	}
	status = 0;
	if (!has_copy || copy.epoch != a->keys.epoch || copy.partitions != a->keys.partitions) {
		redisReply *reply = NULL;

		buf_reset(&commands);
		hot_put_deployment(&commands, &a->keys);
		status = archive_ask_redis(a, &commands, 1, &reply);
		redis_conn_release(&reply, 1);
	}
out:
	redis_conn_release(replies, n);
	free(replies);
	buf_deinit(&commands);
	return status;
}

static void work(struct archive *a)
{
	if (look_at_redis(a) != 0)
		return;
	leases_step(a);
	if (learn_deployment(a) != 0)
		return;
	a->is_abandoned = false;
	if (read_marks(a) != 0 || a->is_abandoned || sweep_run(a) != 0)
		return;
	if (!a->is_checked)
		compare_want_all(a);
	a->is_checked = true;
	if (archive_may_go_on(a))
		compare_step(a);
	if (archive_may_go_on(a))
		trim_step(a);
	if (archive_may_go_on(a))
		retention_step(a);
	if (archive_may_go_on(a))
		leases_write_seen(a);
	if (archive_may_go_on(a))
		revoked_step(a);
	if (archive_may_go_on(a))
		activity_step(a);
}

void archive_tick(struct archive *a)
{
	a->is_redis_down = a->is_pg_down = false;
	work(a);
	/* PostgreSQL was not asked while Redis is away: nothing is known of it. */
	if (a->is_redis_down && a->is_pg_logged)
		a->is_pg_down = true;
	note_returns(a);
}
