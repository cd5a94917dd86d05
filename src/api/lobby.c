/* SPDX-License-Identifier: BSD-2-Clause */
/* Who waits at the door, coming in or going out. */
#include "config.h"

#include "api/lobby.h"

#include <errno.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

enum {
	READ_STEP = 16384,
	/* Of one connection before others have their turn: a usual request with its body. */
	READ_MOST = 8 * READ_STEP,
	/* A web server connects and sends at once: while the house is quiet, that is waited for here. */
	MOMENT_MS = 1,
	QUIET_GUESTS = 4,
	/* Once more than so many, or so many bytes, have waited and all are gone, memory is given back. */
	CROWD_GUESTS = 64,
	CROWD_HELD = 1024 * 1024,
	BODY_MAX = LOBBY_HELD_MAX / 2, /* one of those that wait; BELLHOP_LIMIT_BODY is not more */
};

struct guest {
	TAILQ_ENTRY(guest) entry;
	int fd;
	uint32_t events;  /* what epoll watches it for; 0: not at all */
	int64_t since_ms; /* its part has lasted since then */
	size_t held;
	struct intake intake;
	bool has_come;	  /* a byte of it */
	bool has_closed;  /* nothing more comes, or is read */
	bool is_answered; /* what is in intake.out is all that it gets */
	bool is_shut;	  /* it got it; what it still sends is thrown away, until it closes */
};

struct lobby {
	int epoll_fd;
	int64_t timeout_ms, end_ms;
	size_t body_limit;
	unsigned n_guests, guests_max;
	size_t held;
	bool was_crowded;		  /* since it was empty last */
	TAILQ_HEAD(guests, guest) guests; /* whose part has lasted longest first */
};

struct lobby *lobby_new(int epoll_fd, unsigned guests_max)
{
	struct lobby *lobby = calloc(1, sizeof(*lobby));

	if (lobby == NULL)
		return NULL;
	lobby->epoll_fd = epoll_fd;
	lobby->guests_max = guests_max;
	lobby->end_ms = INT64_MAX;
	TAILQ_INIT(&lobby->guests);
	return lobby;
}

void lobby_limit(struct lobby *lobby, int64_t timeout_ms, size_t body_limit)
{
	lobby->timeout_ms = timeout_ms;
	lobby->body_limit = body_limit;
}

void lobby_end_by(struct lobby *lobby, int64_t end_ms)
{
	lobby->end_ms = end_ms;
}

struct intake *lobby_intake(struct guest *guest)
{
	return &guest->intake;
}

/* ---- coming and going ---- */

/* What many have held lies in pieces, which the allocator would keep for good. */
static void give_back(struct lobby *lobby)
{
	if (lobby->n_guests > 0 || !lobby->was_crowded)
		return;
	lobby->was_crowded = false;
#ifdef __GLIBC__
	(void)malloc_trim(0);
#endif
}

/* Closing takes the descriptor out of epoll. */
static void leave(struct lobby *lobby, struct guest *guest)
{
	close(guest->fd);
	TAILQ_REMOVE(&lobby->guests, guest, entry);
	lobby->n_guests--;
	lobby->held -= guest->held;
	intake_deinit(&guest->intake);
	free(guest);
	give_back(lobby);
}

/* Somebody goes before all is done. */
static void drop(struct lobby *lobby, struct guest *guest, const char *reason)
{
	const struct log_ctx ctx = {.request_id = str_of(guest->intake.request.request_id)};

	if (!guest->is_answered && guest->has_come)
		log_warn(NULL, "connection dropped: no whole request came",
			 LOG_STR("reason", reason));
	else if (guest->is_answered && !guest->is_shut)
		log_warn(&ctx, "the web server did not take the answer", LOG_STR("reason", reason));
	leave(lobby, guest);
}

void lobby_free(struct lobby *lobby)
{
	if (lobby == NULL)
		return;
	while (!TAILQ_EMPTY(&lobby->guests))
		leave(lobby, TAILQ_FIRST(&lobby->guests));
	free(lobby);
}

/* The time-out begins anew, for the next part. */
static void renew(struct lobby *lobby, struct guest *guest)
{
	TAILQ_REMOVE(&lobby->guests, guest, entry);
	guest->since_ms = clock_mono_ms();
	TAILQ_INSERT_TAIL(&lobby->guests, guest, entry);
}

/* When its time is over (clock_mono_ms). */
static int64_t due_ms(const struct lobby *lobby, const struct guest *guest)
{
	const int64_t due_ms = guest->since_ms + lobby->timeout_ms;

	return due_ms < lobby->end_ms ? due_ms : lobby->end_ms;
}

