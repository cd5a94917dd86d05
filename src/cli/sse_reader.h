/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Server-sent events, the reading side: bytes in, events out, no I/O
 * (WHATWG HTML, 9.2.6 «Interpreting an event stream»).
 */
#ifndef BELLHOP_CLI_SSE_READER_H
#define BELLHOP_CLI_SSE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

/* One event as dispatched; the strings are borrowed and hold only during the callback. */
struct sse_reader_event {
	struct str type; /* "message" where the stream named none */
	struct str data; /* lines joined by \n */
	struct str id;	 /* the last event id of the stream so far, empty if none */
	bool has_id;	 /* this very event carried an id line */
};

/*
 * Takes one event. Called from inside sse_reader_feed(); anything but 0 stops the reading there.
 */
typedef int sse_reader_sink(void *arg, const struct sse_reader_event *event);

struct sse_reader {
	sse_reader_sink *sink;
	void *arg;
	size_t limit;	  /* of one line and of one event's data, in bytes */
	struct buf line;  /* the beginning of a line whose end has not come yet */
	struct buf type;  /* of the event being read */
	struct buf data;  /* of the event being read, each line followed by \n */
	struct buf id;	  /* the id of the newest id line */
	int64_t retry_ms; /* the newest `retry:`, -1 until there is one */
	bool has_id;	  /* an id line came since the last dispatch */
	bool after_cr;	  /* a \n that comes now belongs to the \r before it */
	bool begun;	  /* the first line, which may begin with a byte order mark, is over */
	bool stopped;	  /* by the sink, by the limit or for want of memory */
};

/* Events go to sink(arg, …). A line or an event's data longer than limit bytes stops the reader. */
void sse_reader_init(struct sse_reader *reader, size_t limit, sse_reader_sink *sink, void *arg);

void sse_reader_deinit(struct sse_reader *reader);

/*
 * Begins a new connection: drops what was half read, keeps the last event id and the retry time,
 * as EventSource does.
 */
void sse_reader_restart(struct sse_reader *reader);

/* Reads n bytes, cut anywhere. 0, or -1 when the reader is stopped; then no event follows. */
int sse_reader_feed(struct sse_reader *reader, const char *bytes, size_t n);

/* The last event id, to be sent as Last-Event-ID; empty if there was none. Borrowed. */
struct str sse_reader_last_id(const struct sse_reader *reader);

#endif
