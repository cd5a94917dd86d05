/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An HTTP client of one bellhop server, over libcurl. Blocking; one connection is kept and used
 * again. Redirects are not followed: a token goes to the server that it is meant for.
 */
#ifndef BELLHOP_CLI_HTTP_H
#define BELLHOP_CLI_HTTP_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct http;

struct http_opts {
	const char *url;     /* "https://host/chat"; paths are appended to it */
	const char *ca_file; /* PEM; NULL or "": the system's authorities */
	const char *token;   /* for Authorization: Bearer; NULL or "": none */
	int64_t timeout_ms;  /* of one call; streams have none but for silence */
};

/* A client, or NULL if out of memory or the URL is neither http nor https. Opts are copied. */
struct http *http_new(const struct http_opts *opts);
void http_free(struct http *http);

struct http_request {
	const char *method;	  /* NULL is GET */
	const char *path;	  /* "/v1/…", escaped where it must be */
	struct str json;	  /* the body; p NULL: none */
	const char *if_match;	  /* NULL: none */
	struct str last_event_id; /* n 0: none */
	int64_t silence_ms;	  /* streams: so long without a byte is the end; 0: for ever */
};

#define HTTP_WORD_SIZE 128

/* What came back; reused from call to call. */
struct http_answer {
	long status;
	struct buf body;		   /* of a stream: only what is not an event stream */
	int64_t retry_after_s;		   /* -1 where absent */
	char content_type[HTTP_WORD_SIZE]; /* "" where absent, cut if too long; so the others */
	char request_id[HTTP_WORD_SIZE];
	char mode[HTTP_WORD_SIZE]; /* Bellhop-Mode */
	char trouble[512];	   /* why there is no answer, for people */
};

void http_answer_init(struct http_answer *answer);
void http_answer_deinit(struct http_answer *answer);

/*
 * ERR_NONE: an answer came, whatever its status. ERR_UNAVAILABLE: no connection, nothing was sent.
 * ERR_REFUSED: the server's certificate is not to be trusted. ERR_UNCERTAIN: the connection broke or
 * timed out after it stood. ERR_MEMORY; ERR_PROTOCOL: not HTTP, or a body over 16 MiB.
 */
enum err http_call(struct http *http, const struct http_request *request,
		   struct http_answer *answer);

/* Takes a part of an event stream; anything but 0 ends the stream. */
typedef int http_sink(void *arg, const char *bytes, size_t n);

/*
 * Follows an event stream until it ends. Bytes go to sink while status is 200 and the type is
 * text/event-stream; any other answer is collected in answer->body. Outcomes as http_call(), and
 * ERR_CANCELLED if the sink ended it.
 */
enum err http_stream(struct http *http, const struct http_request *request, http_sink *sink,
		     void *arg, struct http_answer *answer);

/*
 * Appends what an answer of status 400 or more says: "403 not_a_participant: detail (request …)",
 * from application/problem+json where it is that, with every error of the body. Made safe to show
 * on a terminal.
 */
void http_describe(const struct http_answer *answer, struct buf *out);

#endif