/* It waits: for what, and with how much. The guest may be gone afterwards. */
static void stay(struct lobby *lobby, struct guest *guest)
{
	const struct intake *intake = &guest->intake;
	struct epoll_event event = {.data.ptr = guest};

	event.events = (guest->has_closed ? 0 : EPOLLIN) | (intake->out.len > 0 ? EPOLLOUT : 0);
	if (event.events != guest->events &&
	    epoll_ctl(lobby->epoll_fd, guest->events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD,
		      guest->fd, &event) != 0) {
		log_error(NULL, "could not wait for a request", LOG_ERRNO(errno));
		leave(lobby, guest);
		return;
	}
	guest->events = event.events;
	/* Where bodies have no limit of their own: nobody else goes for one that would not fit. */
	if (intake->body.len > BODY_MAX) {
		drop(lobby, guest, "too large a body");
		return;
	}
	lobby->held -= guest->held;
	guest->held = intake_held(intake);
	lobby->held += guest->held;
	lobby->was_crowded |= lobby->n_guests > CROWD_GUESTS || lobby->held > CROWD_HELD;
	while (lobby->held > LOBBY_HELD_MAX && TAILQ_FIRST(&lobby->guests) != guest)
		drop(lobby, TAILQ_FIRST(&lobby->guests), "too much waits");
}

/* ---- bytes ---- */

/* Reads what is there, `most` bytes for now. -1: the peer has gone. */
static int receive(struct lobby *lobby, struct guest *guest, size_t most)
{
	struct intake *intake = &guest->intake;
	char bytes[READ_STEP];

	while (most > 0) {
		const enum intake_state before = intake->state;
		const size_t step = most < sizeof(bytes) ? most : sizeof(bytes);
		ssize_t n = recv(guest->fd, bytes, step, MSG_DONTWAIT);

		if (n == 0) {
			guest->has_closed = true;
			/* It may still read its answer. Without a request there is none. */
			return guest->is_answered ? 0 : -1;
		}
		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -1;
		most -= (size_t)n;
		guest->has_come = true;
		if (guest->is_answered)
			continue;
		intake_feed(intake, (struct str){bytes, (size_t)n});
		if (before == INTAKE_HEAD && intake->state == INTAKE_BODY)
			renew(lobby, guest);
		if (intake->state > INTAKE_BODY || intake_is_over(intake) || (size_t)n < step)
			return 0;
	}
	return 0;
}

