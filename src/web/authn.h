/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who is asking. In this order, and never silently downgraded to the next: a
 * Bearer token (RFC 6750), the session cookie holding the same kind of token,
 * and, only where configured, parameters that the web server vouches for.
 * Something that is there and not valid is a refusal.
 */
#ifndef BELLHOP_WEB_AUTHN_H
#define BELLHOP_WEB_AUTHN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "web/ids.h"
#include "web/jwt.h"
#include "web/problem.h"
#include "web/request.h"

/* A CSRF token with its terminating NUL: base64url of 32 bytes. */
#define AUTHN_CSRF_SIZE 44

/* What a browser keeps of a cookie at least, its name included (RFC 6265, section 6.1). */
#define AUTHN_COOKIE_MAX 4096

enum authn_via { AUTHN_BEARER, AUTHN_COOKIE, AUTHN_PARAMS };

/* What identities are made by; everything is borrowed. */
struct authn {
	struct jwt_policy policy;
	struct str secret;  /* keys the CSRF tokens; 32 bytes or more; empty: no cookie writes */
	struct str origins; /* BELLHOP_ALLOWED_ORIGINS */
	bool trust_params;  /* BELLHOP_TRUST_PARAMS */
};

/* Who is asking; owns its strings, outlives the request. */
struct identity {
	struct str user_id;
	struct str name;     /* p = NULL where none was given */
	struct str token_id; /* the token's jti, else what stands for it; p = NULL: AUTHN_PARAMS */
	enum role role;
	enum authn_via via;
	bool all_tickets;
	const struct str *tickets;
	size_t n_tickets;
	int64_t exp_ms;		    /* wall clock; 0: does not expire (AUTHN_PARAMS) */
	int64_t iat_s;		    /* -1 where absent */
	struct jwt_claims claims;   /* of the token, for authn.c alone */
	char *text;		    /* of other strings, for authn.c alone */
	char csrf[AUTHN_CSRF_SIZE]; /* AUTHN_COOKIE: the token that its writes must show, else "" */
};

/* Why there is no identity, or it may not do this. */
struct authn_refusal {
	enum problem problem;
	const char *detail;   /* static text */
	bool bad_credentials; /* something was presented (RFC 6750, section 3.1) */
};

/*
 * Identifies the request at now_ms (wall clock). Returns 0 and an identity,
 * owned by the caller until identity_deinit(); or -1, an empty identity and
 * *refusal_r: unauthenticated, token_expired, or internal where memory ran
 * out.
 */
int authn_identify(const struct authn *authn, const struct request *q, int64_t now_ms,
		   struct identity *id_r, struct authn_refusal *refusal_r);

/*
 * The same of the session's cookie alone, whoever else the request names: unauthenticated where there is
 * none.
 */
int authn_identify_session(const struct authn *authn, const struct request *q, int64_t now_ms,
			   struct identity *id_r, struct authn_refusal *refusal_r);

/*
 * Makes an identity of claims that somebody else has verified, whose jti is the token_id; it copies what it
 * keeps. 0 with an identity of the caller's; or -1 when out of memory, and an empty one.
 */
int authn_identity_of(const struct jwt_claims *claims, enum authn_via via, struct identity *id_r);

/* Frees what any of these took; an empty identity is accepted, twice too. */
void authn_identity_deinit(struct identity *id);

/* The token's own word about a ticket: service, admin, tickets "*", or listed. */
bool authn_identity_grants(const struct identity *id, struct str ticket);

/* Whether notes are visible to this identity. */
bool authn_identity_is_staff(const struct identity *id);

/*
 * Whether a request that changes something may come from where it comes:
 * cookies need a listed Origin (or Sec-Fetch-Site: same-origin) and the right
 * X-CSRF-Token; identities by parameters, which browsers send unasked as
 * well, must not come from a foreign origin; Bearer needs nothing. Returns 0,
 * or -1 with PROBLEM_CSRF in *refusal_r.
 */
int authn_check_write(const struct authn *authn, const struct request *q, const struct identity *id,
		      struct authn_refusal *refusal_r);

/* The same for streams and polls, where the origin alone matters. */
int authn_check_listen(const struct authn *authn, const struct request *q,
		       const struct identity *id, struct authn_refusal *refusal_r);

/* The CSRF token of a session: base64url of BLAKE2b-256 of its JWT, keyed with the secret. */
int authn_csrf(struct str secret, struct str jwt, char out[AUTHN_CSRF_SIZE]);

/* Name of the session cookie: __Host-bellhop where the site is https, else bellhop. */
const char *authn_cookie_name(bool https);

/*
 * The token of an identity that this request has given by AUTHN_BEARER or AUTHN_COOKIE; borrowed from the
 * request.
 */
struct str authn_token(const struct request *q, enum authn_via via);

/*
 * The value of Set-Cookie (RFC 6265, section 4.1): the session's cookie holds the token for the next
 * max_age_s seconds; an empty token and 0 clear it.
 */
void authn_put_cookie(struct buf *out, bool https, struct str token, int64_t max_age_s);

/* Whether that is a token_id: a jti, or what stands for one. */
bool authn_is_token_id(struct str s);

#endif /* BELLHOP_WEB_AUTHN_H */
