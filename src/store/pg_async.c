/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The event-driven carrier. A lane is one connection with its whole life: it waits, connects, asks
 * the deployment check, is ready, is busy with one call, is lost and waits again. Calls stand in one
 * queue before all lanes; only kicks and lanes that became ready take from it, always from the loop.
 */
#include "config.h"

#include "store/pg_async.h"

#include <event2/event.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/clock.h"

enum {
	LANES_MAX = 16,
	LANES_DEFAULT = 2,
	QUEUE_DEFAULT = 1024,
	CONNECT_DEFAULT_MS = 2000,
	BACKOFF_MIN_MS = 50,
	BACKOFF_MAX_MS = 1600,
	/* Of a read whose connection was lost: each lane may have died unnoticed, but what ends the server
	 * must not go on doing so. */
	REPEATS_MAX = LANES_DEFAULT,
};

enum lane_state {
	LANE_WAITING,	 /* not connected; the timer ends it */
	LANE_CONNECTING, /* the timer bounds it, and the next */
	LANE_CHECKING,
	LANE_READY,
	LANE_BUSY,
};

struct lane {
	struct pg_async *pa;
	enum lane_state state;
	PGconn *pg;
	struct event *io;
	evutil_socket_t watched_fd; /* -1: io is not pending */
	short watched_for;
	struct event *timer;
	struct pg_prepared prepared;
	struct pg_collect collect;
	bool is_preparing;
	struct pg_call *call; /* BUSY; else NULL */
	struct pg_stmt check; /* the deployment check, without parameters */
	uint32_t backoff_ms;
};

struct pg_call {
	TAILQ_ENTRY(pg_call) entries;
	struct pg_async *pa;
	struct lane *lane; /* NULL: queued */
	struct pg_stmt stmt;
	pg_call_done *done; /* NULL: cancelled under way */
	void *arg;
	struct event *timer;
	uint64_t number;
	int timeout_ms;
	int repeats;
	int64_t sent_ms;
};

struct pg_async {
	struct event_base *base;
	struct pg_async_opts opts;
	char *url;
	char *application;
	struct lane lanes[LANES_MAX];
	int nlanes;
	struct event *kick;
	TAILQ_HEAD(, pg_call) queue;
	int queued;
	uint64_t next_number;
	int nusable;	  /* lanes that are READY or BUSY */
	bool is_hopeless; /* nothing is usable and the last attempt to connect failed */
	bool is_silent;	  /* a deadline was missed, and nothing was answered since */
	struct pg_fault fault;
};

static void lane_io(evutil_socket_t fd, short what, void *arg);
static void dispatch(struct pg_async *pa);

static struct timeval timeval_of_ms(int64_t ms)
{
	return (struct timeval){.tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000};
}

static void start_timer(struct event *timer, int64_t ms)
{
	struct timeval tv = timeval_of_ms(ms);

	event_add(timer, &tv);
}

/* ---- calls ---- */

static void call_free(struct pg_call *call)
{
	if (call == NULL)
		return;
	if (call->timer != NULL)
		event_free(call->timer);
	pg_stmt_deinit(&call->stmt);
	free(call);
}

static void unqueue(struct pg_async *pa, struct pg_call *call)
{
	TAILQ_REMOVE(&pa->queue, call, entries);
	pa->queued--;
}

/* Ends a call that neither the queue nor a lane holds any more. */
static void call_end(struct pg_call *call, enum err err, const PGresult *result)
{
	pg_call_done *done = call->done;
	void *arg = call->arg;

	call_free(call);
	if (done != NULL)
		done(arg, err, result);
}

/* Ends those calls that wait now, not those that their callbacks add. */
static void fail_queue(struct pg_async *pa)
{
	uint64_t end = pa->next_number;
	struct pg_call *call;

	while ((call = TAILQ_FIRST(&pa->queue)) != NULL && call->number < end) {
		unqueue(pa, call);
		call_end(call, ERR_UNAVAILABLE, NULL);
	}
}

/* ---- lanes ---- */

