/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The problems that the HTTP API can answer with: one row a code, with the
 * status and the title that go with it (RFC 9457, section 3).
 */
#ifndef BELLHOP_WEB_PROBLEM_H
#define BELLHOP_WEB_PROBLEM_H

enum problem {
	PROBLEM_NONE = 0,
	PROBLEM_BAD_JSON,
	PROBLEM_INVALID_FIELD,
	PROBLEM_BAD_REQUEST,
	PROBLEM_UNAUTHENTICATED,
	PROBLEM_TOKEN_EXPIRED,
	PROBLEM_TOKEN_REVOKED,
	PROBLEM_NOT_A_PARTICIPANT,
	PROBLEM_FORBIDDEN,
	PROBLEM_CSRF,
	PROBLEM_NOT_FOUND,
	PROBLEM_METHOD_NOT_ALLOWED,
	PROBLEM_TICKET_CLOSED,
	PROBLEM_DELETED,
	PROBLEM_ON_HOLD,
	PROBLEM_IN_PROGRESS,
	PROBLEM_NEWER_MESSAGES,
	PROBLEM_STALE_REVISION,
	PROBLEM_TOO_LARGE,
	PROBLEM_UNSUPPORTED_MEDIA_TYPE,
	PROBLEM_IDEMPOTENCY_MISMATCH,
	PROBLEM_RATE_LIMITED,
	PROBLEM_INTERNAL,
	PROBLEM_UNAVAILABLE,
	PROBLEM_COUNT
};

struct problem_info {
	const char *code; /* "ticket_closed"; the type is urn:bellhop:problem:<code> */
	int status;	  /* HTTP status */
	const char *title;
};

/*
 * The row of a problem. Never NULL: PROBLEM_NONE and numbers outside of the
 * table give the row of PROBLEM_INTERNAL.
 */
const struct problem_info *problem_info(enum problem problem);

#endif /* BELLHOP_WEB_PROBLEM_H */
