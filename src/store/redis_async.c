/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The event-driven carrier over a libevent bufferevent and hiredis's reader. hiredis's own async
 * context is not used: in 0.14 it has no time-outs, and freeing it from one of its callbacks is a
 * use after free.
 *
 * What makes closing from callbacks safe: calls are moved from `pending` to `done` first and answered
 * afterwards, one at a time, and a closed connection is freed by whichever function is outermost.
 */
#include "config.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/redis_async.h"
#include "store/redis_dial.h"

#define BACKOFF_MIN_MS 100
#define BACKOFF_MAX_MS 2000
#define CHUNK_SIZE     16384

struct redis_async_call {
	TAILQ_ENTRY(redis_async_call) link;
	struct redis_async *ra;
	redis_async_cb *cb; /* NULL: cancelled */
	void *arg;
	int64_t deadline_ms;
	enum err err;
	size_t nreplies, got;
	redisReply *replies[];
};

TAILQ_HEAD(call_list, redis_async_call);

enum phase {
	PHASE_IDLE,    /* waiting for the next attempt */
	PHASE_CONNECT, /* connect(2) under way */
	PHASE_HELLO,   /* AUTH, SELECT sent */
	PHASE_UP,
};

struct redis_async {
	struct event_base *base;
	struct redis_target target;
	struct redis_async_opts opts;
	enum phase phase;
	struct redis_dial dial; /* until the server has answered; {0}: no attempt under way */
	struct bufferevent *bev;
	struct redis_tls *tls; /* NULL: none */
	redisReader *reader;
	size_t fed;		  /* bytes since the last complete reply */
	struct call_list pending; /* sent, in the order of their answers */
	struct call_list done;	  /* answered or failed, callback still to run */
	struct event *turn;	  /* runs callbacks in the next loop turn */
	struct event *timer;	  /* time-outs; in PHASE_IDLE the next attempt */
	int64_t timer_at_ms;	  /* when it fires; INT64_MAX: it does not */
	int64_t phase_deadline_ms;
	int64_t backoff_ms;
	uint64_t generation;
	bool is_reported;    /* on_state has heard of something */
	bool is_reported_up; /* ... and this is what */
	bool is_closed;
	unsigned int
		depth; /* functions of ours on the stack that touch this struct after callbacks */
	char reason[256];
};

/* ---- life and death ---- */

static void free_calls(struct call_list *list)
{
	struct redis_async_call *call;

	while ((call = TAILQ_FIRST(list)) != NULL) {
		TAILQ_REMOVE(list, call, link);
		for (size_t i = 0; i < call->got; i++)
			freeReplyObject(call->replies[i]);
		free(call);
	}
}

static void drop_connection(struct redis_async *ra)
{
	if (ra->bev != NULL)
		bufferevent_free(ra->bev);
	ra->bev = NULL;
	redis_tls_free(ra->tls);
	ra->tls = NULL;
	if (ra->reader != NULL)
		redisReaderFree(ra->reader);
	ra->reader = NULL;
	ra->fed = 0;
	ra->phase = PHASE_IDLE;
}

static void destroy(struct redis_async *ra)
{
	drop_connection(ra);
	free_calls(&ra->pending);
	free_calls(&ra->done);
	if (ra->turn != NULL)
		event_free(ra->turn);
	if (ra->timer != NULL)
		event_free(ra->timer);
	redis_dial_end(&ra->dial);
	redis_target_deinit(&ra->target);
	free(ra);
}

/* Brackets around whatever may run callbacks. leave() returns false if ra is gone. */
static void enter(struct redis_async *ra)
{
	ra->depth++;
}

static bool leave(struct redis_async *ra)
{
	ra->depth--;
	if (ra->is_closed && ra->depth == 0) {
		destroy(ra);
		return false;
	}
	return !ra->is_closed;
}

void redis_async_close(struct redis_async *ra)
{
	if (ra == NULL || ra->is_closed)
		return;
	ra->is_closed = true;
	if (ra->depth == 0)
		destroy(ra);
}

