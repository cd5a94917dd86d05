/* SPDX-License-Identifier: BSD-2-Clause */
/* Accepting, and when not to. */
#include "config.h"

#include "push/listen.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/daemon.h"
#include "base/log.h"
#include "push/fcgi_conn.h"

struct listen {
	struct listen_opts opts;
	struct event *readable, *pause;
	bool is_on;	 /* between start and stop */
	bool is_pausing; /* descriptors are scarce: until the timer, or a connection that goes */
};

/* Accepts again if nothing speaks against it. */
static void listen_look(struct listen *listen)
{
	if (listen->is_on && !listen->is_pausing &&
	    fcgi_server_count(listen->opts.server) < listen->opts.max)
		event_add(listen->readable, NULL);
	else
		event_del(listen->readable);
}

static void listen_pause(struct listen *listen, int error)
{
	const struct timeval wait = {LISTEN_PAUSE_MS / 1000, LISTEN_PAUSE_MS % 1000 * 1000};

	log_warn(NULL, "accepting pauses", LOG_ERRNO(error),
		 LOG_INT("connections", fcgi_server_count(listen->opts.server)));
	listen->is_pausing = event_add(listen->pause, &wait) == 0;
	listen_look(listen);
}

static void on_pause(evutil_socket_t fd, short what, void *arg)
{
	struct listen *listen = arg;

	(void)fd;
	(void)what;
	listen->is_pausing = false;
	listen_look(listen);
}

/* Returns false when there is nothing more to accept in this turn. */
static bool listen_accept(struct listen *listen)
{
	int fd = accept4(listen->opts.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0) {
		switch (errno) {
		case EMFILE:
		case ENFILE:
		case ENOBUFS:
		case ENOMEM:
			listen_pause(listen, errno);
			return false;
		case ECONNABORTED:
			return true;
		default:
			return false;
		}
	}
	if (!daemon_peer_allowed(listen->opts.peers, fd)) {
		log_warn(NULL, "refused a connection from a peer that may not connect");
		close(fd);
		return true;
	}
	if (fcgi_conn_start(listen->opts.server, fd) != 0) {
		listen_pause(listen, ENOMEM);
		return false;
	}
	return true;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct listen *listen = arg;

	(void)fd;
	(void)what;
	for (int i = 0; i < LISTEN_BATCH; i++) {
		if (fcgi_server_count(listen->opts.server) >= listen->opts.max ||
		    !listen_accept(listen))
			break;
	}
	listen_look(listen);
}

void listen_start(struct listen *listen)
{
	listen->is_on = true;
	listen_look(listen);
}

void listen_stop(struct listen *listen)
{
	listen->is_on = false;
	listen_look(listen);
}

void listen_room(struct listen *listen)
{
	if (listen->is_pausing) {
		event_del(listen->pause);
		listen->is_pausing = false;
	}
	listen_look(listen);
}

struct listen *listen_new(const struct listen_opts *opts)
{
	struct listen *listen = calloc(1, sizeof(*listen));

	if (listen == NULL)
		return NULL;
	listen->opts = *opts;
	listen->readable =
		event_new(opts->base, opts->fd, EV_READ | EV_PERSIST, on_readable, listen);
	listen->pause = evtimer_new(opts->base, on_pause, listen);
	if (listen->readable == NULL || listen->pause == NULL) {
		listen_free(listen);
		return NULL;
	}
	return listen;
}

void listen_free(struct listen *listen)
{
	if (listen == NULL)
		return;
	if (listen->readable != NULL)
		event_free(listen->readable);
	if (listen->pause != NULL)
		event_free(listen->pause);
	free(listen);
}