static void lane_unwatch(struct lane *lane)
{
	if (lane->watched_fd >= 0)
		event_del(lane->io);
	lane->watched_fd = -1;
}

/* Asks for `what` (EV_READ, EV_WRITE) on the connection's socket, which libpq may have changed. */
static void lane_watch(struct lane *lane, short what)
{
	evutil_socket_t fd = PQsocket(lane->pg);

	if (fd == lane->watched_fd && what == lane->watched_for)
		return;
	lane_unwatch(lane);
	if (fd < 0)
		return;
	event_assign(lane->io, lane->pa->base, fd, (short)(what | EV_PERSIST), lane_io, lane);
	event_add(lane->io, NULL);
	lane->watched_fd = fd;
	lane->watched_for = what;
}

static bool lane_is_usable(const struct lane *lane)
{
	return lane->state == LANE_READY || lane->state == LANE_BUSY;
}

/* Drops the connection and waits to make another. A call under way is returned, to be ended. */
static struct pg_call *lane_drop(struct lane *lane)
{
	struct pg_async *pa = lane->pa;
	struct pg_call *call = lane->call;
	bool was_usable = lane_is_usable(lane);

	/* Before PQfinish: the descriptor must not be closed while epoll still knows it. */
	lane_unwatch(lane);
	pg_collect_clear(&lane->collect);
	PQfinish(lane->pg);
	lane->pg = NULL;
	lane->call = NULL;
	lane->prepared = (struct pg_prepared){0};
	lane->state = LANE_WAITING;
	start_timer(lane->timer, lane->backoff_ms + randombytes_uniform(lane->backoff_ms));
	if (lane->backoff_ms < BACKOFF_MAX_MS)
		lane->backoff_ms *= 2;
	if (was_usable)
		pa->nusable--;
	else if (pa->nusable == 0)
		pa->is_hopeless = true;
	return call;
}

static void tell_state(struct pg_async *pa, const struct pg_deployment *deployment)
{
	if (pa->opts.on_state != NULL)
		pa->opts.on_state(pa->opts.arg, pa->nusable > 0, deployment);
}

/* A read that was lost with its connection can be asked again, as long as it has time. */
static bool call_may_repeat(const struct pg_call *call)
{
	return call->done != NULL && !call->stmt.query->is_write && call->repeats < REPEATS_MAX &&
	       evtimer_pending(call->timer, NULL);
}

/* To the head of the queue: the numbers of those who wait are higher. */
static void call_repeat(struct pg_call *call)
{
	struct pg_async *pa = call->pa;

	call->repeats++;
	call->lane = NULL;
	TAILQ_INSERT_HEAD(&pa->queue, call, entries);
	pa->queued++;
	event_active(pa->kick, EV_TIMEOUT, 0);
}

/* The end of a connection, with all that follows for others. */
static void lane_lose(struct lane *lane, enum err err)
{
	struct pg_async *pa = lane->pa;
	int nusable = pa->nusable;
	struct pg_call *call = lane_drop(lane);

	if (call != NULL && call_may_repeat(call)) {
		call_repeat(call);
		call = NULL;
	}
	if (nusable > 0 && pa->nusable == 0)
		tell_state(pa, NULL);
	if (call != NULL)
		call_end(call, err, NULL);
	if (pa->is_hopeless)
		fail_queue(pa);
}

static const struct pg_stmt *lane_stmt(const struct lane *lane)
{
	return lane->call != NULL ? &lane->call->stmt : &lane->check;
}

/* Sends what libpq has queued; errors show when the results are collected. */
static void lane_flush(struct lane *lane)
{
	bool is_left = PQflush(lane->pg) == 1;

	lane_watch(lane, (short)(EV_READ | (is_left ? EV_WRITE : 0)));
}

/* Sends the lane's statement, or first its preparation. */
static void lane_send(struct lane *lane)
{
	struct pg_prepared *prepared = lane->pa->opts.pg.is_pooled ? NULL : &lane->prepared;

	if (pg_sql_send(lane->pg, lane_stmt(lane), prepared, &lane->is_preparing) != 0) {
		pg_fault_of_connection(&lane->pa->fault, lane->pg);
		lane_lose(lane, ERR_UNAVAILABLE);
		return;
	}
	lane_flush(lane);
}