/* Writes what waits, as far as the peer takes it. -1: it takes no more. */
static int deliver(struct guest *guest)
{
	struct buf *out = &guest->intake.out;

	while (out->len > 0) {
		ssize_t n = send(guest->fd, out->data, out->len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -1;
		buf_consume(out, (size_t)n);
	}
	return 0;
}

/* Whether the request waits for its answer, or for leave to be longer. */
static bool is_asking(const struct guest *guest)
{
	return !guest->is_answered &&
	       (guest->intake.state == INTAKE_DONE || intake_is_over(&guest->intake));
}

/* What needs no request: it gets what is in out, and nothing else of it is read. */
static void end_broken(struct lobby *lobby, struct guest *guest)
{
	struct intake *intake = &guest->intake;

	if (intake->state == INTAKE_ABORTED)
		intake_end(intake);
	else
		log_warn(NULL, "could not read from the web server: not fastcgi",
			 LOG_STR("reason", intake->parser.broken));
	guest->has_closed = guest->is_answered = guest->is_shut = true;
	renew(lobby, guest);
}

/* Sends what there is; it waits, or has all. The guest may be gone afterwards. */
static void proceed(struct lobby *lobby, struct guest *guest)
{
	const struct intake *intake = &guest->intake;

	if (deliver(guest) != 0) {
		drop(lobby, guest, "the peer has gone");
		return;
	}
	if (guest->is_answered && intake->out.len == 0) {
		if (guest->has_closed) {
			leave(lobby, guest);
			return;
		}
		/* To close with bytes unread would reset the connection, and the answer with it. */
		if (!guest->is_shut)
			(void)shutdown(guest->fd, SHUT_WR);
		guest->is_shut = true;
	}
	stay(lobby, guest);
}

/* The guest where it asks something, else NULL: then it waits, or is gone. */
static struct guest *attend(struct lobby *lobby, struct guest *guest)
{
	if (!guest->has_closed && receive(lobby, guest, READ_MOST) != 0) {
		drop(lobby, guest, "the peer has gone");
		return NULL;
	}
	if (is_asking(guest))
		return guest;
	if (!guest->is_answered && guest->intake.state > INTAKE_DONE)
		end_broken(lobby, guest);
	proceed(lobby, guest);
	return NULL;
}

bool lobby_make_room(struct lobby *lobby)
{
	struct guest *oldest = TAILQ_FIRST(&lobby->guests);

	if (oldest == NULL)
		return false;
	drop(lobby, oldest, "descriptors or memory are scarce");
	return true;
}

struct guest *lobby_admit(struct lobby *lobby, int fd)
{
	struct pollfd peer = {.fd = fd, .events = POLLIN};
	struct guest *guest = calloc(1, sizeof(*guest));

	if (guest == NULL) {
		log_error(NULL, "could not wait for a request", LOG_ERRNO(ENOMEM));
		close(fd);
		return NULL;
	}
	if (lobby->n_guests == lobby->guests_max)
		drop(lobby, TAILQ_FIRST(&lobby->guests), "too many wait");
	guest->fd = fd;
	guest->since_ms = clock_mono_ms();
	intake_init(&guest->intake, lobby->body_limit);
	TAILQ_INSERT_TAIL(&lobby->guests, guest, entry);
	lobby->n_guests++;
	if (lobby->n_guests <= QUIET_GUESTS)
		(void)poll(&peer, 1, MOMENT_MS);
	return attend(lobby, guest);
}

struct guest *lobby_wake(struct lobby *lobby, struct guest *guest)
{
	return attend(lobby, guest);
}

void lobby_go_on(struct lobby *lobby, struct guest *guest)
{
	proceed(lobby, guest);
}

void lobby_answer(struct lobby *lobby, struct guest *guest, struct str cgi)
{
	struct intake *intake = &guest->intake;

	guest->is_answered = true;
	guest->has_closed = intake->has_ended;
	buf_deinit(&intake->body);
	intake_answer(intake, cgi);
	if (!buf_ok(&intake->out)) {
		drop(lobby, guest, "out of memory");
		return;
	}
	renew(lobby, guest);
	proceed(lobby, guest);
}

/* ---- time ---- */

/*
 * So much was waiting that it was not the peer who dawdled. A body and an answer come to an end, so nobody
 * gets time for ever; a byte now and then is no reason to wait longer.
 */
static bool has_moved(const struct guest *guest, size_t body_before, size_t out_before)
{
	if (guest->is_answered)
		return guest->intake.out.len < out_before;
	return guest->intake.body.len >= body_before + READ_STEP;
}

/* Whether it has all of its answer, and was not told so. */
static bool is_taken(const struct guest *guest)
{
	return guest->is_answered && !guest->is_shut && guest->intake.out.len == 0;
}

/*
 * Its time is over, but perhaps another request has held the worker meanwhile: what has come in time may lie
 * unread, and what was to be taken may not have been given. The guest where it asks something by now, else NULL.
 */
static struct guest *look_again(struct lobby *lobby, struct guest *guest, int64_t now_ms)
{
	const size_t body = guest->intake.body.len, out = guest->intake.out.len;
	struct pollfd peer = {.fd = guest->fd, .events = (short)guest->events};
	int unread = 0;

	if (poll(&peer, 1, 0) <= 0) {
		drop(lobby, guest, "time-out");
		return NULL;
	}
	(void)ioctl(guest->fd, FIONREAD, &unread);
	/* One byte more: the end of it. */
	if ((!guest->has_closed && receive(lobby, guest, (size_t)unread + 1) != 0) ||
	    deliver(guest) != 0) {
		drop(lobby, guest, "the peer has gone");
		return NULL;
	}
	if (is_asking(guest))
		return guest;
	if (!guest->is_answered && guest->intake.state > INTAKE_DONE)
		end_broken(lobby, guest);
	else if (has_moved(guest, body, out))
		renew(lobby, guest);
	if (due_ms(lobby, guest) > now_ms || is_taken(guest))
		proceed(lobby, guest);
	else
		drop(lobby, guest, "time-out");
	return NULL;
}

struct guest *lobby_expire(struct lobby *lobby)
{
	const int64_t now_ms = clock_mono_ms();
	struct guest *guest;

	while ((guest = TAILQ_FIRST(&lobby->guests)) != NULL && due_ms(lobby, guest) <= now_ms) {
		guest = look_again(lobby, guest, now_ms);
		if (guest != NULL)
			return guest;
	}
	return NULL;
}

int64_t lobby_deadline(const struct lobby *lobby)
{
	const struct guest *next = TAILQ_FIRST(&lobby->guests);

	return next != NULL ? due_ms(lobby, next) : INT64_MAX;
}

/* Something of it is here that was not read yet, its end included. */
static bool has_unread(const struct guest *guest)
{
	struct pollfd peer = {.fd = guest->fd, .events = POLLIN};

	return poll(&peer, 1, 0) > 0;
}

static bool is_idle(const struct guest *guest)
{
	return guest->intake.state == INTAKE_HEAD && !has_unread(guest) &&
	       clock_mono_ms() - guest->since_ms >= LOBBY_GRACE_MS;
}

bool lobby_close_idle(struct lobby *lobby)
{
	struct guest *guest, *next;

	for (guest = TAILQ_FIRST(&lobby->guests); guest != NULL; guest = next) {
		next = TAILQ_NEXT(guest, entry);
		if (is_idle(guest))
			leave(lobby, guest);
	}
	return !TAILQ_EMPTY(&lobby->guests);
}
