/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The blocking carrier. hiredis's own contexts are not used: their time-outs are per system call, so
 * that a server that trickles bytes holds a caller for ever. Here every wait is a poll(2) towards one
 * deadline.
 */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/redis_conn.h"
#include "store/redis_dial.h"

#define READ_SIZE 16384

/* A command that goes along with the next exec's. */
struct rider {
	redis_conn_rider_cb *done; /* NULL: there is none */
	void *arg;
	struct buf commands; /* its own, and once they go, those that it goes along with */
	bool is_due;	     /* sent, and the next reply is its own */
	redisReply *reply;
};

struct redis_conn {
	struct redis_target target;
	const char *name;
	int64_t connect_timeout_ms;
	int fd;			/* -1: not connected */
	struct redis_tls *tls;	/* NULL: none */
	char sealed[READ_SIZE]; /* what was taken out of tls, ... */
	struct str unsent;	/* ... and of this not sent yet */
	redisReader *reader;
	size_t fed; /* bytes since the last complete pipeline */
	struct rider rider;
	uint64_t generation;
	char reason[256];
};

struct redis_conn *redis_conn_new(const struct redis_target *target, const char *name,
				  int64_t connect_timeout_ms)
{
	struct redis_conn *conn = calloc(1, sizeof(*conn));

	if (conn == NULL)
		return NULL;
	if (redis_target_copy(target, &conn->target) != 0) {
		free(conn);
		return NULL;
	}
	conn->name = name;
	conn->connect_timeout_ms = connect_timeout_ms;
	conn->fd = -1;
	return conn;
}

void redis_conn_close(struct redis_conn *conn)
{
	if (conn->fd != -1)
		close(conn->fd);
	conn->fd = -1;
	redis_tls_free(conn->tls);
	conn->tls = NULL;
	conn->unsent = (struct str){NULL, 0};
	if (conn->reader != NULL)
		redisReaderFree(conn->reader);
	conn->reader = NULL;
}

void redis_conn_free(struct redis_conn *conn)
{
	if (conn == NULL)
		return;
	redis_conn_drop_rider(conn);
	redis_conn_close(conn);
	buf_deinit(&conn->rider.commands);
	redis_target_deinit(&conn->target);
	free(conn);
}

void redis_conn_release(redisReply **replies, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (replies[i] != NULL)
			freeReplyObject(replies[i]);
		replies[i] = NULL;
	}
}

const char *redis_conn_reason(const struct redis_conn *conn)
{
	return conn->reason;
}

uint64_t redis_conn_generation(const struct redis_conn *conn)
{
	return conn->generation;
}

/* Notes why and closes. Returns `err`, for `return fail(...)`. */
static enum err fail(struct redis_conn *conn, enum err err, const char *what, const char *why)
{
	snprintf(conn->reason, sizeof(conn->reason), "%s%s%s", what, *why != '\0' ? ": " : "", why);
	redis_conn_close(conn);
	return err;
}

static enum err fail_closed(struct redis_conn *conn)
{
	return fail(conn, ERR_UNCERTAIN, "the server closed the connection", "");
}

static enum err fail_tls(struct redis_conn *conn)
{
	char reason[sizeof(conn->reason)];

	/* It is gone with the connection. */
	snprintf(reason, sizeof(reason), "%s", redis_tls_reason(conn->tls));
	return fail(conn, ERR_UNCERTAIN, reason, "");
}

/* Waits for `events` until the deadline. 1: ready, 0: time is up, -1: errno. */
static int wait_for(int fd, short events, int64_t deadline_ms)
{
	for (;;) {
		struct pollfd p = {.fd = fd, .events = events};
		int n = poll(&p, 1, clock_wait_ms(deadline_ms));

		if (n >= 0 || errno != EINTR)
			return n;
	}
}

static enum err parse(struct redis_conn *conn, const char *bytes, size_t n)
{
	conn->fed += n;
	if (conn->fed > REDIS_WIRE_REPLY_MAX)
		return fail(conn, ERR_PROTOCOL, "the answer is too long", "");
	if (redisReaderFeed(conn->reader, bytes, n) != REDIS_OK)
		return fail(conn, ERR_PROTOCOL, "could not parse", conn->reader->errstr);
	return ERR_NONE;
}

/* What has come by TLS, which may be the middle of something. */
static enum err unseal(struct redis_conn *conn, struct str sealed)
{
	char bytes[READ_SIZE];
	enum err err = ERR_NONE;
	int n = redis_tls_feed(conn->tls, sealed);

	if (n == 0)
		n = redis_tls_read(conn->tls, bytes, sizeof(bytes));
	while (n > 0 && err == ERR_NONE) {
		err = parse(conn, bytes, (size_t)n);
		if (err == ERR_NONE)
			n = redis_tls_read(conn->tls, bytes, sizeof(bytes));
	}
	if (err != ERR_NONE)
		return err;
	return n == 0 ? ERR_NONE : fail_tls(conn);
}

