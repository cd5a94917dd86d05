/* SPDX-License-Identifier: BSD-2-Clause */
/* Puts the parts together, runs the loop, reacts to signals. */
#include "config.h"

#include "push/child.h"

#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/conf.h"
#include "base/daemon.h"
#include "base/log.h"
#include "base/prefork.h"
#include "base/startup.h"
#include "push/chase.h"
#include "push/fcgi_conn.h"
#include "push/hubs.h"
#include "push/inbox.h"
#include "push/leases.h"
#include "push/limiter.h"
#include "push/listen.h"
#include "push/live.h"
#include "push/notices.h"
#include "push/opening.h"
#include "push/payload.h"
#include "push/push.h"
#include "push/restore.h"
#include "push/revoked.h"
#include "push/stores.h"
#include "push/subscriber.h"
#include "push/tail.h"
#include "push/texts.h"
#include "push/turn.h"
#include "web/authn.h"
#include "web/keyring.h"

enum {
	STORES_WAIT_MS = 1500,	 /* for the stores to answer before the first request is taken */
	IDLE_WAIT_MS = 500,	 /* when stopping: for requests that are just coming in */
	STOP_MARGIN_MS = 500,	 /* how long before the master's patience ends we leave */
	DESCRIPTORS_KEPT = 64,	 /* for everything that is not a client */
	EXTRA_CONNECTIONS = 128, /* above the limit, to be told that it is reached */
};

struct child {
	struct prefork_child *prefork;
	const struct child_opts *opts;
	struct keyring *ring;
	struct authn authn;
	struct cors cors;
	struct push push;
	struct hub_observer observer; /* of all hubs */
	struct listen *listen;
	struct event *signals, *begin_timer, *idle_timer, *alive_timer;
	bool is_serving, is_stopping;
	int64_t stop_by_ms;
};

static const struct conf *conf_of(const struct child *child)
{
	return child->opts->startup->conf;
}

/* ---- settings ---- */

/* What comes from files: the keys of tokens, and those that open texts (NULL: none). */
struct child_keys {
	struct keyring *ring;
	struct seal *seal;
};

static void free_keys(struct child_keys *keys)
{
	keyring_free(keys->ring);
	seal_free(keys->seal);
	*keys = (struct child_keys){0};
}

/* 0, or -1 with a reason and nothing loaded. */
static int load_keys(const struct conf *conf, struct child_keys *keys_r, struct buf *error)
{
	const struct keyring_source source = {
		.key_file = conf_str(conf, CONF_JWT_KEY_FILE),
		.kid = conf_str(conf, CONF_JWT_KID),
		.keys_dir = conf_str(conf, CONF_JWT_KEYS_DIR),
	};

	*keys_r = (struct child_keys){.ring = keyring_load(&source, error)};
	if (keys_r->ring != NULL &&
	    seal_load(conf_str(conf, CONF_SEAL_KEYS_FILE), &keys_r->seal, error) == 0)
		return 0;
	free_keys(keys_r);
	return -1;
}

/* Nothing here writes, so nothing here needs the secret behind CSRF tokens. */
static void set_authn(struct child *child, struct keyring *ring)
{
	const struct conf *conf = conf_of(child);

	keyring_free(child->ring);
	child->ring = ring;
	child->authn = (struct authn){
		.policy = {.ring = ring,
			   .issuer = conf_str(conf, CONF_JWT_ISSUER),
			   .audience = conf_str(conf, CONF_JWT_AUDIENCE),
			   .max_days = (int)conf_int(conf, CONF_TOKEN_MAX_DAYS)},
		.origins = str_of(conf_str(conf, CONF_ALLOWED_ORIGINS)),
		.trust_params = conf_bool(conf, CONF_TRUST_PARAMS),
	};
	child->cors = (struct cors){.origins = str_of(conf_str(conf, CONF_CORS_ORIGINS)),
				    .cookie_origins = child->authn.origins};
}

