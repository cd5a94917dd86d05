/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The accept loop. Signals are read from a descriptor between requests only, and just before each: one that
 * is being answered is always finished, one that came after a signal is answered as that told, and an idle
 * worker reacts at once. Whose head was here when the worker was told to stop, or comes just then, is still
 * served.
 */
#include "config.h"

#include "api/worker.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/dispatch.h"
#include "api/lobby.h"
#include "base/clock.h"

enum {
	TICK_MS = STARTUP_ALIVE_MS,
	PAUSE_MS = 1000,      /* of accepting, after EMFILE and its like */
	DESCRIPTORS_KEPT = 64 /* for all but those who wait */
};

struct worker {
	const struct worker_opts *opts;
	struct prefork_child *child;
	struct gate gate;
	struct stores *stores;
	struct revoked *revoked;
	struct limiter *limiter;
	struct lobby *lobby;
	struct buf cgi; /* reused from request to request */
	int epoll_fd;
	int64_t pause_until_ms; /* 0: none */
	bool is_stopping;
};

static const struct conf *conf_of(const struct worker *w)
{
	return w->opts->startup->conf;
}

static void limit_guests(struct worker *w)
{
	lobby_limit(w->lobby, conf_int(conf_of(w), CONF_IO_TIMEOUT_MS),
		    (size_t)conf_int(conf_of(w), CONF_LIMIT_BODY));
}

/* ---- signals ---- */

static void reload(struct worker *w)
{
	struct startup *startup = w->opts->startup;
	struct buf error = BUF_INIT;
	struct conf *old;
	struct gate gate;

	if (startup_reload(startup, &old) != 0)
		return;
	if (gate_load(startup->conf, &gate, &error) == 0) {
		gate_deinit(&w->gate);
		w->gate = gate;
		limit_guests(w);
		conf_free(old);
	} else {
		/* Checked a moment ago: a file changed in between. The old keys keep their settings. */
		log_error(NULL, "could not reload keys", LOG_S("reason", buf_str(&error)));
		conf_free(startup->conf);
		startup->conf = old;
	}
	buf_deinit(&error);
}

static void unlisten(struct worker *w)
{
	(void)epoll_ctl(w->epoll_fd, EPOLL_CTL_DEL, w->opts->listen_fd, NULL);
}

/*
 * Half of the time that a stop has is for those who dawdle, the other for what is answered then: so it ends
 * before the master ends it.
 */
static void stop(struct worker *w)
{
	const int64_t time_ms = conf_int(conf_of(w), CONF_STOP_TIMEOUT_MS);

	if (!w->is_stopping)
		lobby_end_by(w->lobby, clock_mono_ms() + time_ms / 2);
	w->is_stopping = true;
	w->pause_until_ms = 0;
	unlisten(w);
}

static void take_signals(struct worker *w)
{
	int signo;

	while ((signo = daemon_signals_next(w->child->signal_fd)) != 0) {
		if (signo == SIGTERM || signo == SIGINT)
			stop(w);
		else if (signo == SIGHUP)
			reload(w);
	}
}

/* ---- one request ---- */

static void log_request(const struct call *call, int64_t began_us)
{
	log_info(&call->log, "request", LOG_S("method", call->request.method_text),
		 LOG_STR("route", call->pattern), LOG_INT("status", call->reply.status),
		 LOG_INT("duration_us", clock_mono_us() - began_us));
}

static int write_cgi(struct worker *w, struct call *call)
{
	buf_reset(&w->cgi);
	cors_put(&call->reply.head, &w->gate.cors, call->request.origin);
	return reply_write_cgi(&call->reply, call->request.method == REQUEST_HEAD, &w->cgi);
}

static void write_answer(struct worker *w, struct call *call)
{
	call->reply.mode = mode_text(stores_mode(w->stores));
	if (write_cgi(w, call) != 0) {
		call_refuse(call, PROBLEM_INTERNAL, NULL);
		(void)write_cgi(w, call);
	}
}