/* Reads what has come, if anything. */
static enum err feed(struct redis_conn *conn)
{
	char bytes[READ_SIZE];
	ssize_t n = recv(conn->fd, bytes, sizeof(bytes), 0);

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return ERR_NONE;
	if (n == -1)
		return fail(conn, ERR_UNCERTAIN, "could not read", strerror(errno));
	if (n == 0)
		return fail_closed(conn);
	return conn->tls != NULL ? unseal(conn, (struct str){bytes, (size_t)n})
				 : parse(conn, bytes, (size_t)n);
}

/* Takes complete replies out of the reader. */
static enum err take_replies(struct redis_conn *conn, size_t n, size_t *got, redisReply **replies)
{
	while (conn->rider.is_due || *got < n) {
		void *reply = NULL;

		if (redisReaderGetReply(conn->reader, &reply) != REDIS_OK)
			return fail(conn, ERR_PROTOCOL, "could not parse", conn->reader->errstr);
		if (reply == NULL)
			return ERR_NONE;
		if (conn->rider.is_due) {
			conn->rider.reply = reply;
			conn->rider.is_due = false;
		} else {
			replies[(*got)++] = reply;
		}
	}
	return ERR_NONE;
}

static bool has_output(const struct redis_conn *conn)
{
	return conn->unsent.n > 0 || (conn->tls != NULL && redis_tls_has_output(conn->tls));
}

/* Sends what can be sent now. */
static enum err flush(struct redis_conn *conn)
{
	ssize_t sent;

	if (conn->unsent.n == 0 && conn->tls != NULL)
		conn->unsent = (struct str){conn->sealed, redis_tls_drain(conn->tls, conn->sealed,
									  sizeof(conn->sealed))};
	if (conn->unsent.n == 0)
		return ERR_NONE;
	sent = send(conn->fd, conn->unsent.p, conn->unsent.n, MSG_NOSIGNAL);
	if (sent == -1 && errno != EAGAIN && errno != EINTR)
		return fail(conn, ERR_UNCERTAIN, "could not send", strerror(errno));
	if (sent > 0)
		conn->unsent = (struct str){conn->unsent.p + sent, conn->unsent.n - (size_t)sent};
	return ERR_NONE;
}

/*
 * Sends and receives at the same time: a server whose output buffer is full stops reading, so that
 * sending everything first could wait for ever. `out` is borrowed until it is answered.
 */
static enum err move(struct redis_conn *conn, struct str out, size_t n, int64_t deadline_ms,
		     redisReply **replies)
{
	size_t got = 0;
	enum err err = ERR_NONE;

	if (conn->tls == NULL)
		conn->unsent = out;
	else if (redis_tls_put(conn->tls, out) != 0)
		return fail_tls(conn);
	while (conn->rider.is_due || got < n) {
		short events;
		int ready;

		/* Before it waits: there mostly is room, and then one wait a round trip is enough. */
		err = flush(conn);
		if (err != ERR_NONE)
			return err;
		events = (short)(has_output(conn) ? POLLIN | POLLOUT : POLLIN);
		ready = wait_for(conn->fd, events, deadline_ms);
		if (ready == -1)
			return fail(conn, ERR_UNCERTAIN, "could not wait", strerror(errno));
		if (ready == 0)
			return fail(conn, ERR_UNCERTAIN, "no answer in time", "");
		err = feed(conn);
		if (err == ERR_NONE)
			err = take_replies(conn, n, &got, replies);
		if (err != ERR_NONE)
			return err;
		if (redis_tls_has_ended(conn->tls) && (conn->rider.is_due || got < n))
			return fail_closed(conn);
	}
	conn->fed = 0;
	return ERR_NONE;
}

/* AUTH, SELECT, CLIENT SETNAME. The last may be refused: it is only for CLIENT LIST. */
static enum err say_hello(struct redis_conn *conn, int64_t deadline_ms)
{
	redisReply *replies[3] = {NULL};
	struct buf b = BUF_INIT;
	size_t n = redis_wire_hello(&b, &conn->target, conn->name);
	enum err err = buf_ok(&b) ? move(conn, buf_str(&b), n, deadline_ms, replies) : ERR_MEMORY;

	/* Nothing of the caller's was sent yet. */
	if (err == ERR_UNCERTAIN)
		err = ERR_UNAVAILABLE;
	for (size_t i = 0; err == ERR_NONE && i + 1 < n; i++) {
		if (replies[i]->type == REDIS_REPLY_ERROR)
			err = fail(conn, ERR_REFUSED, "refused", replies[i]->str);
	}
	redis_conn_release(replies, n);
	if (b.data != NULL)
		explicit_bzero(b.data, b.len);
	buf_deinit(&b);
	return err;
}

