/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One connection of the web server, FastCGI 1.0, as a responder of one request: the connection is
 * closed after its answer also where the web server offered to keep it (section 3.5 leaves that to
 * us). Reads go on during the answer, to notice ABORT_REQUEST and a peer that went away.
 *
 * Life: new → request() once → fcgi_conn_send()* → fcgi_conn_finish() or fcgi_conn_close().
 */
#ifndef BELLHOP_PUSH_FCGI_CONN_H
#define BELLHOP_PUSH_FCGI_CONN_H

#include "push/frame.h"
#include "push/outq.h"
#include "web/request.h"

struct event_base;
struct fcgi_conn;
struct fcgi_server;
struct turn;

/* Why a connection ended. */
enum fcgi_conn_end {
	FCGI_CONN_FINISHED,  /* answered to the last byte */
	FCGI_CONN_GONE,	     /* the peer closed or reset it */
	FCGI_CONN_ABORTED,   /* ABORT_REQUEST */
	FCGI_CONN_BROKEN,    /* what came is not FastCGI */
	FCGI_CONN_TIMED_OUT, /* half a request, or an answer that nobody reads */
	FCGI_CONN_CLOSED     /* by us */
};

/* A request with its parameters, or what is wrong with it. */
struct fcgi_conn_request {
	struct request *q; /* whole if problem is PROBLEM_NONE; gone after the callback */
	enum problem problem;
	const char *detail; /* static text; NULL without a problem */
};

/* What a connection tells whoever made it. */
struct fcgi_server_ops {
	/* A request is there. The callback may answer at once, or own the connection and do so later. */
	void (*request)(void *arg, struct fcgi_conn *conn, const struct fcgi_conn_request *request);

	/* Once per connection: a descriptor has been given back. */
	void (*freed)(void *arg);
};

/* What a connection tells its owner. */
struct fcgi_owner_ops {
	/* All that was queued has been written. At the end of a turn. */
	void (*drained)(void *owner);

	/* Once: the connection must not be used any more. */
	void (*closed)(void *owner, enum fcgi_conn_end end);
};

struct fcgi_server_opts {
	struct event_base *base;
	struct turn *turn;
	int64_t io_timeout_ms;
	const struct fcgi_server_ops *ops;
	void *arg;
};

/* What connections share. The options are copied. NULL when out of memory. */
struct fcgi_server *fcgi_server_new(const struct fcgi_server_opts *opts);

/* Closes what is open (owners are told). NULL is fine. */
void fcgi_server_free(struct fcgi_server *server);

/* Closes those that have no request under way: none came yet, or all is answered. */
void fcgi_server_close_idle(struct fcgi_server *server);

/* Connections, those included that are being closed. */
size_t fcgi_server_count(const struct fcgi_server *server);

/* Takes over a connected non-blocking socket. -1 when out of memory, with fd closed. */
int fcgi_conn_start(struct fcgi_server *server, int fd);

/*
 * Header lines, each with CRLF, that whatever is answered here has to have besides its own; copied. -1 when
 * out of memory. NULL where none were set.
 */
int fcgi_conn_set_lines(struct fcgi_conn *conn, struct str lines);
const char *fcgi_conn_lines(const struct fcgi_conn *conn);

/* From now on this owner is told; NULL: nobody. */
void fcgi_conn_own(struct fcgi_conn *conn, const struct fcgi_owner_ops *ops, void *owner);

/* Queues a frame (it takes a reference), written at the end of the turn. -1 when out of memory. */
int fcgi_conn_send(struct fcgi_conn *conn, struct frame *frame, enum outq_kind kind);

/* The same; what `id` holds is sent in place of the frame's own id line. */
int fcgi_conn_send_as(struct fcgi_conn *conn, struct frame *id, struct frame *frame,
		      enum outq_kind kind);

/* Bytes that wait: all of them, the live ones. */
size_t fcgi_conn_waiting(const struct fcgi_conn *conn);
size_t fcgi_conn_waiting_live(const struct fcgi_conn *conn);

/* For how long the peer has not taken a byte although some wait; 0 where none do. */
int64_t fcgi_conn_stalled_ms(const struct fcgi_conn *conn);

/* Gives up what waits, as far as what was begun lets it. */
void fcgi_conn_drop(struct fcgi_conn *conn);

/*
 * No more will be sent: what waits goes out, then END_REQUEST, then it closes, all within the
 * I/O time-out. The owner is not told any more.
 */
void fcgi_conn_finish(struct fcgi_conn *conn);

/* Closes at once. The owner is told before this returns. */
void fcgi_conn_close(struct fcgi_conn *conn, enum fcgi_conn_end end);

/* A static text for logs. */
const char *fcgi_conn_end_text(enum fcgi_conn_end end);

#endif
