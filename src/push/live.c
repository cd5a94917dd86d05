/* SPDX-License-Identifier: BSD-2-Clause */
/* The channels that are followed, and the connection that hears them. */
#include "config.h"

#include "push/live.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"
#include "store/hot.h"
#include "store/redis_async.h"
#include "store/redis_keys.h"

enum {
	PING_EVERY_MS = 5000, /* how a silent connection is told from a dead one */
	ANSWER_MS = 5000,
};

struct channel {
	UT_hash_handle hh;
	unsigned int followers;
	enum redis_channel_kind kind;
	size_t id_len; /* the end of the name */
	char name[];
};

struct live {
	struct live_ops ops;
	char prefix[REDIS_KEYS_PREFIX_MAX + 1];
	struct redis_async *redis;
	struct redis_async_call *ping;
	struct event *ping_timer;
	struct channel *channels; /* hash by name */
	bool is_refusal_logged;
};

/* ---- what is said ---- */

static struct channel *find_channel(const struct live *live, struct str name)
{
	struct channel *channel;

	HASH_FIND(hh, live->channels, name.p, name.n, channel);
	return channel;
}

/* Not the channel's own text, which goes if it is left. */
static struct str id_of(const struct channel *channel, struct str name)
{
	return (struct str){name.p + name.n - channel->id_len, channel->id_len};
}

/* The answer to SUBSCRIBE: ["subscribe", channel, count]. */
static void look_joined(struct live *live, const redisReply *reply)
{
	const struct channel *channel;
	struct str name;

	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3 ||
	    reply->element[0]->type != REDIS_REPLY_STRING ||
	    reply->element[1]->type != REDIS_REPLY_STRING ||
	    strcmp(reply->element[0]->str, "subscribe") != 0)
		return;
	name = (struct str){reply->element[1]->str, reply->element[1]->len};
	channel = find_channel(live, name);
	if (channel != NULL && channel->kind == REDIS_CHANNEL_LIVE && live->ops.joined != NULL)
		live->ops.joined(live->ops.arg, id_of(channel, name));
}

static void on_answer(void *arg, enum err err, redisReply **replies, size_t n)
{
	struct live *live = arg;

	if (err != ERR_NONE || n == 0)
		return;
	if (hot_trouble(replies[0]) == HOT_TROUBLE_NONE) {
		look_joined(live, replies[0]);
	} else if (!live->is_refusal_logged) {
		live->is_refusal_logged = true;
		log_warn(NULL, "could not follow a channel",
			 LOG_STR("reason", hot_trouble_text(hot_trouble(replies[0]))));
	}
}

static struct redis_async_call *say(struct live *live, const char *command, const char *channel,
				    redis_async_cb *cb)
{
	struct buf commands = BUF_INIT;
	const struct redis_async_request request = {
		.commands = &commands,
		.nreplies = 1,
		.timeout_ms = ANSWER_MS,
		.cb = cb,
		.arg = live,
	};
	struct redis_async_call *call;

	redis_wire_putc(&commands, command, channel, (char *)NULL);
	call = redis_async_submit(live->redis, &request);
	buf_deinit(&commands);
	return call;
}

/* While it is away nothing is said: all channels are subscribed to once it is back. */
static void channel_say(struct live *live, const char *command, const struct channel *channel)
{
	if (redis_async_is_up(live->redis) && say(live, command, channel->name, on_answer) == NULL)
		log_warn(NULL, "could not follow a channel", LOG_STR("reason", "out of memory"));
}

/* ---- the connection ---- */

static void on_pong(void *arg, enum err err, redisReply **replies, size_t n)
{
	struct live *live = arg;

	(void)err;
	(void)replies;
	(void)n;
	live->ping = NULL;
}

/* No answer in time is the end of the connection, which redis_async sees to. */
static void on_ping_timer(evutil_socket_t fd, short what, void *arg)
{
	struct live *live = arg;

	(void)fd;
	(void)what;
	if (live->ping == NULL && redis_async_is_up(live->redis))
		live->ping = say(live, "PING", NULL, on_pong);
}

static void on_state(void *arg, bool is_up, const char *reason)
{
	struct live *live = arg;
	struct channel *channel;

	(void)reason; /* the shared connection says it once for all */
	if (!is_up)
		return;
	live->is_refusal_logged = false;
	for (channel = live->channels; channel != NULL; channel = channel->hh.next)
		channel_say(live, "SUBSCRIBE", channel);
}

