/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The two forms in which a subscriber gets its events: a stream of server-sent events, or the one
 * answer of a long poll. A form writes to the connection; it never decides what is sent.
 */
#ifndef BELLHOP_PUSH_OUT_H
#define BELLHOP_PUSH_OUT_H

#include "push/outq.h"
#include "store/mode.h"
#include "web/ids.h"

struct fcgi_conn;
struct out;

/* A ticket as the first answer describes it. */
struct out_ticket {
	struct str ticket;
	int64_t newest_seq; /* for this viewer */
	struct str status;
	int64_t unread; /* -1: not known */
	/* JSON; p NULL: not known. */
	struct str read;
	struct str typing;
	struct str present;
};

/* Where a subscription begins. */
struct out_hello {
	struct str cursor;
	enum mode mode;
	const struct out_ticket *tickets;
	size_t n_tickets;
};

enum out_result {
	OUT_OK,
	OUT_SLOW, /* more live events wait than a client may leave unread; the frame was not queued */
	OUT_FAILED /* out of memory */
};

struct out_ops {
	/* The response head and what comes first. */
	enum out_result (*open)(struct out *out, const struct out_hello *hello);

	/* A durable event, or a gap. `id` replaces the frame's own; p NULL: it does not. */
	enum out_result (*event)(struct out *out, struct frame *frame, struct str id,
				 enum outq_kind kind);

	/* An event without an id that may be lost: mode, auth, revoked, typing-start. */
	enum out_result (*notice)(struct out *out, struct frame *frame);

	/* May more be replayed now? */
	bool (*has_room)(const struct out *out);

	/* Everything up to now has been given. */
	void (*caught_up)(struct out *out);

	/* The end for a reason as in the event bye; finishes the connection. */
	void (*bye)(struct out *out, const char *code, int64_t retry_ms);

	/* Nothing is left to listen to: what was given is all. Finishes the connection. */
	void (*end)(struct out *out);

	void (*free)(struct out *out);
};

struct out {
	const struct out_ops *ops;
	struct fcgi_conn *conn;
	bool is_stream; /* goes on after the first events */
	char request_id[IDS_REQUEST_MAX + 1];

	/* To the owner, once: the form itself has come to its end; static text says why. */
	void (*ended)(void *owner, const char *reason);

	/* Asks the owner: is there more than what it has given so far? */
	bool (*has_more)(void *owner);
	void *owner;
};

#endif
