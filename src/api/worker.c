/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The accept loop. Signals are read from a descriptor between requests only: one that is being
 * answered is always finished, and an idle worker reacts at once.
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

enum { TICK_MS = STARTUP_ALIVE_MS };

struct worker {
	const struct worker_opts *opts;
	struct prefork_child *child;
	struct gate gate;
	struct stores *stores;
	struct revoked *revoked;
	struct lobby *lobby;
	struct peer *peer;
	struct buf body, cgi; /* reused from request to request */
	int epoll_fd;
	bool is_stopping;
};

static const struct conf *conf_of(const struct worker *w)
{
	return w->opts->startup->conf;
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
		conf_free(old);
	} else {
		/* Checked a moment ago: a file changed in between. The old keys keep their settings. */
		log_error(NULL, "could not reload keys", LOG_S("reason", buf_str(&error)));
		conf_free(startup->conf);
		startup->conf = old;
	}
	buf_deinit(&error);
}

static void take_signals(struct worker *w)
{
	int signo;

	while ((signo = daemon_signals_next(w->child->signal_fd)) != 0) {
		if (signo == SIGTERM || signo == SIGINT)
			w->is_stopping = true;
		else if (signo == SIGHUP)
			reload(w);
	}
}

/* ---- one request ---- */

static void log_request(const struct call *call, int64_t began_us, bool was_taken)
{
	log_info(&call->log, "request", LOG_S("method", call->request.method_text),
		 LOG_STR("route", call->pattern), LOG_INT("status", call->reply.status),
		 LOG_INT("duration_us", clock_mono_us() - began_us),
		 LOG_STR("outcome", was_taken ? NULL : "the web server did not take the answer"));
}

static void send_answer(struct worker *w, struct call *call, int64_t began_us)
{
	bool head_only = call->request.method == REQUEST_HEAD;
	bool was_taken;

	call->reply.mode = mode_text(stores_mode(w->stores));
	buf_reset(&w->cgi);
	if (reply_write_cgi(&call->reply, head_only, &w->cgi) != 0) {
		call_refuse(call, PROBLEM_INTERNAL, NULL);
		buf_reset(&w->cgi);
		(void)reply_write_cgi(&call->reply, head_only, &w->cgi);
	}
	was_taken = peer_finish(w->peer, buf_str(&w->cgi)) == 0;
	log_request(call, began_us, was_taken);
}

static void answer(struct worker *w, int fd)
{
	const int64_t began_us = clock_mono_us();
	struct call call = {
		.gate = &w->gate,
		.stores = w->stores,
		.revoked = w->revoked,
		.conf = conf_of(w),
		.pattern = "",
	};
	const char *detail = NULL;
	enum problem fault;
	bool is_admitted;

	/* Between the waits for the peer, each of which has its own deadline, and what the stores take. */
	prefork_alive(w->child);
	request_init(&call.request);
	if (peer_begin(w->peer, fd, &call.request) != 0) {
		log_warn(NULL, "connection dropped: no whole request came");
		request_deinit(&call.request);
		return;
	}
	fault = request_finish(&call.request, &detail);
	call.log.request_id = str_of(call.request.request_id);
	reply_init(&call.reply, call.request.request_id, NULL);
	buf_reset(&w->body);
	call.body = &w->body;
	is_admitted = dispatch_admit(&call, fault, detail);
	call.body_state = peer_read_body(w->peer, call.request.content_length,
					 dispatch_body_limit(&call), &w->body);
	prefork_alive(w->child);
	if (is_admitted)
		dispatch(&call);
	prefork_alive(w->child);
	send_answer(w, &call, began_us);

	json_read_free(call.json);
	authn_identity_deinit(&call.who);
	reply_deinit(&call.reply);
	request_deinit(&call.request);
}

static void accept_one(struct worker *w)
{
	int fd = accept4(w->opts->listen_fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0) {
		/* Another worker was faster, or the client has gone: not worth a line. */
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			log_error(NULL, "could not accept a connection", LOG_ERRNO(errno));
		return;
	}
	if (!daemon_peer_allowed(w->opts->peers, fd)) {
		log_warn(NULL, "connection refused: this user is not in BELLHOP_SOCKET_PEERS");
		close(fd);
		return;
	}
	if (lobby_admit(w->lobby, fd, clock_mono_ms() + conf_int(conf_of(w), CONF_IO_TIMEOUT_MS)))
		answer(w, fd);
}

/* ---- life ---- */

static int watch(struct worker *w, int fd, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.fd = fd};

	return epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, fd, &event);
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
	w->peer = peer_new(conf_int(conf_of(w), CONF_IO_TIMEOUT_MS));
	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	w->lobby = lobby_new(w->epoll_fd);
	/* EXCLUSIVE: a connection wakes one worker, not all. */
	if (w->revoked == NULL || w->peer == NULL || w->lobby == NULL || w->epoll_fd < 0 ||
	    watch(w, w->child->signal_fd, EPOLLIN) != 0 ||
	    watch(w, w->opts->listen_fd, EPOLLIN | EPOLLEXCLUSIVE) != 0) {
		buf_puts(&error, strerror(errno));
		goto out;
	}
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
	peer_free(w->peer);
	revoked_free(w->revoked);
	stores_free(w->stores);
	gate_deinit(&w->gate);
	buf_deinit(&w->body);
	buf_deinit(&w->cgi);
}

static void wait_for_event(struct worker *w, int64_t tick_ms)
{
	const int64_t lobby_ms = lobby_deadline(w->lobby);
	struct epoll_event event;

	if (epoll_wait(w->epoll_fd, &event, 1,
		       clock_wait_ms(lobby_ms < tick_ms ? lobby_ms : tick_ms)) <= 0)
		return;
	if (event.data.fd == w->opts->listen_fd)
		accept_one(w);
	else if (lobby_wake(w->lobby, event.data.fd))
		answer(w, event.data.fd);
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
	prefork_ready(child);
	while (!w.is_stopping) {
		prefork_alive(child);
		if (clock_mono_ms() >= tick_ms) {
			stores_tick(w.stores, child->index == 0);
			tick_ms = clock_mono_ms() + TICK_MS;
		}
		wait_for_event(&w, tick_ms);
		lobby_expire(w.lobby);
		take_signals(&w);
	}
	end(&w);
	return 0;
}