static void on_message(void *arg, struct str name, struct str payload)
{
	struct live *live = arg;
	struct channel *channel = find_channel(live, name);
	struct str id;

	if (channel == NULL)
		return; /* was on its way when it was left */
	id = id_of(channel, name);
	switch (channel->kind) {
	case REDIS_CHANNEL_LIVE:
		if (live->ops.ticket != NULL)
			live->ops.ticket(live->ops.arg, id, payload);
		return;
	case REDIS_CHANNEL_USER:
		if (live->ops.user != NULL)
			live->ops.user(live->ops.arg, id, payload);
		return;
	case REDIS_CHANNEL_SYSTEM:
		if (live->ops.system != NULL)
			live->ops.system(live->ops.arg, payload);
		return;
	}
}

/* ---- channels ---- */

static int live_follow(struct live *live, enum redis_channel_kind kind, struct str id)
{
	struct redis_key key;
	struct channel *channel;

	redis_keys_channel(live->prefix, kind, id, &key);
	channel = find_channel(live, key.name);
	if (channel != NULL) {
		channel->followers++;
		return 0;
	}
	channel = calloc(1, sizeof(*channel) + key.name.n + 1);
	if (channel == NULL)
		return -1;
	memcpy(channel->name, key.text, key.name.n + 1);
	channel->followers = 1;
	channel->kind = kind;
	channel->id_len = id.n;
	HASH_ADD_KEYPTR(hh, live->channels, channel->name, key.name.n, channel);
	if (!hash_has_added(channel)) {
		free(channel);
		return -1;
	}
	channel_say(live, "SUBSCRIBE", channel);
	return 0;
}

static void live_unfollow(struct live *live, enum redis_channel_kind kind, struct str id)
{
	struct redis_key key;
	struct channel *channel;

	redis_keys_channel(live->prefix, kind, id, &key);
	channel = find_channel(live, key.name);
	if (channel == NULL || --channel->followers > 0)
		return;
	channel_say(live, "UNSUBSCRIBE", channel);
	HASH_DEL(live->channels, channel);
	free(channel);
}

int live_follow_ticket(struct live *live, struct str ticket)
{
	return live_follow(live, REDIS_CHANNEL_LIVE, ticket);
}

int live_follow_user(struct live *live, struct str user)
{
	return live_follow(live, REDIS_CHANNEL_USER, user);
}

void live_unfollow_ticket(struct live *live, struct str ticket)
{
	live_unfollow(live, REDIS_CHANNEL_LIVE, ticket);
}

void live_unfollow_user(struct live *live, struct str user)
{
	live_unfollow(live, REDIS_CHANNEL_USER, user);
}

bool live_is_up(const struct live *live)
{
	return redis_async_is_up(live->redis);
}

/* ---- outside ---- */

struct live *live_new(const struct live_opts *opts)
{
	const struct timeval every = {PING_EVERY_MS / 1000, PING_EVERY_MS % 1000 * 1000};
	struct live *live = calloc(1, sizeof(*live));
	const struct redis_async_opts redis = {
		.target = opts->target,
		.name = "bellhop-push-live",
		.connect_timeout_ms = opts->connect_timeout_ms,
		.on_state = on_state,
		.on_message = on_message,
		.arg = live,
	};

	if (live == NULL)
		return NULL;
	live->ops = opts->ops;
	snprintf(live->prefix, sizeof(live->prefix), "%s", opts->prefix);
	live->redis = redis_async_new(opts->base, &redis);
	live->ping_timer = event_new(opts->base, -1, EV_PERSIST, on_ping_timer, live);
	if (live->redis == NULL || live->ping_timer == NULL ||
	    event_add(live->ping_timer, &every) != 0 ||
	    live_follow(live, REDIS_CHANNEL_SYSTEM, STR("")) != 0) {
		live_free(live);
		return NULL;
	}
	return live;
}

void live_free(struct live *live)
{
	struct channel *channel, *next;

	if (live == NULL)
		return;
	redis_async_close(live->redis);
	if (live->ping_timer != NULL)
		event_free(live->ping_timer);
	HASH_ITER(hh, live->channels, channel, next) {
		HASH_DEL(live->channels, channel);
		free(channel);
	}
	free(live);
}
