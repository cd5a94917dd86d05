/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bellhop check: Redis. Only commands that the runtime user of contrib/redis may call, so INFO and
 * not CONFIG.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/conf.h"
#include "cli/checks.h"
#include "store/hot.h"
#include "store/redis_conn.h"
#include "store/upkeep.h"

enum {
	TIMEOUT_MS = 3000,
	VERSION_MAJOR_MIN = 7,
	CHANNEL_REPLIES = 2,
	CLIENTS_MIN = 200, /* readers of a busy push process, and some */
};

/* The value of a line "name:value" of INFO; absent if there is none. */
static struct str info_find(struct str info, const char *name)
{
	struct str line;
	size_t n = strlen(name);

	while (str_split(&info, '\n', &line)) {
		if (line.n <= n || line.p[n] != ':' || memcmp(line.p, name, n) != 0)
			continue;
		line.p += n + 1;
		line.n -= n + 1;
		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		return line;
	}
	return (struct str){0};
}

static void check_version(struct checks *checks, struct str info)
{
	struct str version = info_find(info, "redis_version");
	struct str rest = version;
	struct str major;
	int64_t number = 0;

	if (!str_split(&rest, '.', &major) || str_to_i64(major, 0, INT32_MAX, &number) != 0 ||
	    number < VERSION_MAJOR_MIN)
		checks_add(checks, CHECK_ERROR, "redis version", "%.*s, but %d.0 is needed",
			   STR_ARG(version), VERSION_MAJOR_MIN);
	else
		checks_add(checks, CHECK_OK, "redis version", "%.*s", STR_ARG(version));
	if (str_eq_c(info_find(info, "cluster_enabled"), "1"))
		checks_add(checks, CHECK_ERROR, "redis cluster", "a Cluster is not spoken to yet");
	if (!str_eq_c(info_find(info, "role"), "master"))
		checks_add(checks, CHECK_ERROR, "redis role", "%.*s: not a master",
			   STR_ARG(info_find(info, "role")));
	if (str_eq_c(info_find(info, "loading"), "1"))
		checks_add(checks, CHECK_WARNING, "redis", "it is still loading its data");
}

static void check_memory(struct checks *checks, struct str info)
{
	struct str policy = info_find(info, "maxmemory_policy");
	struct str limit = info_find(info, "maxmemory_human");
	bool unlimited = str_eq_c(info_find(info, "maxmemory"), "0");

	if (!str_eq_c(policy, "noeviction") && !str_starts(policy, STR("volatile-")))
		checks_add(checks, CHECK_ERROR, "redis maxmemory-policy",
			   "%.*s drops streams at will: set noeviction", STR_ARG(policy));
	else
		checks_add(checks, CHECK_OK, "redis maxmemory-policy", "%.*s, maxmemory %.*s",
			   STR_ARG(policy), unlimited ? 9 : (int)limit.n,
			   unlimited ? "unlimited" : limit.p);
}

static void check_persistence(struct checks *checks, struct str info)
{
	if (!str_eq_c(info_find(info, "aof_enabled"), "1"))
		checks_add(
			checks, CHECK_WARNING, "redis appendonly",
			"off: after a restart of Redis every window is read from PostgreSQL again");
	else if (!str_eq_c(info_find(info, "aof_last_write_status"), "ok"))
		checks_add(checks, CHECK_ERROR, "redis appendonly", "the last write failed");
	else
		checks_add(checks, CHECK_OK, "redis appendonly", "on");
	if (str_eq_c(info_find(info, "rdb_last_bgsave_status"), "err"))
		checks_add(checks, CHECK_WARNING, "redis snapshot",
			   "the last one failed; Redis may refuse writes (MISCONF)");
}

static void check_clients(struct checks *checks, const struct conf *conf, struct str info)
{
	int64_t wanted = conf_int(conf, CONF_API_WORKERS) + CLIENTS_MIN;
	int64_t maximum = 0;
	int64_t connected = 0;

	if (str_to_i64(info_find(info, "maxclients"), 0, INT64_MAX, &maximum) != 0 ||
	    str_to_i64(info_find(info, "connected_clients"), 0, INT64_MAX, &connected) != 0)
		return;
	if (maximum < wanted)
		checks_add(checks, CHECK_WARNING, "redis maxclients", "%lld, but %lld are wanted",
			   (long long)maximum, (long long)wanted);
	else if (connected > maximum / 10 * 8)
		checks_add(checks, CHECK_WARNING, "redis maxclients", "%lld of %lld are in use",
			   (long long)connected, (long long)maximum);
	else
		checks_add(checks, CHECK_OK, "redis maxclients", "%lld, %lld in use",
			   (long long)maximum, (long long)connected);
}

/* The answer of a function that does nothing tells whether it is there. */
static void check_library(struct checks *checks, const char *name, const redisReply *reply)
{
	switch (hot_trouble(reply)) {
	case HOT_TROUBLE_FUNCTION:
		checks_add(checks, CHECK_ERROR, "redis functions",
			   "%s is not loaded: is bellhop-archive running?", name);
		break;
	case HOT_TROUBLE_DENIED:
		checks_add(checks, CHECK_ERROR, "redis functions", "%.*s", (int)reply->len,
			   reply->str);
		break;
	case HOT_TROUBLE_AWAY:
	case HOT_TROUBLE_FULL:
	case HOT_TROUBLE_MOVED:
		checks_add(checks, CHECK_ERROR, "redis functions", "%s",
			   hot_trouble_text(hot_trouble(reply)));
		break;
	default:
		checks_add(checks, CHECK_OK, "redis functions", "%s is loaded", name);
		break;
	}
}

