/* SPDX-License-Identifier: BSD-2-Clause */
/* One FastCGI connection in the event loop. */
#include "config.h"

#include "push/fcgi_conn.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/scan.h"
#include "push/turn.h"
#include "web/fcgi_params.h"
#include "web/fcgi_record.h"

enum {
	READ_SIZE = 16384,
	LINGER_MS = 2000, /* for the peer to close first, after the answer */
};

enum conn_state {
	CONN_READING,	/* the request is not whole yet */
	CONN_SERVING,	/* it was handed out; the answer is under way */
	CONN_FINISHING, /* the answer is complete, but not sent */
	CONN_LINGERING, /* all is sent; waiting for the peer to close */
	CONN_DEAD	/* closed; freed at the end of the turn */
};

TAILQ_HEAD(conn_list, fcgi_conn);

struct fcgi_server {
	struct fcgi_server_opts opts;
	struct conn_list conns;
	size_t count;
};

struct fcgi_conn {
	TAILQ_ENTRY(fcgi_conn) entry;
	struct turn_job flush, bury;
	struct fcgi_server *server;
	const struct fcgi_owner_ops *owner_ops;
	void *owner; /* NULL: nobody is told */
	int fd;
	enum conn_state state;
	struct event *readable, *writable, *timer;
	struct fcgi_record_parser parser;
	struct fcgi_params params;
	struct request request;
	struct outq out;
	struct buf control; /* records that are not STDOUT; sent between two of those */
	char *lines;	    /* header lines of any answer; NULL: none */
	bool is_blocked;    /* waiting for `writable` */
	bool has_ended;	    /* END_REQUEST is in control */
	int64_t moved_ms;   /* when bytes last went out, or the first of them was queued */
};

const char *fcgi_conn_end_text(enum fcgi_conn_end end)
{
	switch (end) {
	case FCGI_CONN_FINISHED:
		return "finished";
	case FCGI_CONN_GONE:
		return "client gone";
	case FCGI_CONN_ABORTED:
		return "aborted by the web server";
	case FCGI_CONN_BROKEN:
		return "protocol error";
	case FCGI_CONN_TIMED_OUT:
		return "timed out";
	case FCGI_CONN_CLOSED:
		return "closed";
	}
	return "closed";
}

struct fcgi_server *fcgi_server_new(const struct fcgi_server_opts *opts)
{
	struct fcgi_server *server = calloc(1, sizeof(*server));

	if (server == NULL)
		return NULL;
	server->opts = *opts;
	TAILQ_INIT(&server->conns);
	return server;
}

size_t fcgi_server_count(const struct fcgi_server *server)
{
	return server->count;
}

/* ---- the end of a connection ---- */

/* Tolerates any half-built state. */
static void conn_free(struct fcgi_conn *conn)
{
	turn_cancel(conn->server->opts.turn, &conn->flush);
	turn_cancel(conn->server->opts.turn, &conn->bury);
	if (conn->readable != NULL)
		event_free(conn->readable);
	if (conn->writable != NULL)
		event_free(conn->writable);
	if (conn->timer != NULL)
		event_free(conn->timer);
	if (conn->fd >= 0)
		close(conn->fd);
	fcgi_params_deinit(&conn->params);
	request_deinit(&conn->request);
	outq_deinit(&conn->out);
	buf_deinit(&conn->control);
	free(conn->lines);
	free(conn);
}

static void conn_bury(struct turn_job *job)
{
	conn_free((struct fcgi_conn *)((char *)job - offsetof(struct fcgi_conn, bury)));
}

void fcgi_conn_close(struct fcgi_conn *conn, enum fcgi_conn_end end)
{
	struct fcgi_server *server = conn->server;
	void *owner = conn->owner;

	if (conn->state == CONN_DEAD)
		return;
	conn->state = CONN_DEAD;
	conn->owner = NULL;
	event_del(conn->readable);
	event_del(conn->writable);
	event_del(conn->timer);
	close(conn->fd);
	conn->fd = -1;
	TAILQ_REMOVE(&server->conns, conn, entry);
	server->count--;
	turn_ask(server->opts.turn, &conn->bury);
	if (owner != NULL)
		conn->owner_ops->closed(owner, end);
	server->opts.ops->freed(server->opts.arg);
}