static void lane_take(struct lane *lane, struct pg_call *call)
{
	unqueue(lane->pa, call);
	call->lane = lane;
	call->sent_ms = clock_mono_ms();
	lane->call = call;
	lane->state = LANE_BUSY;
	lane_send(lane);
}

/* The deployment check has answered. */
static void lane_checked(struct lane *lane, const PGresult *result)
{
	struct pg_async *pa = lane->pa;
	struct pg_deployment deployment = {0};

	if (!pa->opts.pg.is_unchecked && pg_sql_parse_deployment(result, &deployment) != 0) {
		pg_fault_set(&pa->fault, "the deployment check makes no sense");
		lane_lose(lane, ERR_PROTOCOL);
		return;
	}
	event_del(lane->timer);
	lane->state = LANE_READY;
	lane->backoff_ms = BACKOFF_MIN_MS;
	pa->nusable++;
	pa->is_hopeless = pa->is_silent = false;
	tell_state(pa, &deployment);
	dispatch(pa);
}

static void lane_answered(struct lane *lane, enum err err, const PGresult *result)
{
	struct pg_call *call = lane->call;

	lane->call = NULL;
	lane->state = LANE_READY;
	lane->pa->is_silent = false;
	call_end(call, err, result);
	dispatch(lane->pa);
}

/* A statement, or its preparation, is over. */
static void lane_collected(struct lane *lane)
{
	bool was_preparing = lane->is_preparing;
	bool is_write = lane_stmt(lane)->query->is_write && !was_preparing;
	struct pg_outcome outcome =
		pg_collect_finish(&lane->collect, lane->pg, is_write, &lane->pa->fault);

	lane->is_preparing = false;
	/* Whatever went wrong with the preparation, the statement itself was not sent. */
	if (was_preparing && outcome.err == ERR_TIMEOUT)
		outcome.err = ERR_UNAVAILABLE;
	if (outcome.is_lost) {
		lane_lose(lane, outcome.err == ERR_NONE ? ERR_UNAVAILABLE : outcome.err);
	} else if (outcome.err == ERR_NONE && was_preparing) {
		pg_sql_note_prepared(&lane->prepared, lane_stmt(lane)->query);
		lane_send(lane);
	} else if (lane->state == LANE_BUSY) {
		lane_answered(lane, outcome.err, outcome.result);
	} else if (outcome.err != ERR_NONE) {
		lane_lose(lane, outcome.err);
	} else {
		lane_checked(lane, outcome.result);
	}
	PQclear(outcome.result);
}

static void lane_connected(struct lane *lane)
{
	if (PQsetnonblocking(lane->pg, 1) != 0) {
		pg_fault_of_connection(&lane->pa->fault, lane->pg);
		lane_lose(lane, ERR_UNAVAILABLE);
		return;
	}
	lane->state = LANE_CHECKING;
	if (lane->pa->opts.pg.is_unchecked) {
		lane_watch(lane, EV_READ);
		lane_checked(lane, NULL);
		return;
	}
	lane_send(lane);
}

static void lane_follow_connect(struct lane *lane, PostgresPollingStatusType status)
{
	switch (status) {
	case PGRES_POLLING_READING:
		lane_watch(lane, EV_READ);
		break;
	case PGRES_POLLING_WRITING:
		lane_watch(lane, EV_WRITE);
		break;
	case PGRES_POLLING_OK:
		lane_connected(lane);
		break;
	default:
		pg_fault_of_connection(&lane->pa->fault, lane->pg);
		lane_lose(lane, ERR_UNAVAILABLE);
		break;
	}
}

static void lane_connect(struct lane *lane)
{
	struct pg_async *pa = lane->pa;
	int timeout_ms = pa->opts.pg.connect_timeout_ms;

	lane->state = LANE_CONNECTING;
	start_timer(lane->timer, timeout_ms > 0 ? timeout_ms : CONNECT_DEFAULT_MS);
	lane->pg = pg_sql_connect_start(pa->opts.pg.url, pa->opts.pg.application);
	if (lane->pg == NULL || PQstatus(lane->pg) == CONNECTION_BAD)
		lane_follow_connect(lane, PGRES_POLLING_FAILED);
	else
		lane_follow_connect(lane, PGRES_POLLING_WRITING);
}