bool redis_async_is_up(const struct redis_async *ra)
{
	return ra->phase == PHASE_UP && !ra->is_closed;
}

uint64_t redis_async_generation(const struct redis_async *ra)
{
	return ra->generation;
}

/* ---- answers ---- */

static void run_soon(struct redis_async *ra)
{
	event_active(ra->turn, EV_TIMEOUT, 1);
}

static void finish_call(struct redis_async *ra, struct redis_async_call *call, enum err err)
{
	call->err = err;
	TAILQ_REMOVE(&ra->pending, call, link);
	TAILQ_INSERT_TAIL(&ra->done, call, link);
	run_soon(ra);
}

static void answer(struct redis_async_call *call)
{
	/* The handle is gone from here on: a cancel from inside would come too late by contract. */
	if (call->cb != NULL)
		call->cb(call->arg, call->err, call->err == ERR_NONE ? call->replies : NULL,
			 call->err == ERR_NONE ? call->nreplies : 0);
	for (size_t i = 0; i < call->got; i++)
		freeReplyObject(call->replies[i]);
	free(call);
}

static void report(struct redis_async *ra)
{
	bool is_up = ra->phase == PHASE_UP;

	if (ra->is_reported && ra->is_reported_up == is_up)
		return;
	/* The first attempt may still succeed, if need be at the next address. */
	if (!is_up && (ra->phase != PHASE_IDLE || redis_dial_has_more(&ra->dial)))
		return;
	ra->is_reported = true;
	ra->is_reported_up = is_up;
	if (ra->opts.on_state != NULL)
		ra->opts.on_state(ra->opts.arg, is_up, is_up ? NULL : ra->reason);
}

/* The loop turn in which callbacks run. */
static void on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct redis_async *ra = arg;
	struct redis_async_call *call;

	(void)fd;
	(void)what;
	enter(ra);
	/* Calls that callbacks make meanwhile and that fail at once run in this turn, too. */
	while (!ra->is_closed && (call = TAILQ_FIRST(&ra->done)) != NULL) {
		TAILQ_REMOVE(&ra->done, call, link);
		answer(call);
	}
	if (!ra->is_closed)
		report(ra);
	leave(ra);
}

/* ---- connecting and losing it ---- */

/* Makes the timer fire at that time, unless it does so earlier. */
static void set_timer(struct redis_async *ra, int64_t at_ms)
{
	int64_t ms = clock_wait_ms(at_ms);
	struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	if (at_ms >= ra->timer_at_ms)
		return;
	ra->timer_at_ms = at_ms;
	event_add(ra->timer, &tv);
}

/* When the next attempt is: between half and all of a growing delay, so that many do not come at once. */
static int64_t next_attempt_ms(struct redis_async *ra)
{
	ra->backoff_ms = ra->backoff_ms == 0 ? BACKOFF_MIN_MS : ra->backoff_ms * 2;
	if (ra->backoff_ms > BACKOFF_MAX_MS)
		ra->backoff_ms = BACKOFF_MAX_MS;
	return clock_mono_ms() + ra->backoff_ms / 2 +
	       randombytes_uniform((uint32_t)ra->backoff_ms / 2 + 1);
}

/*
 * Everything pending fails, the connection goes, the next attempt is set, or the next address of this one.
 * Runs no callback.
 */
static void lose(struct redis_async *ra, const char *what, const char *why)
{
	struct redis_async_call *call;

	snprintf(ra->reason, sizeof(ra->reason), "%s%s%s", what, *why != '\0' ? ": " : "", why);
	while ((call = TAILQ_FIRST(&ra->pending)) != NULL)
		finish_call(ra, call, ERR_UNCERTAIN);
	drop_connection(ra);
	if (redis_dial_go_on(&ra->dial, ra->reason, sizeof(ra->reason))) {
		ra->phase_deadline_ms = clock_mono_ms();
	} else {
		redis_dial_end(&ra->dial);
		ra->phase_deadline_ms = next_attempt_ms(ra);
	}
	set_timer(ra, ra->phase_deadline_ms);
	run_soon(ra);
}