static void set_limits(struct child *child)
{
	const struct conf *conf = conf_of(child);

	child->push.limits = (struct push_limits){
		.heartbeat_ms = conf_int(conf, CONF_HEARTBEAT_MS),
		.retry_ms = conf_int(conf, CONF_RETRY_MS),
		.slow_bytes = (size_t)conf_int(conf, CONF_SLOW_BYTES),
		.connections = (size_t)conf_int(conf, CONF_PUSH_CONNECTIONS),
		.streams = (size_t)conf_int(conf, CONF_LIMIT_STREAMS),
		.stream_tickets = (size_t)conf_int(conf, CONF_LIMIT_STREAM_TICKETS),
	};
	limits_load(conf, &child->push.limits.rates);
}

int child_check(const struct conf *conf, struct buf *error)
{
	struct redis_target target = {0};
	struct child_keys keys;
	int status = -1;

	if (load_keys(conf, &keys, error) != 0)
		return -1;
	if (!redis_keys_prefix_is_valid(conf_str(conf, CONF_REDIS_PREFIX)))
		buf_puts(error,
			 "BELLHOP_REDIS_PREFIX has characters that a prefix must not have\n");
	else
		status = redis_target_of_conf(conf, CONF_REDIS_URL, &target, error);
	redis_target_deinit(&target);
	free_keys(&keys);
	return status;
}

static void child_reload(struct child *child)
{
	struct startup *startup = child->opts->startup;
	struct buf error = BUF_INIT;
	struct child_keys keys;
	struct conf *old;

	if (startup_reload(startup, &old) != 0)
		return;
	if (load_keys(startup->conf, &keys, &error) == 0) {
		set_authn(child, keys.ring);
		texts_set_keys(stores_texts(child->push.stores), keys.seal);
		set_limits(child);
		conf_free(old);
	} else {
		/* A file has changed since it was checked; what is in force borrows from the old. */
		log_error(NULL, "could not reload keys", LOG_S("reason", buf_str(&error)));
		conf_free(startup->conf);
		startup->conf = old;
	}
	buf_deinit(&error);
}

/* ---- serving and stopping ---- */

static void child_serve(struct child *child)
{
	if (child->is_serving || child->is_stopping)
		return;
	child->is_serving = true;
	event_del(child->begin_timer);
	listen_start(child->listen);
	prefork_ready(child->prefork);
	log_info(NULL, "serving", LOG_STR("mode", mode_text(stores_mode_now(child->push.stores))));
}

static void on_begin_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	child_serve(arg);
}

static void child_stop(struct child *child)
{
	const struct timeval wait = {IDLE_WAIT_MS / 1000, IDLE_WAIT_MS % 1000 * 1000};

	if (child->is_stopping)
		return;
	log_info(NULL, "stopping", LOG_INT("streams", subscribers_count(child->push.subscribers)));
	child->is_stopping = true;
	child->stop_by_ms = clock_mono_ms() + conf_int(conf_of(child), CONF_STOP_TIMEOUT_MS) -
			    STOP_MARGIN_MS;
	listen_stop(child->listen);
	openings_shutdown(child->push.openings);
	subscribers_shutdown(child->push.subscribers);
	event_add(child->idle_timer, &wait);
}

static void on_idle_timer(evutil_socket_t fd, short what, void *arg)
{
	struct child *child = arg;
	const struct timeval wait = {IDLE_WAIT_MS / 1000, IDLE_WAIT_MS % 1000 * 1000};

	(void)fd;
	(void)what;
	fcgi_server_close_idle(child->push.server);
	event_add(child->idle_timer, &wait);
}

static void on_alive_timer(evutil_socket_t fd, short what, void *arg)
{
	struct child *child = arg;

	(void)fd;
	(void)what;
	prefork_alive(child->prefork);
}

static void on_signals(evutil_socket_t fd, short what, void *arg)
{
	struct child *child = arg;
	int number;

	(void)what;
	while ((number = daemon_signals_next(fd)) != 0) {
		if (number == SIGTERM || number == SIGINT)
			child_stop(child);
		else if (number == SIGHUP)
			child_reload(child);
	}
}

/* ---- what the parts tell each other ---- */

