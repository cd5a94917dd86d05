/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Strong entity tags over an answer's body, and the header If-None-Match that
 * asks for them (RFC 9110, sections 8.8.3 and 13.1.2).
 */
#ifndef BELLHOP_WEB_ETAG_H
#define BELLHOP_WEB_ETAG_H

#include <stdbool.h>

#include "base/str.h"

/* Two quotes, 22 characters for 16 bytes, and a NUL. */
#define ETAG_TEXT_SIZE 25

/* The tag of these bytes, quoted; the text lies in out. */
struct str etag_of(struct str body, char out[ETAG_TEXT_SIZE]);

/*
 * Whether If-None-Match names the tag: one of a list, or "*". Compared weakly,
 * as that header is, because a web server that compresses makes tags weak.
 * A header that is absent or malformed names nothing.
 */
bool etag_is_in(struct str if_none_match, struct str etag);

#endif /* BELLHOP_WEB_ETAG_H */