static const char closed_by_server[] = "the server closed the connection";

static void say_hello(struct redis_async *ra);
static void on_readable(struct bufferevent *bev, void *arg);

static void on_bev_event(struct bufferevent *bev, short what, void *arg)
{
	struct redis_async *ra = arg;

	(void)bev;
	if ((what & BEV_EVENT_CONNECTED) != 0)
		say_hello(ra);
	else if ((what & BEV_EVENT_EOF) != 0)
		lose(ra, closed_by_server, "");
	else if (ra->phase == PHASE_CONNECT)
		lose(ra, "could not connect", strerror(EVUTIL_SOCKET_ERROR()));
	else
		lose(ra, "the connection broke", strerror(EVUTIL_SOCKET_ERROR()));
}

/* A connecting socket tells of its end by becoming writable. */
static void on_writable(struct bufferevent *bev, void *arg)
{
	struct redis_async *ra = arg;
	int error = 0;
	socklen_t size = sizeof(error);

	if (ra->phase != PHASE_CONNECT)
		return;
	if (getsockopt(bufferevent_getfd(bev), SOL_SOCKET, SO_ERROR, &error, &size) == -1)
		error = errno;
	if (error != 0)
		lose(ra, "could not connect", strerror(error));
	else
		say_hello(ra);
}

