/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The two forms in which a subscriber gets its events: a stream of server-sent events, or the one
 * answer of a long poll. A form writes to the connection; it never decides what is sent.
 */
#ifndef BELLHOP_PUSH_OUT_H
#define BELLHOP_PUSH_OUT_H

#include "push/outq.h"
#include "store/mode.h"

struct fcgi_conn;
struct out;

/* Where a subscription begins, for the first answer. */
struct out_hello {
	struct str cursor;
	struct str ticket;
	enum mode mode;
	int64_t newest_seq; /* for this viewer */
	struct str status;
	int64_t unread; /* -1: not known */
};

enum out_result {
	OUT_OK,
	OUT_SLOW,  /* more live events wait than a client may leave unread; the frame was not queued */
	OUT_FAILED /* out of memory */
};

struct out_ops {
	/* The response head and what comes first. */
	enum out_result (*open)(struct out *out, const struct out_hello *hello);

	/* A durable event, or a gap. */
	enum out_result (*event)(struct out *out, struct frame *frame, enum outq_kind kind);

	/* An event without an id that may be lost: mode, auth. */
	enum out_result (*notice)(struct out *out, struct frame *frame);

	/* May more be replayed now? */
	bool (*has_room)(const struct out *out);

	/* Everything up to now has been given. */
	void (*caught_up)(struct out *out);

	/* The end, with its reason as in the event bye; the connection is finished afterwards. */
	void (*bye)(struct out *out, const char *code, int64_t retry_ms);

	void (*free)(struct out *out);
};

/* The owner is told when the form itself has come to the end, once; static text says why. */
typedef void out_ended_cb(void *owner, const char *reason);

struct out {
	const struct out_ops *ops;
	struct fcgi_conn *conn;
	char request_id[65];
	out_ended_cb *ended;
	void *owner;
};

#endif
