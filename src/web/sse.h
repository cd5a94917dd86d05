/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Server-sent events (WHATWG HTML, section 9.2.5): builds the text of frames.
 * All failure is sticky in the buffer: build first, check buf_ok() once.
 */
#ifndef BELLHOP_WEB_SSE_H
#define BELLHOP_WEB_SSE_H

#include "base/buf.h"
#include "base/str.h"

/*
 * Appends one event:
 *
 *	id: <id>		only where id.p is not NULL
 *	event: <event>
 *	data: <data>		once a line, so data may hold line breaks
 *	<empty line>
 *
 * event and id must be free of CR, LF and NUL; where they are not, nothing is
 * appended and the buffer is marked failed, so that no client can inject a
 * frame by way of an id.
 */
void sse_frame(struct buf *out, const char *event, struct str id, struct str data);

/* Appends a comment line and an empty line; text as for an id. */
void sse_comment(struct buf *out, const char *text);

/* Appends the reconnection time (retry: <ms>), to be followed by a frame. */
void sse_retry(struct buf *out, int retry_ms);

#endif /* BELLHOP_WEB_SSE_H */
