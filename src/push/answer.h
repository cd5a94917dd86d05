/* SPDX-License-Identifier: BSD-2-Clause */
/* Sends a complete HTTP answer over a FastCGI connection and finishes it. */
#ifndef BELLHOP_PUSH_ANSWER_H
#define BELLHOP_PUSH_ANSWER_H

#include "web/cors.h"

struct fcgi_conn;

/* What any answer there needs for the page that asks, absent where it names no origin. -1 when out of memory. */
int answer_prepare(struct fcgi_conn *conn, const struct cors *cors, struct str origin);

/* The body is left out where head_only. An answer that cannot be built closes the connection. */
void answer_send(struct fcgi_conn *conn, const struct reply *reply, bool head_only);

/* The same of a problem; mode is the text for Bellhop-Mode, lines as in struct reply. */
void answer_problem(struct fcgi_conn *conn, const char *request_id, const char *mode,
		    const char *lines, const struct reply_problem *problem, bool head_only);

/* The answer to a browser that asks beforehand; methods as in cors_preflight(). */
void answer_preflight(struct fcgi_conn *conn, const struct request *q, const char *mode,
		      unsigned methods);

#endif
