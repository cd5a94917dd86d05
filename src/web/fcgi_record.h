/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The record layer of FastCGI 1.0 for a responder that serves one request at a
 * time on a connection (section 3). A parser that is fed bytes, split
 * anywhere, and knows nothing of sockets; and builders for the records that
 * go back.
 *
 * The parser keeps the protocol's order itself and writes the answers that
 * need no thought: FCGI_GET_VALUES_RESULT, FCGI_UNKNOWN_TYPE, and the refusal
 * of another role or of a second request while one is active. Records of
 * requests that are not active are skipped (section 3.3).
 *
 *	while ((step = fcgi_record_next(&parser, &in, &out, &part)) != FCGI_RECORD_MORE)
 *		switch (step) …
 */
#ifndef BELLHOP_WEB_FCGI_RECORD_H
#define BELLHOP_WEB_FCGI_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/scan.h"

#define FCGI_RECORD_HEAD_SIZE	8
#define FCGI_RECORD_CONTENT_MAX 65535

/* Record types (section 8). */
enum fcgi_record_type {
	FCGI_RECORD_BEGIN_REQUEST = 1,
	FCGI_RECORD_ABORT_REQUEST = 2,
	FCGI_RECORD_END_REQUEST = 3,
	FCGI_RECORD_PARAMS = 4,
	FCGI_RECORD_STDIN = 5,
	FCGI_RECORD_STDOUT = 6,
	FCGI_RECORD_STDERR = 7,
	FCGI_RECORD_DATA = 8,
	FCGI_RECORD_GET_VALUES = 9,
	FCGI_RECORD_GET_VALUES_RESULT = 10,
	FCGI_RECORD_UNKNOWN_TYPE = 11
};

/* protocolStatus of FCGI_END_REQUEST (section 5.5). */
enum fcgi_record_status {
	FCGI_RECORD_COMPLETE = 0,
	FCGI_RECORD_CANT_MPX = 1,
	FCGI_RECORD_OVERLOADED = 2,
	FCGI_RECORD_UNKNOWN_ROLE = 3
};

enum fcgi_record_step {
	FCGI_RECORD_MORE,	 /* all input taken, feed more */
	FCGI_RECORD_STARTED,	 /* a request begins: part.id, part.keep_conn */
	FCGI_RECORD_PARAMS_PART, /* part.data: some of the params stream */
	FCGI_RECORD_PARAMS_END,
	FCGI_RECORD_STDIN_PART, /* part.data: some of the request body */
	FCGI_RECORD_STDIN_END,
	FCGI_RECORD_ABORTED, /* the web server gave the request up; answer with an end record */
	FCGI_RECORD_BROKEN   /* not FastCGI; close the connection once out is written; final */
};

struct fcgi_record_part {
	struct str data; /* into the input; valid as long as that */
	uint16_t id;
	bool keep_conn;
};

/* What becomes of a record's content. */
enum fcgi_record_use {
	FCGI_RECORD_USE_SKIP,
	FCGI_RECORD_USE_WHOLE, /* collected in body */
	FCGI_RECORD_USE_STREAM /* handed on as it comes */
};

/* Embedded; for fcgi_record.c alone, but for reading id, active and broken. */
struct fcgi_record_parser {
	uint16_t id; /* of the active request */
	bool active;
	bool params_done, stdin_done;
	const char *broken; /* static text: why; NULL while all is well */
	unsigned n_managed; /* records answered here since the last request began */

	/* the record at hand */
	unsigned char head[FCGI_RECORD_HEAD_SIZE];
	unsigned n_head; /* bytes of the header so far */
	bool in_record;	 /* the header is complete, the padding not */
	bool content_done;
	enum fcgi_record_use use;
	uint8_t type;
	uint8_t padding_left;
	uint16_t record_id;
	uint16_t content_len, content_left;
	unsigned n_body;
	unsigned char body[256];
};

/* A parser at the start of a connection. Nothing to free. */
void fcgi_record_init(struct fcgi_record_parser *parser);

/*
 * Takes bytes from in until something happened or in is empty. Answers of the
 * protocol itself are appended to out, at most a few KiB between two
 * requests.
 */
enum fcgi_record_step fcgi_record_next(struct fcgi_record_parser *parser, struct scan *in,
				       struct buf *out, struct fcgi_record_part *part_r);

/* The active request was answered: what still comes for it is skipped, a new one may begin. */
void fcgi_record_done(struct fcgi_record_parser *parser);

/* Fills a record header (section 3.3); no padding, content_len at most FCGI_RECORD_CONTENT_MAX. */
void fcgi_record_head(unsigned char head[FCGI_RECORD_HEAD_SIZE], enum fcgi_record_type type,
		      uint16_t id, size_t content_len);

/* Appends data to the stdout stream, as many records as it takes; none for empty data. */
void fcgi_record_put_stdout(struct buf *out, uint16_t id, struct str data);

/* Appends the end of the stdout stream and FCGI_END_REQUEST with appStatus 0. */
void fcgi_record_put_end(struct buf *out, uint16_t id, enum fcgi_record_status status);

#endif /* BELLHOP_WEB_FCGI_RECORD_H */