static void answer(struct worker *w, struct guest *guest)
{
	const int64_t began_us = clock_mono_us();
	struct intake *intake = lobby_intake(guest);
	struct call call = {
		.gate = &w->gate,
		.stores = w->stores,
		.revoked = w->revoked,
		.limiter = w->limiter,
		.conf = conf_of(w),
		.request = intake->request,
		.body = &intake->body,
		.texts = {.seal = w->gate.seal},
		.pattern = "",
	};
	bool is_admitted;

	call.log.request_id = str_of(call.request.request_id);
	reply_init(&call.reply, call.request.request_id, NULL);
	call.reply.lines = call.limit.lines;
	is_admitted = dispatch_admit(&call, intake->fault, intake->detail);
	/* Now it is known whose body it is, and so how long it may be. */
	if (intake_is_over(intake) && intake_may_go_on(intake, dispatch_body_limit(&call))) {
		lobby_go_on(w->lobby, guest);
	} else {
		call.body_state = intake_body(intake);
		if (is_admitted)
			dispatch(&call);
		if (call.texts.out_of_memory)
			call_refuse(&call, PROBLEM_INTERNAL, NULL);
		write_answer(w, &call);
		log_request(&call, began_us);
		seal_reader_log(&call.texts, &call.log);
		lobby_answer(w->lobby, guest, buf_str(&w->cgi));
	}
	stores_redis_settle(w->stores);
	seal_reader_deinit(&call.texts);
	json_read_free(call.json);
	authn_identity_deinit(&call.who);
	reply_deinit(&call.reply);
}

/* A guest that asks something, or NULL. */
static void serve(struct worker *w, struct guest *guest)
{
	if (guest == NULL)
		return;
	take_signals(w);
	answer(w, guest);
}