/* An attempt, or its next address. */
static void begin(struct redis_async *ra)
{
	int64_t deadline_ms = clock_mono_ms() + ra->opts.connect_timeout_ms;
	int fd = -1;

	if (redis_dial_has_more(&ra->dial) ||
	    redis_dial_begin(&ra->dial, &ra->target, deadline_ms) == 0)
		fd = redis_dial_next(&ra->dial, &ra->phase_deadline_ms);
	if (fd == -1) {
		lose(ra, "could not connect", strerror(errno));
		return;
	}
	ra->reader = redis_wire_reader_new();
	if (ra->target.is_tls)
		ra->tls = redis_tls_new(ra->target.tls);
	ra->bev = bufferevent_socket_new(ra->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (ra->reader == NULL || ra->bev == NULL || (ra->target.is_tls && ra->tls == NULL)) {
		if (ra->bev == NULL)
			close(fd);
		lose(ra, "out of memory", "");
		return;
	}
	ra->phase = PHASE_CONNECT;
	bufferevent_setcb(ra->bev, on_readable, on_writable, on_bev_event, ra);
	bufferevent_enable(ra->bev, EV_READ | EV_WRITE);
	set_timer(ra, ra->phase_deadline_ms);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct redis_async *ra = arg;
	struct redis_async_call *call;
	int64_t now = clock_mono_ms();

	(void)fd;
	(void)what;
	ra->timer_at_ms = INT64_MAX;
	if (ra->phase != PHASE_UP) {
		if (now < ra->phase_deadline_ms)
			set_timer(ra, ra->phase_deadline_ms);
		else if (ra->phase == PHASE_IDLE)
			begin(ra);
		else
			lose(ra, "could not connect in time", "");
		return;
	}
	TAILQ_FOREACH(call, &ra->pending, link) {
		/* The order of answers is all that tells them apart: one lost, all lost. */
		if (now >= call->deadline_ms) {
			lose(ra, "no answer in time", "");
			return;
		}
		set_timer(ra, call->deadline_ms);
	}
}

struct redis_async *redis_async_new(struct event_base *base, const struct redis_async_opts *opts)
{
	struct redis_async *ra = calloc(1, sizeof(*ra));

	if (ra == NULL)
		return NULL;
	ra->base = base;
	ra->opts = *opts;
	ra->opts.target = NULL;
	TAILQ_INIT(&ra->pending);
	TAILQ_INIT(&ra->done);
	ra->timer_at_ms = INT64_MAX;
	ra->turn = event_new(base, -1, 0, on_turn, ra);
	ra->timer = event_new(base, -1, 0, on_timer, ra);
	if (ra->turn == NULL || ra->timer == NULL ||
	    redis_target_copy(opts->target, &ra->target) != 0) {
		destroy(ra);
		return NULL;
	}
	begin(ra);
	return ra;
}

/* ---- bytes ---- */

/* Sends what TLS wants to be sent; 0, or -1 if out of memory. */
static int drain_tls(struct redis_async *ra)
{
	char sealed[CHUNK_SIZE];
	size_t n;

	while ((n = redis_tls_drain(ra->tls, sealed, sizeof(sealed))) > 0) {
		if (evbuffer_add(bufferevent_get_output(ra->bev), sealed, n) != 0)
			return -1;
	}
	return 0;
}

/* Sends bytes; 0, or -1 if out of memory. */
static int put_out(struct redis_async *ra, struct str bytes)
{
	if (ra->tls == NULL)
		return evbuffer_add(bufferevent_get_output(ra->bev), bytes.p, bytes.n);
	return redis_tls_put(ra->tls, bytes) == 0 ? drain_tls(ra) : -1;
}

/* The answer to the hello: its last reply (CLIENT SETNAME) may be an error. */
static void on_hello(void *arg, enum err err, redisReply **replies, size_t nreplies)
{
	struct redis_async *ra = arg;

	/* Otherwise the connection is lost, or lost and being made again, and so is this answer. */
	if (err != ERR_NONE || ra->phase != PHASE_HELLO)
		return;
	for (size_t i = 0; i + 1 < nreplies; i++) {
		if (replies[i]->type == REDIS_REPLY_ERROR) {
			/* It would be no other at another address. */
			redis_dial_end(&ra->dial);
			lose(ra, "refused", replies[i]->str);
			return;
		}
	}
	redis_dial_end(&ra->dial);
	ra->phase = PHASE_UP;
	ra->phase_deadline_ms = 0;
	ra->backoff_ms = 0;
	ra->generation++;
}

static struct redis_async_call *new_call(struct redis_async *ra,
					 const struct redis_async_request *request)
{
	struct redis_async_call *call =
		calloc(1, sizeof(*call) + request->nreplies * sizeof(redisReply *));

	if (call == NULL)
		return NULL;
	call->ra = ra;
	call->cb = request->cb;
	call->arg = request->arg;
	call->nreplies = request->nreplies;
	call->deadline_ms = clock_mono_ms() + request->timeout_ms;
	return call;
}

static void say_hello(struct redis_async *ra)
{
	struct buf b = BUF_INIT;
	struct redis_async_request request = {
		.nreplies = redis_wire_hello(&b, &ra->target, ra->opts.name),
		.timeout_ms = ra->opts.connect_timeout_ms,
		.cb = on_hello,
		.arg = ra,
	};
	struct redis_async_call *call = buf_ok(&b) ? new_call(ra, &request) : NULL;

	if (call != NULL && put_out(ra, buf_str(&b)) == 0) {
		TAILQ_INSERT_TAIL(&ra->pending, call, link);
		ra->phase = PHASE_HELLO;
	} else {
		free(call);
		lose(ra, "out of memory", "");
	}
	if (b.data != NULL)
		explicit_bzero(b.data, b.len);
	buf_deinit(&b);
}

/* ["message", channel, payload], which answers nothing. */
static bool is_message(const redisReply *reply)
{
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3)
		return false;
	for (size_t i = 0; i < reply->elements; i++) {
		if (reply->element[i]->type != REDIS_REPLY_STRING)
			return false;
	}
	return strcmp(reply->element[0]->str, "message") == 0;
}

static void take_message(struct redis_async *ra, redisReply *reply)
{
	const redisReply *channel = reply->element[1], *payload = reply->element[2];

	ra->opts.on_message(ra->opts.arg, (struct str){channel->str, channel->len},
			    (struct str){payload->str, payload->len});
	freeReplyObject(reply);
}