void fcgi_server_free(struct fcgi_server *server)
{
	if (server == NULL)
		return;
	while (!TAILQ_EMPTY(&server->conns))
		fcgi_conn_close(TAILQ_FIRST(&server->conns), FCGI_CONN_CLOSED);
	turn_settle(server->opts.turn);
	free(server);
}

void fcgi_server_close_idle(struct fcgi_server *server)
{
	struct fcgi_conn *conn, *next;

	for (conn = TAILQ_FIRST(&server->conns); conn != NULL; conn = next) {
		next = TAILQ_NEXT(conn, entry);
		if (conn->state == CONN_READING || conn->state == CONN_LINGERING)
			fcgi_conn_close(conn, FCGI_CONN_CLOSED);
	}
}

static void conn_set_timer(struct fcgi_conn *conn, int64_t ms)
{
	const struct timeval wait = {ms / 1000, ms % 1000 * 1000};

	event_add(conn->timer, &wait);
}

/* ---- writing ---- */

static bool conn_has_output(const struct fcgi_conn *conn)
{
	return conn->control.len > 0 || !outq_is_empty(&conn->out);
}

/* Everything is out, END_REQUEST too. Bytes left unread at close() would reset the peer. */
static void conn_linger(struct fcgi_conn *conn)
{
	conn->state = CONN_LINGERING;
	shutdown(conn->fd, SHUT_WR);
	conn_set_timer(conn, LINGER_MS);
}

/* One writev(2), or write(2). Returns false when the socket takes no more, or the connection died. */
static bool conn_write(struct fcgi_conn *conn)
{
	bool at_boundary = conn->out.record_left == 0 && conn->out.header_left == 0;
	bool is_control = conn->control.len > 0 && at_boundary;
	struct iovec iov[OUTQ_IOV_MAX];
	ssize_t n;

	if (is_control)
		n = write(conn->fd, conn->control.data, conn->control.len);
	else
		n = writev(conn->fd, iov, outq_gather(&conn->out, iov));
	if (n < 0) {
		if (errno == EAGAIN) {
			conn->is_blocked = event_add(conn->writable, NULL) == 0;
			if (conn->is_blocked)
				return false;
		}
		fcgi_conn_close(conn, FCGI_CONN_GONE);
		return false;
	}
	conn->moved_ms = clock_mono_ms();
	if (is_control)
		buf_consume(&conn->control, (size_t)n);
	else
		outq_sent(&conn->out, (size_t)n);
	return true;
}

static void conn_end_request(struct fcgi_conn *conn)
{
	conn->has_ended = true;
	fcgi_record_put_end(&conn->control, conn->parser.id, FCGI_RECORD_COMPLETE);
	if (!buf_ok(&conn->control))
		fcgi_conn_close(conn, FCGI_CONN_CLOSED);
}

static void conn_flush(struct turn_job *job)
{
	struct fcgi_conn *conn =
		(struct fcgi_conn *)((char *)job - offsetof(struct fcgi_conn, flush));

	if (conn->state == CONN_DEAD || conn->is_blocked)
		return;
	while (conn_has_output(conn) || (conn->state == CONN_FINISHING && !conn->has_ended)) {
		if (!conn_has_output(conn))
			conn_end_request(conn);
		if (conn->state == CONN_DEAD || !conn_write(conn))
			return;
	}
	if (conn->state == CONN_FINISHING)
		conn_linger(conn);
	else if (conn->state == CONN_SERVING && conn->owner != NULL)
		conn->owner_ops->drained(conn->owner);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct fcgi_conn *conn = arg;

	(void)fd;
	(void)what;
	conn->is_blocked = false;
	turn_ask(conn->server->opts.turn, &conn->flush);
}

int fcgi_conn_send(struct fcgi_conn *conn, struct frame *frame, enum outq_kind kind)
{
	if (conn->state != CONN_SERVING)
		return 0;
	if (outq_is_empty(&conn->out))
		conn->moved_ms = clock_mono_ms();
	if (outq_put(&conn->out, frame, kind) != 0)
		return -1;
	turn_ask(conn->server->opts.turn, &conn->flush);
	return 0;
}

