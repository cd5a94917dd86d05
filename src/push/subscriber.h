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

/* Where it begins in one ticket. */
struct subscriber_start {
	struct hub *hub;
	int64_t pos;	   /* every event up to here is known to it, or not for it */
	int64_t shown;	   /* its cursor */
	bool is_void;	   /* what it knew is of another epoch: it is told first */
	int64_t let_in_at; /* as in struct link */
	int64_t due; /* the newest event for it: it has not caught up before it was given that */
};

struct subscriber_opts {
	struct fcgi_conn *conn;
	struct out *out;
	struct identity *who;
	const struct out_hello *hello;
	const struct subscriber_start *starts;
	size_t n_starts; /* 1 or more */
};

/*
 * Takes over the connection, the form and the identity (the caller's is empty afterwards), answers,
 * joins the hubs and begins to replay; it ends by itself. -1 when out of memory, with nothing taken
 * over and nothing sent.
 */
int subscriber_begin(struct push *push, const struct subscriber_opts *opts);

#endif
