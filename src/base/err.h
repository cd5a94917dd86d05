/* SPDX-License-Identifier: BSD-2-Clause */
/* Outcomes that a caller acts upon differently. */
#ifndef BELLHOP_BASE_ERR_H
#define BELLHOP_BASE_ERR_H

enum err {
	ERR_NONE = 0,
	ERR_UNAVAILABLE, /* the server could not be reached; nothing was sent */
	ERR_UNCERTAIN,	 /* sent, but no answer: it may or may not have happened */
	ERR_TIMEOUT,	 /* no answer in time to something that changes nothing */
	ERR_REFUSED,	 /* the server understood and said no */
	ERR_PROTOCOL,	 /* the peer answered something that makes no sense */
	ERR_INVALID,	 /* the input is malformed or out of range */
	ERR_NOT_FOUND,	 /* what was asked for is not there */
	ERR_CANCELLED,	 /* given up by the caller's own doing: stop, reload */
	ERR_MEMORY,	 /* out of memory, or over a limit that we set ourselves */
};

/* A short lower-case text for logs; never NULL, also for values outside the enum. */
const char *err_text(enum err err);

#endif