static void on_request(void *arg, struct fcgi_conn *conn, const struct fcgi_conn_request *request)
{
	struct child *child = arg;

	openings_request(child->push.openings, conn, request);
}

static void on_conn_freed(void *arg)
{
	struct child *child = arg;

	listen_room(child->listen);
}

static int on_hub_made(void *arg, struct hub *hub)
{
	struct child *child = arg;

	hub_observe(hub, &child->observer);
	if (live_follow_ticket(child->push.live, hub_ticket(hub)) != 0)
		return -1;
	/* After that, so that nothing is missed between the two. */
	if (notices_hub_made(child->push.notices, hub) == 0)
		return 0;
	live_unfollow_ticket(child->push.live, hub_ticket(hub));
	return -1;
}

static void on_fed(void *arg, struct hub *hub, const struct ticket_event *event)
{
	struct child *child = arg;

	notices_fed(child->push.notices, hub, event);
}

static void on_live_ticket(void *arg, struct str ticket, struct str payload)
{
	struct child *child = arg;

	notices_ticket(child->push.notices, ticket, payload);
}

static void on_live_system(void *arg, struct str payload)
{
	struct child *child = arg;

	notices_system(child->push.notices, payload);
}

static void on_live_joined(void *arg, struct str ticket)
{
	struct child *child = arg;

	notices_joined(child->push.notices, ticket);
}

static void on_live_user(void *arg, struct str user, struct str payload)
{
	struct child *child = arg;
	struct payload said;

	if (payload_parse(payload, &said) != 0) {
		notices_count_odd(child->push.notices);
		return;
	}
	if (said.kind == PAYLOAD_INBOX)
		inbox_published(child->push.inbox, user, said.ticket, said.is_public);
	else
		notices_count_odd(child->push.notices);
	payload_deinit(&said);
}

static int follow_user(void *arg, struct str user)
{
	struct push *push = arg;

	return live_follow_user(push->live, user);
}

static void unfollow_user(void *arg, struct str user)
{
	struct push *push = arg;

	live_unfollow_user(push->live, user);
}

static struct pg_call *ask_news(void *arg, struct pg_stmt *stmt, pg_call_done *done, void *done_arg)
{
	struct push *push = arg;

	return stores_ask_record(push->stores, stmt, done, done_arg);
}

static void on_hub_gone(void *arg, struct hub *hub)
{
	struct child *child = arg;

	live_unfollow_ticket(child->push.live, hub_ticket(hub));
	notices_hub_gone(child->push.notices, hub);
	tail_unwatch(child->push.tail, hub);
	chase_forget(child->push.chase, hub);
}

static void on_filled(void *arg, struct hub *hub)
{
	struct child *child = arg;

	tail_resume(child->push.tail, hub);
}

static void on_stores_changed(void *arg)
{
	struct child *child = arg;

	/* The stores may tell something before everything is made. */
	if (child->listen == NULL)
		return;
	revoked_look(child->push.revoked);
	subscribers_mode(child->push.subscribers);
	chase_look(child->push.chase);
}

/* What is known last of all before the first request can be taken. */
static void on_revoked(void *arg)
{
	struct child *child = arg;

	if (child->listen == NULL)
		return;
	if (revoked_is_known(child->push.revoked) && stores_has_redis(child->push.stores) &&
	    stores_has_record(child->push.stores))
		child_serve(child);
	subscribers_revoked(child->push.subscribers);
}

static void on_epoch(void *arg)
{
	struct child *child = arg;

	if (child->listen != NULL)
		tail_restart(child->push.tail);
}

/* ---- making and unmaking ---- */

/*
 * How many connections the descriptors allow for: some are kept back, and each TAIL_READER_TICKETS
 * tickets need one to Redis, which is one for as many connections where each has a ticket of its own.
 */
static size_t connections_max(const struct push_limits *limits)
{
	int64_t allowed = (daemon_raise_nofile() - DESCRIPTORS_KEPT) * TAIL_READER_TICKETS /
			  (TAIL_READER_TICKETS + 1);
	size_t wanted = limits->connections + EXTRA_CONNECTIONS;

	if (allowed < 1)
		allowed = 1;
	return (size_t)allowed < wanted ? (size_t)allowed : wanted;
}

