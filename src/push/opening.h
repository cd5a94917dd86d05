/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From a request to a subscriber: which route, who asks, where to begin, may they, what do the
 * stores say. Every refusal is answered here; what the stores cannot tell for now is `bye` in a
 * stream and 503 in a poll.
 */
#ifndef BELLHOP_PUSH_OPENING_H
#define BELLHOP_PUSH_OPENING_H

#include "push/fcgi_conn.h"
#include "web/authn.h"

struct opening;
struct openings;
struct push;

struct openings_opts {
	struct push *push;
	const struct authn *authn; /* borrowed; its contents may change at a reload */
	struct str base_path;	   /* borrowed */
};

/* NULL when out of memory. */
struct openings *openings_new(const struct openings_opts *opts);

/* Gives up what is under way; connections stay to be closed by their server. */
void openings_free(struct openings *openings);

/* From now on every request is answered as if no store could be asked: too many, or stopping. */
void openings_refuse(struct openings *openings, const char *code);

/* Takes a request. */
void openings_request(struct openings *openings, struct fcgi_conn *conn,
		      const struct fcgi_conn_request *request);

#endif
