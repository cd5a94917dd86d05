/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From a request to a subscriber: which route, who asks, where to begin, may they, what do the
 * stores say. Every refusal is answered here; what cannot be had for now is `bye` in a stream and 503
 * in a poll.
 */
#ifndef BELLHOP_PUSH_OPENING_H
#define BELLHOP_PUSH_OPENING_H

#include "push/fcgi_conn.h"
#include "web/authn.h"
#include "web/cors.h"

struct openings;
struct push;
struct renewal;

struct openings_opts {
	struct push *push;
	const struct authn *authn; /* borrowed; its contents may change at a reload */
	const struct cors *cors;   /* the same */
	const char *base_path;
};

/* The options are copied. NULL when out of memory. */
struct openings *openings_new(const struct openings_opts *opts);

/* Those under way must be gone: free the server of the connections first. */
void openings_free(struct openings *openings);

/* Takes a request, as the callback of struct fcgi_server_ops. */
void openings_request(struct openings *openings, struct fcgi_conn *conn,
		      const struct fcgi_conn_request *request);

/*
 * A user's token was replaced: those under way that came with it begin with it, and go on with the new one
 * at once.
 */
void openings_renew(struct openings *openings, const struct renewal *renewal);

/* Sends all that are under way, and that still come, away with bye {shutdown}. */
void openings_shutdown(struct openings *openings);

#endif