/* What is left of them for Redis: a connection may listen to many tickets that nobody else does. */
static size_t readers_max(const struct push_limits *limits)
{
	int64_t left = daemon_raise_nofile() - DESCRIPTORS_KEPT - (int64_t)connections_max(limits);

	return left < 1 ? 1 : (size_t)left;
}

static int make_live(struct child *child)
{
	struct push *push = &child->push;
	const struct live_opts opts = {
		.base = push->base,
		.target = stores_redis_target(push->stores),
		.prefix = conf_str(conf_of(child), CONF_REDIS_PREFIX),
		.connect_timeout_ms = stores_connect_timeout_ms(push->stores),
		.ops = {.ticket = on_live_ticket,
			.user = on_live_user,
			.system = on_live_system,
			.joined = on_live_joined,
			.arg = child},
	};
	const struct inbox_ops inbox_ops = {
		.follow = follow_user,
		.unfollow = unfollow_user,
		.ask = ask_news,
		.cancel = pg_call_cancel,
		.arg = push,
		.texts = stores_texts(push->stores),
	};

	child->observer = (struct hub_observer){.fed = on_fed, .arg = child};
	push->notices = notices_new(push);
	push->live = live_new(&opts);
	push->inbox = inbox_new(push->base, &inbox_ops);
	return push->live == NULL || push->notices == NULL || push->inbox == NULL ? -1 : 0;
}

/* The parts below the connections. */
static int make_hubs(struct child *child, struct buf *error)
{
	struct push *push = &child->push;
	const struct stores_ops stores_ops = {
		.changed = on_stores_changed,
		.epoch = on_epoch,
		.arg = child,
	};
	const struct hubs_ops hubs_ops = {
		.made = on_hub_made,
		.gone = on_hub_gone,
		.arg = child,
	};
	struct chase_opts chase_opts = {.base = push->base, .filled = on_filled, .arg = child};

	push->stores = stores_new(push->base, conf_of(child), &stores_ops, error);
	if (push->stores == NULL)
		return -1;
	if (make_live(child) != 0)
		return -1;
	push->hubs =
		hubs_new(push->base, (size_t)conf_int(conf_of(child), CONF_RING_EVENTS), &hubs_ops);
	chase_opts.stores = push->stores;
	chase_opts.hubs = push->hubs;
	if (push->hubs != NULL)
		push->chase = chase_new(&chase_opts);
	if (push->chase != NULL)
		push->tail =
			tail_new(push->base, push->stores, push->chase, readers_max(&push->limits));
	push->restore = restore_new(push->stores);
	push->leases = leases_new(push->base, push->turn, push->stores);
	push->subscribers = subscribers_new(push);
	push->revoked = revoked_new(push->base, push->stores, on_revoked, child);
	push->limiter = limiter_new(push->stores, &push->limits.rates);
	return push->tail == NULL || push->restore == NULL || push->leases == NULL ||
			       push->subscribers == NULL || push->revoked == NULL ||
			       push->limiter == NULL
		       ? -1
		       : 0;
}

static int make_server(struct child *child)
{
	static const struct fcgi_server_ops ops = {.request = on_request, .freed = on_conn_freed};
	struct push *push = &child->push;
	const struct fcgi_server_opts server_opts = {
		.base = push->base,
		.turn = push->turn,
		.io_timeout_ms = conf_int(conf_of(child), CONF_IO_TIMEOUT_MS),
		.ops = &ops,
		.arg = child,
	};
	const struct openings_opts openings_opts = {
		.push = push,
		.authn = &child->authn,
		.cors = &child->cors,
		.base_path = conf_str(conf_of(child), CONF_BASE_PATH),
	};
	struct listen_opts listen_opts = {
		.base = push->base,
		.fd = child->opts->listen_fd,
		.peers = child->opts->peers,
		.max = connections_max(&push->limits),
	};

	if (listen_opts.max < push->limits.connections)
		log_warn(NULL, "the descriptor limit allows fewer connections than are set",
			 LOG_INT("connections", listen_opts.max),
			 LOG_INT("set", push->limits.connections));
	push->server = fcgi_server_new(&server_opts);
	push->openings = openings_new(&openings_opts);
	if (push->server == NULL || push->openings == NULL)
		return -1;
	listen_opts.server = push->server;
	child->listen = listen_new(&listen_opts);
	return child->listen == NULL ? -1 : 0;
}

