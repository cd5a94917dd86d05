/* SPDX-License-Identifier: BSD-2-Clause */
/* Who waits at the door. */
#include "config.h"

#include "api/lobby.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "web/fcgi_record.h"

enum {
	/* A web server connects and sends at once: nearly every head is here within this time. */
	MOMENT_MS = 20,
	GUESTS_MAX = 256,
	/*
	 * What waits here fills the peer's send buffer, which takes no more than about 70 pieces of a
	 * byte each: half a head of this size is libfcgi's to read on, and to cut off.
	 */
	CLOG_SIZE = 64,
};

enum head {
	HEAD_WHOLE,
	HEAD_PART,
	HEAD_GONE /* the peer has closed, and will not send the rest */
};

struct guest {
	TAILQ_ENTRY(guest) entry;
	int fd;
	int64_t deadline_ms;
};

struct lobby {
	int epoll_fd;
	unsigned n_guests;
	TAILQ_HEAD(guests, guest) guests; /* the oldest first */
};

struct lobby *lobby_new(int epoll_fd)
{
	struct lobby *lobby = malloc(sizeof(*lobby));

	if (lobby == NULL)
		return NULL;
	lobby->epoll_fd = epoll_fd;
	lobby->n_guests = 0;
	TAILQ_INIT(&lobby->guests);
	return lobby;
}

/* Ends the waiting. The descriptor, still open, is the caller's. */
static int leave(struct lobby *lobby, struct guest *guest)
{
	int fd = guest->fd;

	(void)epoll_ctl(lobby->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	TAILQ_REMOVE(&lobby->guests, guest, entry);
	lobby->n_guests--;
	free(guest);
	return fd;
}

static void drop(struct lobby *lobby, struct guest *guest, const char *reason)
{
	log_warn(NULL, "connection dropped: no whole request came", LOG_STR("reason", reason));
	close(leave(lobby, guest));
}

void lobby_free(struct lobby *lobby)
{
	if (lobby == NULL)
		return;
	while (!TAILQ_EMPTY(&lobby->guests))
		close(leave(lobby, TAILQ_FIRST(&lobby->guests)));
	free(lobby);
}

/*
 * Whether n bytes hold a whole head. What is not a head at all, or makes the parser answer by itself,
 * is taken for one: libfcgi does not wait with it.
 */
static bool is_whole(const char *bytes, size_t n)
{
	struct fcgi_record_parser parser;
	struct fcgi_record_part part;
	struct buf answers = BUF_INIT;
	enum fcgi_record_step step;
	struct scan in;

	fcgi_record_init(&parser);
	scan_init(&in, bytes, n);
	do
		step = fcgi_record_next(&parser, &in, &answers, &part);
	while (step == FCGI_RECORD_STARTED || step == FCGI_RECORD_PARAMS_PART);
	if (answers.len > 0 || answers.failed)
		step = FCGI_RECORD_BROKEN;
	buf_deinit(&answers);
	return step != FCGI_RECORD_MORE;
}

static enum head look(int fd)
{
	char bytes[CLOG_SIZE];
	struct pollfd peer = {.fd = fd, .events = POLLRDHUP};
	/* Asked first: then what is read next is all that there will ever be. */
	bool has_gone = poll(&peer, 1, 0) == 1 && peer.revents != 0;
	ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_PEEK | MSG_DONTWAIT);

	if (n >= CLOG_SIZE || (n > 0 && is_whole(bytes, (size_t)n)))
		return HEAD_WHOLE;
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		return HEAD_GONE;
	return has_gone ? HEAD_GONE : HEAD_PART;
}

/* Waits for the first bytes; the whole head mostly comes with them. */
static enum head look_a_moment(int fd)
{
	struct pollfd peer = {.fd = fd, .events = POLLIN};

	(void)poll(&peer, 1, MOMENT_MS);
	return look(fd);
}

/* 0, or -1: nobody will be told when it sends. */
static int stay(struct lobby *lobby, int fd, int64_t deadline_ms)
{
	/* Edges: half a head must not be news again and again. What came before is one. */
	struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.fd = fd};
	struct guest *guest = malloc(sizeof(*guest));

	if (guest == NULL || epoll_ctl(lobby->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
		free(guest);
		return -1;
	}
	guest->fd = fd;
	guest->deadline_ms = deadline_ms;
	TAILQ_INSERT_TAIL(&lobby->guests, guest, entry);
	lobby->n_guests++;
	return 0;
}

bool lobby_admit(struct lobby *lobby, int fd, int64_t deadline_ms)
{
	switch (look_a_moment(fd)) {
	case HEAD_WHOLE:
		return true;
	case HEAD_GONE:
		close(fd);
		return false;
	case HEAD_PART:
		break;
	}
	if (lobby->n_guests == GUESTS_MAX)
		drop(lobby, TAILQ_FIRST(&lobby->guests), "too many wait");
	if (stay(lobby, fd, deadline_ms) != 0) {
		log_error(NULL, "could not wait for a request", LOG_ERRNO(errno));
		close(fd);
	}
	return false;
}

bool lobby_wake(struct lobby *lobby, int fd)
{
	struct guest *guest;

	TAILQ_FOREACH(guest, &lobby->guests, entry) {
		if (guest->fd == fd)
			break;
	}
	if (guest == NULL)
		return false;
	switch (look(fd)) {
	case HEAD_WHOLE:
		(void)leave(lobby, guest);
		return true;
	case HEAD_GONE:
		drop(lobby, guest, "the peer has gone");
		break;
	case HEAD_PART:
		break;
	}
	return false;
}

void lobby_expire(struct lobby *lobby)
{
	struct guest *guest;

	while ((guest = TAILQ_FIRST(&lobby->guests)) != NULL &&
	       guest->deadline_ms <= clock_mono_ms())
		drop(lobby, guest, "time-out");
}

int64_t lobby_deadline(const struct lobby *lobby)
{
	const struct guest *oldest = TAILQ_FIRST(&lobby->guests);

	return oldest != NULL ? oldest->deadline_ms : INT64_MAX;
}
