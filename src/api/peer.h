/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One connection from the web server: parsed by libfcgi, accepted and closed by us.
 *
 * libfcgi blocks, so time is kept here: reading the head of a request may take a second, reading its
 * body and writing its answer the I/O time-out each, in total, however the bytes dribble in; then the
 * connection is cut and every pending call on it fails. The signal SIGALRM belongs to this file.
 *
 * A process has one peer at a time.
 */
#ifndef BELLHOP_API_PEER_H
#define BELLHOP_API_PEER_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "web/request.h"

struct peer;

enum peer_body {
	PEER_BODY_WHOLE,
	PEER_BODY_SHORT, /* less than was announced: cut off, or the peer lied */
	PEER_BODY_LONG,	 /* more than was announced */
	PEER_BODY_LARGE, /* more than the limit; not read, or not to its end */
	PEER_BODY_MEMORY
};

/*
 * Prepares libfcgi and the timer in this process. NULL with errno. To be called once all other
 * signal handling is in place: libfcgi's own handlers are undone.
 */
struct peer *peer_new(int64_t io_timeout_ms);
void peer_free(struct peer *peer);

/*
 * Takes over a connected socket, which is ours to close from here on whatever the result, and
 * reads the head of one request from it into q, which the caller has initialised. 0, or -1 if there
 * is none (silence, half a header, a protocol error): then the connection is closed already.
 */
int peer_begin(struct peer *peer, int fd, struct request *q);

/*
 * Reads the body to its end. announced: its length by CONTENT_LENGTH, -1 if it was not given;
 * limit: bytes, 0 = none; a body announced to be longer is not read at all.
 */
enum peer_body peer_read_body(struct peer *peer, int64_t announced, size_t limit, struct buf *body);

/* Sends the answer in CGI form and closes. 0, or -1 if the peer did not take it in time. */
int peer_finish(struct peer *peer, struct str cgi);

#endif