int fcgi_conn_send_as(struct fcgi_conn *conn, struct frame *id, struct frame *frame,
		      enum outq_kind kind)
{
	if (conn->state != CONN_SERVING)
		return 0;
	if (outq_is_empty(&conn->out))
		conn->moved_ms = clock_mono_ms();
	if (outq_put_as(&conn->out, id, frame, kind) != 0)
		return -1;
	turn_ask(conn->server->opts.turn, &conn->flush);
	return 0;
}

size_t fcgi_conn_waiting(const struct fcgi_conn *conn)
{
	return conn->out.bytes;
}

size_t fcgi_conn_waiting_live(const struct fcgi_conn *conn)
{
	return conn->out.live_bytes;
}

int64_t fcgi_conn_stalled_ms(const struct fcgi_conn *conn)
{
	return outq_is_empty(&conn->out) ? 0 : clock_mono_ms() - conn->moved_ms;
}

void fcgi_conn_drop(struct fcgi_conn *conn)
{
	outq_drop(&conn->out);
}

void fcgi_conn_finish(struct fcgi_conn *conn)
{
	if (conn->state != CONN_SERVING)
		return;
	conn->owner = NULL;
	conn->state = CONN_FINISHING;
	conn_set_timer(conn, conn->server->opts.io_timeout_ms);
	turn_ask(conn->server->opts.turn, &conn->flush);
}

int fcgi_conn_set_lines(struct fcgi_conn *conn, struct str lines)
{
	free(conn->lines);
	conn->lines = str_dup(lines);
	return conn->lines != NULL ? 0 : -1;
}

const char *fcgi_conn_lines(const struct fcgi_conn *conn)
{
	return conn->lines;
}

void fcgi_conn_own(struct fcgi_conn *conn, const struct fcgi_owner_ops *ops, void *owner)
{
	conn->owner_ops = ops;
	conn->owner = owner;
}

/* ---- reading ---- */

/* Hands the request out; its strings go with this call. */
static void conn_request(struct fcgi_conn *conn, enum problem problem, const char *detail)
{
	struct fcgi_server *server = conn->server;
	struct fcgi_conn_request request = {.q = &conn->request};

	event_del(conn->timer);
	conn->state = CONN_SERVING;
	outq_init(&conn->out, conn->parser.id);
	request.problem = request_finish(&conn->request, &request.detail);
	if (problem != PROBLEM_NONE) {
		request.problem = problem;
		request.detail = detail;
	}
	server->opts.ops->request(server->opts.arg, conn, &request);
	request_deinit(&conn->request);
	fcgi_params_deinit(&conn->params);
}

static void conn_take_params(struct fcgi_conn *conn, struct str data)
{
	enum fcgi_params_step step;
	struct str name, value;
	struct scan in;

	if (conn->state != CONN_READING)
		return;
	scan_init(&in, data.p, data.n);
	while ((step = fcgi_params_next(&conn->params, &in, &name, &value)) == FCGI_PARAMS_PAIR)
		request_param(&conn->request, name, value);
	if (step == FCGI_PARAMS_TOO_LARGE)
		conn_request(conn, PROBLEM_BAD_REQUEST, "the request's parameters are too large");
	else if (step == FCGI_PARAMS_NO_MEMORY)
		conn_request(conn, PROBLEM_INTERNAL, "out of memory");
}

static void conn_params_end(struct fcgi_conn *conn)
{
	if (conn->state != CONN_READING)
		return;
	if (fcgi_params_end(&conn->params) != 0)
		conn_request(conn, PROBLEM_BAD_REQUEST, "the request's parameters are cut short");
	else
		conn_request(conn, PROBLEM_NONE, NULL);
}