static int make_events(struct child *child)
{
	struct event_base *base = child->push.base;
	const struct timeval wait = {STORES_WAIT_MS / 1000, STORES_WAIT_MS % 1000 * 1000};
	const struct timeval alive = {STARTUP_ALIVE_MS / 1000, STARTUP_ALIVE_MS % 1000 * 1000};

	child->signals =
		event_new(base, child->prefork->signal_fd, EV_READ | EV_PERSIST, on_signals, child);
	child->begin_timer = evtimer_new(base, on_begin_timer, child);
	child->idle_timer = evtimer_new(base, on_idle_timer, child);
	child->alive_timer = event_new(base, -1, EV_PERSIST, on_alive_timer, child);
	if (child->signals == NULL || child->begin_timer == NULL || child->idle_timer == NULL ||
	    child->alive_timer == NULL || event_add(child->signals, NULL) != 0 ||
	    event_add(child->alive_timer, &alive) != 0)
		return -1;
	return event_add(child->begin_timer, &wait);
}

static int child_make(struct child *child, struct buf *error)
{
	struct child_keys keys;
	int status = -1;

	if (load_keys(conf_of(child), &keys, error) != 0)
		return -1;
	set_authn(child, keys.ring);
	set_limits(child);
	child->push.base = event_base_new();
	if (child->push.base == NULL)
		return -1;
	child->push.turn = turn_new(child->push.base);
	if (child->push.turn != NULL && make_events(child) == 0)
		status = make_hubs(child, error);
	if (child->push.stores != NULL)
		texts_set_keys(stores_texts(child->push.stores), keys.seal);
	else
		seal_free(keys.seal);
	return status == 0 ? make_server(child) : -1;
}

/* Tolerates any half-made state. What stands on something goes before it. */
static void child_unmake(struct child *child)
{
	struct push *push = &child->push;

	subscribers_free(push->subscribers);
	listen_free(child->listen);
	fcgi_server_free(push->server);
	openings_free(push->openings);
	hubs_free(push->hubs);
	tail_free(push->tail);
	inbox_free(push->inbox);
	live_free(push->live);
	leases_free(push->leases);
	notices_free(push->notices);
	chase_free(child->push.chase);
	restore_free(push->restore);
	limiter_free(push->limiter);
	revoked_free(push->revoked);
	stores_free(push->stores);
	turn_free(push->turn);
	if (child->signals != NULL)
		event_free(child->signals);
	if (child->begin_timer != NULL)
		event_free(child->begin_timer);
	if (child->idle_timer != NULL)
		event_free(child->idle_timer);
	if (child->alive_timer != NULL)
		event_free(child->alive_timer);
	if (push->base != NULL)
		event_base_free(push->base);
	keyring_free(child->ring);
}

static bool child_goes_on(const struct child *child)
{
	if (!child->is_stopping)
		return true;
	return fcgi_server_count(child->push.server) > 0 && clock_mono_ms() < child->stop_by_ms;
}

int child_run(struct prefork_child *prefork, void *arg)
{
	struct child child = {.prefork = prefork, .opts = arg};
	struct buf error = BUF_INIT;
	int status = 1;

	if (child_make(&child, &error) != 0) {
		log_error(NULL, "could not start",
			  LOG_S("reason", error.len > 0 ? buf_str(&error) : STR("out of memory")));
	} else {
		status = 0;
		while (status == 0 && child_goes_on(&child))
			status = turn_run(child.push.turn) == 0 ? 0 : 1;
		if (status != 0)
			log_error(NULL, "the event loop has failed");
	}
	child_unmake(&child);
	buf_deinit(&error);
	return status;
}