/* Hands complete replies to the calls they answer. */
static void take_replies(struct redis_async *ra)
{
	while (!ra->is_closed) {
		struct redis_async_call *call = TAILQ_FIRST(&ra->pending);
		void *reply = NULL;

		if (redisReaderGetReply(ra->reader, &reply) != REDIS_OK) {
			lose(ra, "could not parse", ra->reader->errstr);
			return;
		}
		if (reply == NULL)
			return;
		ra->fed = 0;
		if (ra->opts.on_message != NULL && is_message(reply)) {
			take_message(ra, reply);
			continue;
		}
		if (call == NULL) {
			freeReplyObject(reply);
			lose(ra, "an answer that nobody asked for", "");
			return;
		}
		call->replies[call->got++] = reply;
		if (call->got == call->nreplies)
			finish_call(ra, call, ERR_NONE);
	}
}

/* What the server said goes to the parser. 0, or -1 and the connection is lost. */
static int parse(struct redis_async *ra, const char *bytes, size_t n)
{
	ra->fed += n;
	if (redisReaderFeed(ra->reader, bytes, n) != REDIS_OK) {
		lose(ra, "could not parse", ra->reader->errstr);
		return -1;
	}
	if (ra->fed > REDIS_WIRE_REPLY_MAX) {
		lose(ra, "the answer is too long", "");
		return -1;
	}
	return 0;
}

/* The same for what has come by TLS, which may be the middle of something. */
static int unseal(struct redis_async *ra, struct str sealed)
{
	char bytes[CHUNK_SIZE], reason[sizeof(ra->reason)];
	int n = redis_tls_feed(ra->tls, sealed);

	if (n == 0)
		n = redis_tls_read(ra->tls, bytes, sizeof(bytes));
	while (n > 0) {
		if (parse(ra, bytes, (size_t)n) != 0)
			return -1;
		n = redis_tls_read(ra->tls, bytes, sizeof(bytes));
	}
	if (n == 0 && drain_tls(ra) == 0)
		return 0;
	/* It is gone with the connection. */
	snprintf(reason, sizeof(reason), "%s",
		 n == 0 ? "out of memory" : redis_tls_reason(ra->tls));
	lose(ra, reason, "");
	return -1;
}

static void on_readable(struct bufferevent *bev, void *arg)
{
	struct redis_async *ra = arg;
	struct evbuffer *in = bufferevent_get_input(bev);
	size_t n;

	while ((n = evbuffer_get_contiguous_space(in)) > 0) {
		struct str bytes = {(char *)evbuffer_pullup(in, (ev_ssize_t)n), n};
		int status = ra->tls != NULL ? unseal(ra, bytes) : parse(ra, bytes.p, bytes.n);

		/* The buffer is gone with the connection, too. */
		if (status != 0)
			return;
		evbuffer_drain(in, n);
	}
	enter(ra);
	take_replies(ra);
	if (!ra->is_closed && redis_tls_has_ended(ra->tls))
		lose(ra, closed_by_server, "");
	leave(ra);
}

struct redis_async_call *redis_async_submit(struct redis_async *ra,
					    const struct redis_async_request *request)
{
	struct redis_async_call *call;

	if (ra->is_closed || !buf_ok(request->commands) || request->nreplies == 0)
		return NULL;
	call = new_call(ra, request);
	if (call == NULL)
		return NULL;
	if (ra->phase != PHASE_UP) {
		call->err = ERR_UNAVAILABLE;
		TAILQ_INSERT_TAIL(&ra->done, call, link);
		run_soon(ra);
		return call;
	}
	if (put_out(ra, buf_str(request->commands)) != 0) {
		free(call);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&ra->pending, call, link);
	set_timer(ra, call->deadline_ms);
	return call;
}

void redis_async_cancel(struct redis_async_call *call)
{
	call->cb = NULL;
}
