/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One HTTP answer: built in memory as status, headers and body, then written
 * in CGI form (RFC 3875, section 6). Failure is sticky: build, then let
 * reply_write_cgi() say whether it is whole. An answer that could not be built
 * is never sent by half.
 */
#ifndef BELLHOP_WEB_REPLY_H
#define BELLHOP_WEB_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/str.h"
#include "web/problem.h"

struct reply {
	int status;
	struct buf head; /* header lines, each with CRLF */
	struct buf body;
	const char *request_id; /* borrowed */
	const char *mode;	/* borrowed; may be set until the answer is written */
	const char *lines;	/* borrowed; header lines, each with CRLF, whatever the answer is */
};

/* One entry of a problem's errors[]: what in the body is wrong (RFC 9457, section 3). */
struct reply_error {
	const char *pointer; /* JSON pointer, "/content" */
	const char *message;
};

/* What a problem says beyond its code. Everything but problem is optional. */
struct reply_problem {
	enum problem problem;
	const char *detail; /* one sentence for the developer at the other end, never a secret */
	const struct reply_error *errors;
	size_t n_errors;
	const char *member;	/* name of one extra member, with… */
	struct str member_json; /* …its value, complete JSON */
	unsigned allowed;	/* methods for Allow, with PROBLEM_METHOD_NOT_ALLOWED */
	int retry_after_s;	/* Retry-After where > 0; PROBLEM_UNAVAILABLE has 3 unless set */
	bool bad_credentials; /* with 401: credentials came and were refused (RFC 6750, section 3) */
};

/*
 * Starts an answer. request_id and mode ("full", …) go into X-Request-Id and
 * Bellhop-Mode of every answer; both are borrowed until it is written. mode
 * may be NULL: then the header is left out. reply->lines is NULL, for none.
 */
void reply_init(struct reply *reply, const char *request_id, const char *mode);
void reply_deinit(struct reply *reply);

/* Forgets status, headers and body, keeps the memory, request_id, mode and lines. */
void reply_reset(struct reply *reply);

/* Adds a header. CR, LF or NUL in name or value, or an empty name, fail the answer. */
void reply_header(struct reply *reply, const char *name, struct str value);

/* The status and the headers of a JSON answer; the caller writes its text to reply->body. */
void reply_json(struct reply *reply, int status);

/* An answer without a body (204, 304). */
void reply_empty(struct reply *reply, int status);

/*
 * Turns the answer into a problem, whatever was in it: status and title from
 * the table of problems, application/problem+json, and what belongs to the
 * code: WWW-Authenticate on 401, Allow on 405, Retry-After.
 */
void reply_problem(struct reply *reply, const struct reply_problem *problem);

/* The shortest form: a code and a detail. */
void reply_problem_simple(struct reply *reply, enum problem problem, const char *detail);

/* "201 Created", for a Status header; static. Numbers that no answer of ours has give the text of 500. */
const char *reply_status_text(int status);

/*
 * Appends "Status:", the headers, Content-Length and the body, as a FastCGI
 * application writes them to stdout; without the body where head_only.
 * Returns 0, or -1 where building failed anywhere; out is then unchanged or
 * marked failed itself.
 */
int reply_write_cgi(const struct reply *reply, bool head_only, struct buf *out);

#endif /* BELLHOP_WEB_REPLY_H */