static void lane_io(evutil_socket_t fd, short what, void *arg)
{
	struct lane *lane = arg;

	(void)fd;
	if (lane->state == LANE_CONNECTING) {
		/* libpq may close this socket and open another with the same number. */
		lane_unwatch(lane);
		lane_follow_connect(lane, PQconnectPoll(lane->pg));
		return;
	}
	if (lane->state == LANE_READY) {
		/* Nothing was asked: it is hanging up. See has_died() in pg_conn.c. */
		pg_fault_set(&lane->pa->fault, "the server has ended the connection");
		lane_lose(lane, ERR_UNAVAILABLE);
		return;
	}
	/* A failure shows when the results are collected. */
	if ((what & EV_READ) != 0)
		(void)PQconsumeInput(lane->pg);
	if (pg_sql_collect(lane->pg, &lane->collect))
		lane_collected(lane);
	else
		lane_flush(lane);
}

static void lane_timer(evutil_socket_t fd, short what, void *arg)
{
	struct lane *lane = arg;

	(void)fd;
	(void)what;
	if (lane->state == LANE_WAITING) {
		lane_connect(lane);
		return;
	}
	pg_fault_set(&lane->pa->fault, "could not connect in time");
	lane_lose(lane, ERR_UNAVAILABLE);
}

/* ---- the queue ---- */

static struct lane *find_ready(struct pg_async *pa)
{
	for (int i = 0; i < pa->nlanes; i++) {
		if (pa->lanes[i].state == LANE_READY)
			return &pa->lanes[i];
	}
	return NULL;
}

/* Gives waiting calls to lanes that are ready. */
static void dispatch(struct pg_async *pa)
{
	struct pg_call *call;
	struct lane *lane;

	while ((call = TAILQ_FIRST(&pa->queue)) != NULL && (lane = find_ready(pa)) != NULL)
		lane_take(lane, call);
}

static void on_kick(evutil_socket_t fd, short what, void *arg)
{
	struct pg_async *pa = arg;

	(void)fd;
	(void)what;
	if (pa->is_hopeless)
		fail_queue(pa);
	else
		dispatch(pa);
}

/*
 * A deadline was missed: the server is taken to be away. Lanes that wait for work prove themselves by
 * connecting again; to try them would cost a deadline each.
 */
static void drop_ready(struct pg_async *pa)
{
	struct lane *lane;

	while ((lane = find_ready(pa)) != NULL)
		lane_lose(lane, ERR_UNAVAILABLE);
}

static void on_call_timeout(evutil_socket_t fd, short what, void *arg)
{
	struct pg_call *call = arg;
	struct pg_async *pa = call->pa;
	struct lane *lane = call->lane;
	/* Much of the time may have gone by in the queue, which says nothing about the server. */
	bool had_time = lane != NULL && clock_mono_ms() - call->sent_ms >= call->timeout_ms / 2;

	(void)fd;
	(void)what;
	if (had_time) {
		pa->is_silent = true;
		drop_ready(pa);
	}
	pg_fault_set(&pa->fault, "no answer in time");
	if (lane == NULL) {
		unqueue(pa, call);
		call_end(call, ERR_UNAVAILABLE, NULL);
	} else if (lane->is_preparing) {
		lane_lose(lane, ERR_UNAVAILABLE);
	} else {
		lane_lose(lane, call->stmt.query->is_write ? ERR_UNCERTAIN : ERR_TIMEOUT);
	}
}

/* ---- exported ---- */

static int lane_init(struct lane *lane, struct pg_async *pa)
{
	lane->pa = pa;
	lane->state = LANE_WAITING;
	lane->watched_fd = -1;
	lane->backoff_ms = BACKOFF_MIN_MS;
	pg_stmt_init(&lane->check, &pg_sql_deployment);
	lane->io = event_new(pa->base, -1, 0, lane_io, lane);
	lane->timer = evtimer_new(pa->base, lane_timer, lane);
	return lane->io == NULL || lane->timer == NULL ? -1 : 0;
}