/* The web server has given up: it still wants its END_REQUEST (section 5.4). */
static void conn_abort(struct fcgi_conn *conn)
{
	void *owner = conn->owner;

	if (conn->state == CONN_READING) {
		conn->state = CONN_SERVING;
		outq_init(&conn->out, conn->parser.id);
	}
	fcgi_conn_drop(conn);
	fcgi_conn_finish(conn);
	if (owner != NULL)
		conn->owner_ops->closed(owner, FCGI_CONN_ABORTED);
}

static void conn_step(struct fcgi_conn *conn, enum fcgi_record_step step,
		      const struct fcgi_record_part *part)
{
	switch (step) {
	case FCGI_RECORD_PARAMS_PART:
		conn_take_params(conn, part->data);
		return;
	case FCGI_RECORD_PARAMS_END:
		conn_params_end(conn);
		return;
	case FCGI_RECORD_ABORTED:
		conn_abort(conn);
		return;
	case FCGI_RECORD_BROKEN:
		log_warn(NULL, "could not read from the web server: not fastcgi",
			 LOG_STR("reason", conn->parser.broken));
		/* What the protocol has to say of it, unless an answer is under way. */
		if (conn->state == CONN_READING && conn->control.len > 0)
			(void)!write(conn->fd, conn->control.data, conn->control.len);
		fcgi_conn_close(conn, FCGI_CONN_BROKEN);
		return;
	case FCGI_RECORD_STARTED:
	case FCGI_RECORD_STDIN_PART: /* no request here has a body that is of use */
	case FCGI_RECORD_STDIN_END:
	case FCGI_RECORD_MORE:
		return;
	}
}

static void conn_feed(struct fcgi_conn *conn, const char *bytes, size_t n)
{
	enum fcgi_record_step step;
	struct fcgi_record_part part;
	struct scan in;

	scan_init(&in, bytes, n);
	while (conn->state != CONN_DEAD && conn->state != CONN_LINGERING) {
		step = fcgi_record_next(&conn->parser, &in, &conn->control, &part);
		if (step == FCGI_RECORD_MORE)
			break;
		conn_step(conn, step, &part);
	}
	if (conn->state == CONN_DEAD)
		return;
	if (!buf_ok(&conn->control))
		fcgi_conn_close(conn, FCGI_CONN_CLOSED);
	else if (conn->control.len > 0)
		turn_ask(conn->server->opts.turn, &conn->flush);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct fcgi_conn *conn = arg;
	char bytes[READ_SIZE];
	ssize_t n = read(fd, bytes, sizeof(bytes));

	(void)what;
	if (n > 0)
		conn_feed(conn, bytes, (size_t)n);
	else if (n == 0 || errno != EAGAIN)
		fcgi_conn_close(conn, conn->state == CONN_LINGERING ? FCGI_CONN_FINISHED
								    : FCGI_CONN_GONE);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct fcgi_conn *conn = arg;

	(void)fd;
	(void)what;
	if (conn->state == CONN_READING)
		log_info(NULL, "closed a connection whose request did not come in time");
	fcgi_conn_close(conn, FCGI_CONN_TIMED_OUT);
}

int fcgi_conn_start(struct fcgi_server *server, int fd)
{
	struct fcgi_conn *conn = calloc(1, sizeof(*conn));
	struct event_base *base = server->opts.base;

	if (conn == NULL) {
		close(fd);
		return -1;
	}
	conn->server = server;
	conn->fd = fd;
	conn->flush = (struct turn_job){.run = conn_flush, .is_paced = true};
	conn->bury = (struct turn_job){.run = conn_bury};
	fcgi_record_init(&conn->parser);
	fcgi_params_init(&conn->params);
	request_init(&conn->request);
	buf_init(&conn->control);
	conn->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, conn);
	conn->writable = event_new(base, fd, EV_WRITE, on_writable, conn);
	conn->timer = evtimer_new(base, on_timer, conn);
	if (conn->readable == NULL || conn->writable == NULL || conn->timer == NULL ||
	    event_add(conn->readable, NULL) != 0) {
		conn_free(conn);
		return -1;
	}
	conn_set_timer(conn, server->opts.io_timeout_ms);
	TAILQ_INSERT_TAIL(&server->conns, conn, entry);
	server->count++;
	return 0;
}