/* An event has `what` in data.ptr: the worker for its socket, NULL for signals; a guest is the lobby's. */
static int watch(struct worker *w, int fd, uint32_t events, void *what)
{
	struct epoll_event event = {.events = events, .data.ptr = what};

	return epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

/* EXCLUSIVE: a connection wakes one worker, not all. */
static int listen_on(struct worker *w)
{
	return watch(w, w->opts->listen_fd, EPOLLIN | EPOLLEXCLUSIVE, w);
}

static void listen_again(struct worker *w)
{
	if (listen_on(w) == 0)
		return;
	log_error(NULL, "could not go on listening", LOG_ERRNO(errno));
	w->is_stopping = true; /* the master starts another one */
}

/*
 * Of the workers that have nothing to do the one that has listened longest is woken, each time. One that
 * somebody waits at lets the others go first, lest all wait here.
 */
static void let_others_go_first(struct worker *w)
{
	unlisten(w);
	listen_again(w);
}

/* The socket stays readable: to try again at once would not end. */
static void begin_pause(struct worker *w, int error)
{
	log_warn(NULL, "accepting pauses", LOG_ERRNO(error));
	unlisten(w);
	w->pause_until_ms = clock_mono_ms() + PAUSE_MS;
}

static void end_pause(struct worker *w)
{
	if (w->pause_until_ms == 0 || clock_mono_ms() < w->pause_until_ms)
		return;
	w->pause_until_ms = 0;
	listen_again(w);
}

static bool is_scarcity(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

static int accept_fd(struct worker *w)
{
	return accept4(w->opts->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

static void accept_one(struct worker *w)
{
	int fd = accept_fd(w);

	if (fd < 0 && is_scarcity(errno) && lobby_make_room(w->lobby))
		fd = accept_fd(w);
	if (fd < 0) {
		/* Another worker was faster, or the client has gone: not worth a line. */
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			begin_pause(w, errno);
		return;
	}
	if (!daemon_peer_allowed(w->opts->peers, fd)) {
		log_warn(NULL, "connection refused: this user is not in BELLHOP_SOCKET_PEERS");
		close(fd);
		return;
	}
	serve(w, lobby_admit(w->lobby, fd));
	if (!w->is_stopping && lobby_deadline(w->lobby) != INT64_MAX)
		let_others_go_first(w);
}

/* ---- life ---- */

/* As many as there are descriptors for, but for those that the stores, keys and the log need. */
static unsigned guests_max(void)
{
	const int64_t left = daemon_raise_nofile() - DESCRIPTORS_KEPT;

	if (left > LOBBY_GUESTS_MAX)
		return LOBBY_GUESTS_MAX;
	return left > 1 ? (unsigned)left : 1;
}

static int begin(struct worker *w)
{
	struct buf error = BUF_INIT;
	int result = -1;

	if (gate_load(conf_of(w), &w->gate, &error) != 0)
		goto out;
	w->stores = stores_new(conf_of(w), w->opts->board, &error);
	if (w->stores == NULL)
		goto out;
	w->revoked = revoked_new(w->stores);
	w->limiter = limiter_new(w->stores, w->opts->rates);
	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	w->lobby = lobby_new(w->epoll_fd, guests_max());
	if (w->revoked == NULL || w->limiter == NULL || w->lobby == NULL || w->epoll_fd < 0 ||
	    watch(w, w->child->signal_fd, EPOLLIN, NULL) != 0 || listen_on(w) != 0) {
		buf_puts(&error, strerror(errno));
		goto out;
	}
	limit_guests(w);
	result = 0;
out:
	if (result != 0)
		log_error(NULL, "could not start a worker", LOG_S("reason", buf_str(&error)));
	buf_deinit(&error);
	return result;
}

static void end(struct worker *w)
{
	lobby_free(w->lobby);
	if (w->epoll_fd >= 0)
		close(w->epoll_fd);
	limiter_free(w->limiter);
	revoked_free(w->revoked);
	stores_free(w->stores);
	gate_deinit(&w->gate);
	buf_deinit(&w->cgi);
}

static int64_t earlier(int64_t a_ms, int64_t b_ms)
{
	return a_ms < b_ms ? a_ms : b_ms;
}

static void wait_for_event(struct worker *w, int64_t tick_ms)
{
	const int64_t until_ms = earlier(lobby_deadline(w->lobby), tick_ms);
	struct epoll_event event;

	if (epoll_wait(w->epoll_fd, &event, 1, clock_wait_ms(until_ms)) <= 0)
		return;
	if (event.data.ptr == NULL)
		return; /* signals: they are taken next */
	if (event.data.ptr == w)
		accept_one(w);
	else
		serve(w, lobby_wake(w->lobby, event.data.ptr));
}

static int64_t wake_by(const struct worker *w, int64_t tick_ms)
{
	int64_t due_ms = earlier(tick_ms, revoked_tick(w->revoked));

	if (w->pause_until_ms != 0)
		due_ms = earlier(due_ms, w->pause_until_ms);
	return w->is_stopping ? earlier(due_ms, clock_mono_ms() + LOBBY_GRACE_MS) : due_ms;
}

/* Who came before the list is read would only be told to come again. */
static void read_revoked(struct worker *w)
{
	do {
		prefork_alive(w->child);
		revoked_tick(w->revoked);
		take_signals(w);
	} while (!w->is_stopping && revoked_is_behind(w->revoked));
}

int worker_run(struct prefork_child *child, void *arg)
{
	struct worker w = {.opts = arg, .child = child, .epoll_fd = -1};
	int64_t tick_ms = 0;

	if (begin(&w) != 0) {
		end(&w);
		return 1;
	}
	stores_warm(w.stores);
	read_revoked(&w);
	prefork_ready(child);
	while (!w.is_stopping || lobby_close_idle(w.lobby)) {
		prefork_alive(child);
		if (clock_mono_ms() >= tick_ms) {
			stores_tick(w.stores, child->index == 0);
			tick_ms = clock_mono_ms() + TICK_MS;
		}
		end_pause(&w);
		wait_for_event(&w, wake_by(&w, tick_ms));
		serve(&w, lobby_expire(w.lobby));
		take_signals(&w);
	}
	end(&w);
	return 0;
}