/* The functions publish in silence: where they may not, nothing fails, and nobody hears of anything. */
static void put_channels(struct buf *commands, const char *prefix)
{
	struct redis_key channel;

	/* Of no ticket, so nobody follows it. */
	redis_keys_channel(prefix, REDIS_CHANNEL_LIVE, STR(""), &channel);
	redis_wire_putc(commands, "PUBLISH", channel.text, "", (char *)NULL);
	redis_wire_putc(commands, "PUBSUB", "NUMSUB", (char *)NULL);
}

static void check_channels(struct checks *checks, redisReply *const replies[CHANNEL_REPLIES])
{
	for (size_t i = 0; i < CHANNEL_REPLIES; i++) {
		if (replies[i]->type != REDIS_REPLY_ERROR)
			continue;
		checks_add(checks, CHECK_WARNING, "redis channels",
			   "typing, presence and inbox are not told: %.*s", (int)replies[i]->len,
			   replies[i]->str);
		return;
	}
	checks_add(checks, CHECK_OK, "redis channels", "may be published to");
}

/* Does the archiver keep the windows right? Its mark in one partition stands for all. */
static void check_swept(struct checks *checks, struct redis_conn *redis,
			const struct redis_keys *keys)
{
	redisReply *replies[2] = {NULL};
	struct hot_mark mark = {0};
	struct buf commands;
	size_t n;

	buf_init(&commands);
	n = hot_put_mark_read(&commands, keys, 0);
	if (redis_conn_exec(redis, &commands, n, clock_mono_ms() + TIMEOUT_MS, replies) != ERR_NONE)
		checks_add(checks, CHECK_ERROR, "archive", "%s", redis_conn_reason(redis));
	else if (hot_parse_mark(replies[0], &mark) != 0 || !mark.exists)
		checks_add(checks, CHECK_ERROR, "archive",
			   "nothing was ever swept: is bellhop-archive running?");
	else if (clock_real_ms() - mark.at_ms > 2 * (int64_t)HOT_SWEPT_MAX_MS)
		checks_add(checks, CHECK_ERROR, "archive",
			   "the last sweep was %lld s ago: is bellhop-archive running?",
			   (long long)((clock_real_ms() - mark.at_ms) / 1000));
	else
		checks_add(checks, CHECK_OK, "archive", "sweeps");
	redis_conn_release(replies, 1);
	buf_deinit(&commands);
}

static void check_deployment(struct checks *checks, const struct conf *conf,
			     struct redis_conn *redis, const redisReply *reply)
{
	struct redis_keys keys;

	if (hot_parse_deployment(reply, conf_str(conf, CONF_REDIS_PREFIX), &keys) == 0)
		check_swept(checks, redis, &keys);
	else
		checks_add(checks, CHECK_ERROR, "archive",
			   "Redis does not know the deployment: is bellhop-archive running?");
}

/* False where it did not answer. */
static bool ask(struct checks *checks, const struct conf *conf, struct redis_conn *redis)
{
	enum {
		INFO,
		DEPLOYMENT,
		FUNCTIONS,
		CHANNELS = FUNCTIONS + UPKEEP_LIBRARIES,
		REPLIES = CHANNELS + CHANNEL_REPLIES
	};
	redisReply *replies[REPLIES] = {NULL};
	struct buf commands;
	enum err err;

	buf_init(&commands);
	redis_wire_putc(&commands, "INFO", "all", (char *)NULL);
	hot_put_deployment_read(&commands, conf_str(conf, CONF_REDIS_PREFIX));
	upkeep_put_probes(&commands);
	put_channels(&commands, conf_str(conf, CONF_REDIS_PREFIX));
	err = redis_conn_exec(redis, &commands, REPLIES, clock_mono_ms() + TIMEOUT_MS, replies);
	if (err != ERR_NONE) {
		checks_add(checks, CHECK_ERROR, "redis", "%s: %s", err_text(err),
			   redis_conn_reason(redis));
	} else if (replies[INFO]->type != REDIS_REPLY_STRING) {
		checks_add(checks, CHECK_ERROR, "redis", "INFO: %s",
			   replies[INFO]->str != NULL ? replies[INFO]->str : "no text");
	} else {
		struct str info = {.p = replies[INFO]->str, .n = replies[INFO]->len};

		check_version(checks, info);
		check_memory(checks, info);
		check_persistence(checks, info);
		check_clients(checks, conf, info);
		for (size_t i = 0; i < UPKEEP_LIBRARIES; i++)
			check_library(checks, upkeep_library(i)->name, replies[FUNCTIONS + i]);
		check_channels(checks, &replies[CHANNELS]);
		check_deployment(checks, conf, redis, replies[DEPLOYMENT]);
	}
	redis_conn_release(replies, REPLIES);
	buf_deinit(&commands);
	return err == ERR_NONE;
}

void check_redis(struct checks *checks, const struct conf *conf)
{
	struct redis_target target = {0};
	struct redis_conn *redis = NULL;
	struct buf error;

	buf_init(&error);
	if (redis_target_of_conf(conf, CONF_REDIS_URL, &target, &error) != 0) {
		checks_add_lines(checks, CHECK_ERROR, "redis", &error);
		goto out;
	}
	redis = redis_conn_new(&target, "bellhop-check",
			       1000 * conf_int(conf, CONF_REDIS_CONNECT_TIMEOUT));
	if (redis == NULL)
		checks_add(checks, CHECK_ERROR, "redis", "out of memory");
	else if (ask(checks, conf, redis))
		check_redis_user(checks, &target, redis,
				 1000 * conf_int(conf, CONF_REDIS_CONNECT_TIMEOUT));
out:
	redis_conn_free(redis);
	redis_target_deinit(&target);
	buf_deinit(&error);
}
