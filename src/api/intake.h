/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Takes one request from the bytes of a FastCGI connection (FastCGI 1.0, section 6.2), fed as they
 * come, cut anywhere. Knows nothing of sockets; what it holds is bounded whatever is fed: the head by
 * the limits of web/fcgi_params and web/request, answers of the protocol itself by web/fcgi_record,
 * the body by its limit and one feed more if the caller asks intake_is_over() after each.
 */
#ifndef BELLHOP_API_INTAKE_H
#define BELLHOP_API_INTAKE_H

#include "base/buf.h"
#include "web/fcgi_params.h"
#include "web/fcgi_record.h"
#include "web/request.h"

enum intake_state {
	INTAKE_HEAD,	/* the parameters are not whole */
	INTAKE_BODY,	/* they are, the body is not */
	INTAKE_DONE,	/* there is no more to wait for: answer */
	INTAKE_ABORTED, /* the web server gave it up: intake_end(), without an answer */
	INTAKE_BROKEN	/* not FastCGI, or no memory: close once out is written */
};

enum intake_body {
	INTAKE_BODY_WHOLE,
	INTAKE_BODY_SHORT, /* less than was announced: cut off, or the peer lied */
	INTAKE_BODY_LONG,  /* more than was announced */
	INTAKE_BODY_LARGE, /* more than the limit; not taken to its end */
	INTAKE_BODY_MEMORY
};

/* To be read by anybody, changed by intake.c alone but for out, whose bytes go to the peer. */
struct intake {
	enum intake_state state;
	struct request request; /* finished from INTAKE_BODY on */
	enum problem fault; /* what request_finish() said of it, or that its head is too large */
	const char *detail; /* with a fault */
	struct buf body;
	bool has_ended; /* the peer has sent all of its request */
	struct buf out;
	size_t body_limit;

	struct fcgi_record_parser parser;
	struct fcgi_params params;
};

/* body_limit: bytes, 0 = any. */
void intake_init(struct intake *intake, size_t body_limit);
void intake_deinit(struct intake *intake);

/* Takes all of bytes. Nothing happens once the state is DONE or later. */
enum intake_state intake_feed(struct intake *intake, struct str bytes);

/* Whether the body is announced to be over the limit, or is already: the rest need not be awaited. */
bool intake_is_over(const struct intake *intake);

/* From now on the body may have `limit` bytes (0 = any). Whether the rest of it is to be awaited then. */
bool intake_may_go_on(struct intake *intake, size_t limit);

/* What there is to say of the body as it is now. */
enum intake_body intake_body(const struct intake *intake);

/* The memory that it takes beside itself, in bytes. */
size_t intake_held(const struct intake *intake);

/* Appends an answer in CGI form to out, and the end of the request. */
void intake_answer(struct intake *intake, struct str cgi);

/* Appends the end of a request that was given up. */
void intake_end(struct intake *intake);

#endif
