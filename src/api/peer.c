/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libfcgi 2.4.2 is used for what it does well, and kept from what it does not: it never accepts
 * (FCGX_Accept_r gets a connection in ipcFd and the listening socket -1), never waits in close
 * (`detached` turns its lingering off), never waits for a second request on a connection.
 */
#include "config.h"

#include "api/peer.h"

#include <errno.h>
#include <fcgiapp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum {
	READ_STEP = 16384,
	/* A head that has begun comes from a web server, which has all of it. */
	HEAD_MS = 1000,
};

struct peer {
	FCGX_Request fcgi;
	int64_t timeout_ms;
	bool has_unread; /* some of the body was left on the wire */
};

/* What the alarm cuts; -1 between connections. */
static volatile sig_atomic_t alarm_fd = -1;

static void on_alarm(int signo)
{
	int saved = errno;

	(void)signo;
	if (alarm_fd >= 0)
		(void)shutdown(alarm_fd, SHUT_RDWR);
	errno = saved;
}

static void alarm_set(int64_t ms)
{
	const struct itimerval timer = {
		.it_value = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000}};

	setitimer(ITIMER_REAL, &timer, NULL);
}

static int handle_signals(void)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN}, alarm = {.sa_handler = on_alarm};

	/* libfcgi put handlers of its own on the first two. */
	if (sigaction(SIGPIPE, &ignore, NULL) != 0 || sigaction(SIGUSR1, &ignore, NULL) != 0)
		return -1;
	return sigaction(SIGALRM, &alarm, NULL);
}

struct peer *peer_new(int64_t io_timeout_ms)
{
	struct peer *peer = calloc(1, sizeof(*peer));

	if (peer == NULL)
		return NULL;
	if (FCGX_Init() != 0 || handle_signals() != 0) {
		free(peer);
		return NULL;
	}
	FCGX_InitRequest(&peer->fcgi, -1, FCGI_FAIL_ACCEPT_ON_INTR);
	peer->timeout_ms = io_timeout_ms;
	return peer;
}

void peer_free(struct peer *peer)
{
	free(peer);
}

/* A second fence behind the alarm: no single system call lasts longer either. */
static void limit_calls(int fd, int64_t ms)
{
	const struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
}

int peer_begin(struct peer *peer, int fd, struct request *q)
{
	FCGX_Request *fcgi = &peer->fcgi;

	limit_calls(fd, peer->timeout_ms);
	peer->has_unread = false;
	FCGX_InitRequest(fcgi, -1, FCGI_FAIL_ACCEPT_ON_INTR);
	fcgi->ipcFd = fd;
	fcgi->keepConnection = 1; /* its first act is to finish the request before: not this one */
	fcgi->detached = 1;
	alarm_fd = fd;
	alarm_set(peer->timeout_ms < HEAD_MS ? peer->timeout_ms : HEAD_MS);
	if (FCGX_Accept_r(fcgi) != 0) {
		/* It has closed the connection and then found no listening socket. */
		alarm_set(0);
		alarm_fd = -1;
		return -1;
	}
	alarm_set(peer->timeout_ms);
	for (char **p = fcgi->envp; *p != NULL; p++) {
		const char *equals = strchr(*p, '=');

		if (equals != NULL)
			request_param(q, (struct str){*p, (size_t)(equals - *p)},
				      str_of(equals + 1));
	}
	return 0;
}

static enum peer_body read_body(FCGX_Stream *in, int64_t announced, size_t limit, struct buf *body)
{
	int got;

	if (limit > 0 && announced > 0 && (uint64_t)announced > limit)
		return PEER_BODY_LARGE;
	do {
		if (buf_reserve(body, READ_STEP) != 0)
			return PEER_BODY_MEMORY;
		got = FCGX_GetStr(body->data + body->len, READ_STEP, in);
		body->len += (size_t)got;
		if (limit > 0 && body->len > limit)
			return PEER_BODY_LARGE;
	} while (got == READ_STEP);
	if (FCGX_GetError(in) != 0)
		return PEER_BODY_SHORT;
	if (announced >= 0 && body->len != (uint64_t)announced)
		return body->len < (uint64_t)announced ? PEER_BODY_SHORT : PEER_BODY_LONG;
	return PEER_BODY_WHOLE;
}

enum peer_body peer_read_body(struct peer *peer, int64_t announced, size_t limit, struct buf *body)
{
	enum peer_body result = read_body(peer->fcgi.in, announced, limit, body);

	alarm_set(0);
	peer->has_unread = result == PEER_BODY_LARGE || result == PEER_BODY_MEMORY;
	return result;
}

/*
 * Waits for the peer to stop sending, within the running time-out: closing with bytes unread would
 * reset the connection, and the answer with it.
 */
static void drain(int fd)
{
	char trash[READ_STEP];

	if (shutdown(fd, SHUT_WR) != 0)
		return;
	while (read(fd, trash, sizeof(trash)) > 0)
		;
}

int peer_finish(struct peer *peer, struct str cgi)
{
	FCGX_Request *fcgi = &peer->fcgi;
	int result;

	alarm_set(peer->timeout_ms);
	result = FCGX_PutStr(cgi.p, (int)cgi.n, fcgi->out) == (int)cgi.n ? 0 : -1;
	if (FCGX_FClose(fcgi->err) != 0 || FCGX_FClose(fcgi->out) != 0)
		result = -1;
	fcgi->keepConnection = 1; /* so that closing is left to us, unless an error closed it */
	fcgi->detached = 1;
	FCGX_Finish_r(fcgi);
	if (fcgi->ipcFd >= 0) {
		if (peer->has_unread)
			drain(fcgi->ipcFd);
		alarm_fd = -1;
		close(fcgi->ipcFd);
		fcgi->ipcFd = -1;
	}
	alarm_fd = -1;
	alarm_set(0);
	return result;
}
