/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One client that listens: the connection it came by, the form in which it gets its events, its
 * links to the hubs of the tickets it listens to, and the end of its token. A subscriber ends for
 * one reason, which is logged; its connection is finished or gone by then.
 */
#ifndef BELLHOP_PUSH_SUBSCRIBER_H
#define BELLHOP_PUSH_SUBSCRIBER_H

#include "push/fcgi_conn.h"
#include "push/hub.h"
#include "push/out.h"
#include "web/authn.h"

struct push;
struct subscriber;
struct subscribers;

/* ---- all of them ---- */

/* NULL when out of memory. */
struct subscribers *subscribers_new(struct push *push);

/* Ends all that are left, without a farewell. */
void subscribers_free(struct subscribers *all);

size_t subscribers_count(const struct subscribers *all);

/* Tells those whose mode is another one now. */
void subscribers_mode(struct subscribers *all);

/* bye {shutdown} to all, with times to come back that are spread over what so many need. */
void subscribers_shutdown(struct subscribers *all);

/* ---- one ---- */

struct subscriber_opts {
	struct fcgi_conn *conn;
	struct out *out;	      /* taken over */
	const struct identity *who;   /* moved: the caller's is empty afterwards */
	const char *request_id;
};

/* It owns the connection from now on. NULL when out of memory, with nothing taken. */
struct subscriber *subscriber_new(struct push *push, struct identity *who, struct fcgi_conn *conn,
				  struct out *out);

/* Where it stands in one ticket when it starts. */
struct subscriber_start {
	struct hub *hub;
	int64_t pos;   /* every event up to here is known to it, or not for it */
	int64_t shown; /* its cursor */
	bool is_gap;   /* what it knew is void: tell it before anything else */
	struct out_hello hello;
};

/*
 * Answers, joins the hub and begins to replay. May end the subscriber at once.
 */
void subscriber_start(struct subscriber *sub, const struct subscriber_start *start);

/* bye with that code (static text) and the end. */
void subscriber_bye(struct subscriber *sub, const char *code);

/* What the connection tells (struct fcgi_conn_ops): it has drained; it is gone. */
void subscriber_drained(struct subscriber *sub);
void subscriber_gone(struct subscriber *sub, enum fcgi_conn_end end);

#endif
