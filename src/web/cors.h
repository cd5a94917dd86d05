/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether pages of other origins may read our answers (Fetch standard, section 3.2, "HTTP CORS protocol").
 * Off unless origins are set, and then for exactly those: never "*", never an origin that is not listed.
 * What such a page may do is decided elsewhere, by its token; the cookie is for those alone that may write
 * with it.
 */
#ifndef BELLHOP_WEB_CORS_H
#define BELLHOP_WEB_CORS_H

#include "web/reply.h"
#include "web/request.h"

/* Texts as in web/origin.h; borrowed. */
struct cors {
	struct str origins;	   /* BELLHOP_CORS_ORIGINS; empty: off */
	struct str cookie_origins; /* BELLHOP_ALLOWED_ORIGINS */
};

/* Appends the header lines that any answer to this origin (absent: p NULL) has; none where it is off. */
void cors_put(struct buf *head, const struct cors *cors, struct str origin);

/* Does a browser ask beforehand, for a page that may, whether it can send something? */
bool cors_is_preflight(const struct cors *cors, const struct request *q);

/* The answer to that, but for the lines of cors_put(): 204; `methods` (enum request_method) are the path's. */
void cors_preflight(struct reply *reply, unsigned methods);

#endif
