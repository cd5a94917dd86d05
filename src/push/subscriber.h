/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One client that listens: the connection it came by, the form in which it gets its events, its
 * seats in the tickets it listens to (none, if it is the inbox alone), and the end of its token. A subscriber ends for
 * one reason, which is logged; its connection is finished or gone by then.
 */
#ifndef BELLHOP_PUSH_SUBSCRIBER_H
#define BELLHOP_PUSH_SUBSCRIBER_H

#include "push/fcgi_conn.h"
#include "push/out.h"
#include "push/seat.h"
#include "web/authn.h"

struct push;
struct renewal;
struct subscriber;
struct subscribers;

/* ---- all of them ---- */

/* NULL when out of memory. */
struct subscribers *subscribers_new(struct push *push);

/* Ends all that are left, without a farewell. */
void subscribers_free(struct subscribers *all);

size_t subscribers_count(const struct subscribers *all);

/* How many streams, polls not counted, the user has open. */
size_t subscribers_streams_of(const struct subscribers *all, struct str user_id);

/* Tells those whose mode is another one now. */
void subscribers_mode(struct subscribers *all);

/* The list of revocations has grown: bye {token_revoked} to whom it covers. */
void subscribers_revoked(struct subscribers *all);

/*
 * A user's token was replaced: those who came with it go on with the new one, its end, role and tickets;
 * whoever else is that user is not concerned.
 */
void subscribers_renew(struct subscribers *all, const struct renewal *renewal);

/* bye {shutdown} to all, with times to come back that are spread over what so many need. */
void subscribers_shutdown(struct subscribers *all);

/* ---- one ---- */

struct subscriber_opts {
	struct fcgi_conn *conn;
	struct out *out;
	struct identity *who;
	struct identity *fresh; /* of the token that has replaced its own meanwhile; empty: none */
	const struct out_hello *hello;
	const struct seat_start *starts; /* in ascending order of cursor_key() of the tickets */
	size_t n_starts;		 /* 0 only with has_inbox, at most CURSOR_PLACES_MAX */
	const struct str *refused;	 /* tickets that are answered with `revoked` */
	size_t n_refused;
	bool is_many;	    /* its cursors name the tickets */
	bool has_inbox;	    /* it listens to its user's inbox, too */
	int64_t present_ms; /* of a poll: its user counts as there for so long from now on */
};

/*
 * Takes over the connection, the form and the identities (the caller's are empty afterwards), answers,
 * joins the hubs and begins to replay; it ends by itself. -1 when out of memory, with nothing taken
 * over and nothing sent.
 */
int subscriber_begin(struct push *push, const struct subscriber_opts *opts);

#endif
