/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sessions: a token in a cookie that scripts cannot read, and how it is renewed and ended. GET and DELETE
 * are about the cookie, whoever else the request names.
 */
#ifndef BELLHOP_API_H_SESSION_H
#define BELLHOP_API_H_SESSION_H

struct call;

/* POST /v1/session: the Bearer token becomes the session. */
void h_session_begin(struct call *call);

/* GET /v1/session */
void h_session_read(struct call *call);

/* POST /v1/session/refresh: so does this one, and streams of the token before it go on with it. */
void h_session_refresh(struct call *call);

/* DELETE /v1/session; a call without an identity is one whose session is over already. */
void h_session_end(struct call *call);

#endif
