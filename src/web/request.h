/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One HTTP request as a web server hands it over in CGI parameters (RFC 3875,
 * section 4.1; FastCGI 1.0, section 6.2). Parameters are fed one at a time,
 * wherever they come from; those that we do not read are dropped.
 *
 * A parameter with an empty value counts as absent: web servers send empty
 * ones for headers that the client did not send. One that arrives twice is a
 * bad request, so that no two programs can choose a different one of them.
 *
 * REDIRECT_STATUS is how a web server says that it has refused the request itself, and wants no more than
 * the words for it: 400, 403 or 413. Anything else, such as the 200 that some send with each request, means
 * nothing.
 */
#ifndef BELLHOP_WEB_REQUEST_H
#define BELLHOP_WEB_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "web/ids.h"
#include "web/problem.h"

enum request_method {
	REQUEST_GET = 1 << 0,
	REQUEST_HEAD = 1 << 1,
	REQUEST_POST = 1 << 2,
	REQUEST_PUT = 1 << 3,
	REQUEST_PATCH = 1 << 4,
	REQUEST_DELETE = 1 << 5,
	REQUEST_OPTIONS = 1 << 6,
	REQUEST_OTHER = 1 << 7
};

/* Identity that the web server vouches for; only authn decides whether it counts. */
struct request_trusted {
	struct str user;    /* BELLHOP_USER */
	struct str role;    /* BELLHOP_ROLE */
	struct str name;    /* BELLHOP_NAME */
	struct str tickets; /* BELLHOP_TICKETS: "*", or ids separated by commas or spaces */
};

struct request_chunk;

/*
 * Absent parameters have p = NULL. All strings live in the request and are
 * NUL-terminated, but for path and query, which are parts of uri.
 */
struct request {
	enum request_method method;
	bool https;
	int64_t content_length; /* -1 where absent */
	struct str method_text; /* REQUEST_METHOD */
	struct str uri;		/* REQUEST_URI, raw */
	struct str path;	/* of uri, still percent-encoded, begins with a slash */
	struct str query;	/* of uri, still percent-encoded, without the '?'; may be empty */
	struct str content_type;
	struct str authorization;
	struct str cookie;
	struct str origin;
	struct str sec_fetch_site;
	struct str csrf_token; /* X-CSRF-Token */
	struct str if_match;
	struct str if_none_match;
	struct str idempotency_key;
	struct str last_event_id;
	struct str user_agent;
	struct str remote_addr;
	struct request_trusted trusted;
	char request_id[IDS_REQUEST_MAX + 1]; /* theirs if well-formed, else ours; set by finish */
	size_t held;			      /* memory that the strings take, in bytes */

	/* For request.c alone. */
	struct str id_param, id_header, https_param, scheme, length_param, redirect_status;
	uint32_t seen;	   /* one bit a known parameter */
	const char *fault; /* static text of the first thing wrong, or NULL */
	bool no_memory;
	size_t bytes;
	struct request_chunk *chunks;
};

/* An empty request; request_deinit() may be called from here on, more than once. */
void request_init(struct request *q);
void request_deinit(struct request *q);

/*
 * Takes one parameter; name and value are copied where they are kept. Never
 * fails at once: faults are kept for request_finish(), so that the request's
 * id is known when the refusal is written.
 */
void request_param(struct request *q, struct str name, struct str value);

/*
 * To be called after the last parameter: derives method, https,
 * content_length, path, query and request_id. PROBLEM_NONE: the request is
 * whole. PROBLEM_BAD_REQUEST: *detail_r is a static text (a parameter twice,
 * a control character in a value, no method, no or a malformed URI, a
 * malformed Content-Length, more than 64 KiB). PROBLEM_INTERNAL: out of
 * memory. What the web server has refused is PROBLEM_BAD_REQUEST,
 * PROBLEM_FORBIDDEN or PROBLEM_TOO_LARGE, with a text as well. request_id is
 * set in every case.
 */
enum problem request_finish(struct request *q, const char **detail_r);

#endif /* BELLHOP_WEB_REQUEST_H */