static void lane_deinit(struct lane *lane)
{
	call_free(lane->call);
	pg_collect_clear(&lane->collect);
	if (lane->io != NULL)
		event_free(lane->io);
	if (lane->timer != NULL)
		event_free(lane->timer);
	PQfinish(lane->pg);
	pg_stmt_deinit(&lane->check);
}

struct pg_async *pg_async_new(struct event_base *base, const struct pg_async_opts *opts)
{
	struct pg_async *pa = calloc(1, sizeof(*pa));
	int wanted = opts->connections > 0 ? opts->connections : LANES_DEFAULT;

	if (pa == NULL)
		return NULL;
	TAILQ_INIT(&pa->queue);
	pa->base = base;
	pa->opts = *opts;
	if (pa->opts.queue_max <= 0)
		pa->opts.queue_max = QUEUE_DEFAULT;
	pa->url = strdup(opts->pg.url);
	pa->application = strdup(opts->pg.application);
	pa->kick = event_new(base, -1, 0, on_kick, pa);
	if (pa->url == NULL || pa->application == NULL || pa->kick == NULL)
		goto failed;
	pa->opts.pg.url = pa->url;
	pa->opts.pg.application = pa->application;
	while (pa->nlanes < (wanted < LANES_MAX ? wanted : LANES_MAX)) {
		if (lane_init(&pa->lanes[pa->nlanes++], pa) != 0)
			goto failed;
	}
	/* From the loop, so that on_state never runs from inside this call. */
	for (int i = 0; i < pa->nlanes; i++)
		start_timer(pa->lanes[i].timer, 0);
	return pa;
failed:
	pg_async_free(pa);
	return NULL;
}

void pg_async_free(struct pg_async *pa)
{
	struct pg_call *call;

	if (pa == NULL)
		return;
	while ((call = TAILQ_FIRST(&pa->queue)) != NULL) {
		unqueue(pa, call);
		call_free(call);
	}
	for (int i = 0; i < pa->nlanes; i++)
		lane_deinit(&pa->lanes[i]);
	if (pa->kick != NULL)
		event_free(pa->kick);
	free(pa->url);
	free(pa->application);
	free(pa);
}

struct pg_call *pg_async_exec(struct pg_async *pa, struct pg_stmt *stmt, int timeout_ms,
			      pg_call_done *done, void *arg)
{
	struct pg_call *call = NULL;

	if (!pg_stmt_ok(stmt) || pa->queued >= pa->opts.queue_max)
		goto failed;
	call = calloc(1, sizeof(*call));
	if (call == NULL)
		goto failed;
	call->timer = evtimer_new(pa->base, on_call_timeout, call);
	if (call->timer == NULL)
		goto failed;
	call->pa = pa;
	call->done = done;
	call->arg = arg;
	call->timeout_ms = timeout_ms;
	call->number = pa->next_number++;
	call->stmt = *stmt;
	*stmt = (struct pg_stmt){0};
	TAILQ_INSERT_TAIL(&pa->queue, call, entries);
	pa->queued++;
	start_timer(call->timer, timeout_ms);
	event_active(pa->kick, EV_TIMEOUT, 0);
	return call;
failed:
	pg_stmt_deinit(stmt);
	free(call);
	return NULL;
}

void pg_call_cancel(struct pg_call *call)
{
	if (call->lane == NULL) {
		unqueue(call->pa, call);
		call_free(call);
	} else {
		/* The lane stays busy until the answer or the time-out; nobody is told. */
		call->done = NULL;
	}
}

bool pg_async_is_up(const struct pg_async *pa)
{
	return pa->nusable > 0;
}

bool pg_async_is_away(const struct pg_async *pa)
{
	return pa->nusable == 0 && (pa->is_hopeless || pa->is_silent);
}

const char *pg_async_error(const struct pg_async *pa)
{
	return pa->fault.text;
}
