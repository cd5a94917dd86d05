/* SPDX-License-Identifier: BSD-2-Clause */
/* Sends a complete HTTP answer over a FastCGI connection and finishes it. */
#ifndef BELLHOP_PUSH_ANSWER_H
#define BELLHOP_PUSH_ANSWER_H

#include "web/reply.h"

struct fcgi_conn;

/* The body is left out where head_only. An answer that cannot be built closes the connection. */
void answer_send(struct fcgi_conn *conn, const struct reply *reply, bool head_only);

/* The same of a problem; mode is the text for Bellhop-Mode, lines as in struct reply. */
void answer_problem(struct fcgi_conn *conn, const char *request_id, const char *mode,
		    const char *lines, const struct reply_problem *problem, bool head_only);

#endif
