/* SPDX-License-Identifier: BSD-2-Clause */
/* libcurl's multi interface over epoll. */
#include "config.h"

#include "engine.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"

enum { EVENTS = 256 };

struct engine {
	CURLM *multi;
	int epoll_fd;
	int64_t timer_ms; /* when libcurl wants to be called without an event; -1: never */
};

/* libcurl says what it waits for on a socket. `known` is not NULL if epoll has it already. */
static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
	struct engine *engine = arg;
	struct epoll_event event = {.data.fd = fd};

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		epoll_ctl(engine->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
		return 0;
	}
	event.events = (what & CURL_POLL_IN ? EPOLLIN : 0U) |
		       (what & CURL_POLL_OUT ? EPOLLOUT : 0U);
	epoll_ctl(engine->epoll_fd, known != NULL ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
	curl_multi_assign(engine->multi, fd, engine);
	return 0;
}

static int set_timer(CURLM *multi, long timeout_ms, void *arg)
{
	struct engine *engine = arg;

	(void)multi;
	engine->timer_ms = timeout_ms < 0 ? -1 : clock_mono_ms() + timeout_ms;
	return 0;
}

struct engine *engine_new(long max_connections)
{
	struct engine *engine = calloc(1, sizeof(*engine));

	if (engine == NULL)
		return NULL;
	engine->timer_ms = -1;
	engine->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	engine->multi = curl_multi_init();
	if (engine->epoll_fd < 0 || engine->multi == NULL) {
		engine_free(engine);
		return NULL;
	}
	curl_multi_setopt(engine->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
	curl_multi_setopt(engine->multi, CURLMOPT_SOCKETDATA, engine);
	curl_multi_setopt(engine->multi, CURLMOPT_TIMERFUNCTION, set_timer);
	curl_multi_setopt(engine->multi, CURLMOPT_TIMERDATA, engine);
	curl_multi_setopt(engine->multi, CURLMOPT_MAXCONNECTS, max_connections);
	return engine;
}

void engine_free(struct engine *engine)
{
	if (engine == NULL)
		return;
	if (engine->multi != NULL)
		curl_multi_cleanup(engine->multi);
	if (engine->epoll_fd >= 0)
		close(engine->epoll_fd);
	free(engine);
}

int engine_start(struct engine *engine, struct engine_transfer *transfer)
{
	curl_easy_setopt(transfer->easy, CURLOPT_PRIVATE, (void *)transfer);
	return curl_multi_add_handle(engine->multi, transfer->easy) == CURLM_OK ? 0 : -1;
}

void engine_cancel(struct engine *engine, struct engine_transfer *transfer)
{
	curl_multi_remove_handle(engine->multi, transfer->easy);
}

/* Tells those whose transfer is over. */
static void finish(struct engine *engine)
{
	struct CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(engine->multi, &left)) != NULL) {
		struct engine_transfer *transfer = NULL;
		CURLcode code = message->data.result;

		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
		curl_multi_remove_handle(engine->multi, transfer->easy);
		transfer->done(transfer, code);
	}
}

static int act(struct engine *engine, curl_socket_t fd, int what)
{
	int running;

	return curl_multi_socket_action(engine->multi, fd, what, &running) == CURLM_OK ? 0 : -1;
}

int engine_turn(struct engine *engine, int wait_ms)
{
	struct epoll_event events[EVENTS];
	int n;

	if (engine->timer_ms >= 0 && clock_wait_ms(engine->timer_ms) < wait_ms)
		wait_ms = clock_wait_ms(engine->timer_ms);
	n = epoll_wait(engine->epoll_fd, events, EVENTS, wait_ms);
	if (n < 0 && errno != EINTR)
		return -1;
	for (int i = 0; i < n; i++) {
		int what = (events[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) |
			   (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
			   (events[i].events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);

		if (act(engine, events[i].data.fd, what) != 0)
			return -1;
	}
	if (engine->timer_ms >= 0 && clock_wait_ms(engine->timer_ms) == 0) {
		engine->timer_ms = -1;
		if (act(engine, CURL_SOCKET_TIMEOUT, 0) != 0)
			return -1;
	}
	finish(engine);
	return 0;
}