/* Tries the next address; ERR_UNAVAILABLE and ERR_PROTOCOL: another one may do. */
static enum err connect_next(struct redis_conn *conn, struct redis_dial *dial)
{
	int error = 0, ready;
	socklen_t size = sizeof(error);
	int64_t until_ms;

	conn->fed = 0;
	conn->fd = redis_dial_next(dial, &until_ms);
	if (conn->fd == -1)
		return fail(conn, ERR_UNAVAILABLE, "could not connect", strerror(errno));
	conn->reader = redis_wire_reader_new();
	if (conn->target.is_tls)
		conn->tls = redis_tls_new(conn->target.tls);
	if (conn->reader == NULL || (conn->target.is_tls && conn->tls == NULL))
		return fail(conn, ERR_MEMORY, "out of memory", "");
	ready = wait_for(conn->fd, POLLOUT, until_ms);
	if (ready == 0)
		return fail(conn, ERR_UNAVAILABLE, "could not connect in time", "");
	if (ready == -1 || getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &size) == -1)
		error = errno;
	if (error != 0)
		return fail(conn, ERR_UNAVAILABLE, "could not connect", strerror(error));
	conn->generation++;
	return say_hello(conn, until_ms);
}

static enum err connect_now(struct redis_conn *conn, int64_t deadline_ms)
{
	int64_t own_ms = clock_mono_ms() + conn->connect_timeout_ms;
	struct redis_dial dial;
	enum err err;

	if (redis_dial_begin(&dial, &conn->target, own_ms < deadline_ms ? own_ms : deadline_ms) !=
	    0)
		return fail(conn, ERR_UNAVAILABLE, "could not connect", strerror(errno));
	do {
		err = connect_next(conn, &dial);
	} while ((err == ERR_UNAVAILABLE || err == ERR_PROTOCOL) &&
		 redis_dial_go_on(&dial, conn->reason, sizeof(conn->reason)));
	redis_dial_end(&dial);
	return err;
}

/* Nothing is expected on an idle connection: whatever is readable says that it is gone. */
static bool is_stale(const struct redis_conn *conn)
{
	struct pollfd p = {.fd = conn->fd, .events = POLLIN};

	return redis_tls_has_ended(conn->tls) || poll(&p, 1, 0) != 0;
}

int redis_conn_ride(struct redis_conn *conn, const struct buf *command, redis_conn_rider_cb *done,
		    void *arg)
{
	struct rider *rider = &conn->rider;

	if (rider->done != NULL || !buf_ok(command))
		return -1;
	buf_reset(&rider->commands);
	buf_put_str(&rider->commands, buf_str(command));
	if (!buf_ok(&rider->commands))
		return -1;
	rider->done = done;
	rider->arg = arg;
	return 0;
}

bool redis_conn_has_rider(const struct redis_conn *conn)
{
	return conn->rider.done != NULL;
}

void redis_conn_drop_rider(struct redis_conn *conn)
{
	struct rider *rider = &conn->rider;
	redis_conn_rider_cb *done = rider->done;
	redisReply *reply = rider->reply;

	if (done == NULL)
		return;
	rider->done = NULL;
	rider->reply = NULL;
	rider->is_due = false;
	done(rider->arg, reply);
	redis_conn_release(&reply, 1);
}

/* What is to be sent: the commands, with the rider before them. */
static struct str take_along(struct redis_conn *conn, const struct buf *commands)
{
	struct rider *rider = &conn->rider;

	if (rider->done == NULL)
		return buf_str(commands);
	buf_put_str(&rider->commands, buf_str(commands));
	if (!buf_ok(&rider->commands)) {
		redis_conn_drop_rider(conn);
		return buf_str(commands);
	}
	rider->is_due = true;
	return buf_str(&rider->commands);
}

enum err redis_conn_exec(struct redis_conn *conn, const struct buf *commands, size_t nreplies,
			 int64_t deadline_ms, redisReply **replies_r)
{
	enum err err = ERR_NONE;

	for (size_t i = 0; i < nreplies; i++)
		replies_r[i] = NULL;
	if (conn->fd != -1 && is_stale(conn))
		redis_conn_close(conn);
	if (!buf_ok(commands))
		err = ERR_MEMORY;
	else if (conn->fd == -1)
		err = connect_now(conn, deadline_ms);
	if (err != ERR_NONE) {
		redis_conn_drop_rider(conn);
		return err;
	}
	err = move(conn, take_along(conn, commands), nreplies, deadline_ms, replies_r);
	if (err != ERR_NONE)
		redis_conn_release(replies_r, nreplies);
	redis_conn_drop_rider(conn);
	return err;
}
