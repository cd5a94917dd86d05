/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * JSON Web Tokens (RFC 7519) as compact JWS (RFC 7515, section 7.1), HS256 and
 * EdDSA. The header's kid finds the key and the key fixes the algorithm, which
 * alg must repeat. Refused before anything is believed: over 8 KiB, alg none,
 * any crit, duplicate members, padding or white space in base64url, claims of
 * the wrong type.
 */
#ifndef BELLHOP_WEB_JWT_H
#define BELLHOP_WEB_JWT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "web/ids.h"
#include "web/keyring.h"

#define JWT_BYTES_MAX 8192
#define JWT_LEEWAY_S  30
#define JWT_TIME_MAX  INT64_C(1000000000000) /* s; far beyond any calendar, far below overflow */

enum jwt_result {
	JWT_OK = 0,
	JWT_MALFORMED,	 /* not a compact JWS of JSON objects, or too long */
	JWT_BAD_HEADER,	 /* alg or kid missing or of the wrong type, crit */
	JWT_UNKNOWN_KEY, /* no key of that kid */
	JWT_WRONG_ALG,	 /* alg is not the key's */
	JWT_BAD_SIGNATURE,
	JWT_BAD_CLAIMS,	    /* a claim is missing, of the wrong type or form */
	JWT_EXPIRED,	    /* exp has passed */
	JWT_NOT_YET,	    /* nbf or iat lies ahead */
	JWT_TOO_LONG_LIVED, /* exp lies further ahead than allowed */
	JWT_WRONG_ISSUER,
	JWT_WRONG_AUDIENCE,
	JWT_NO_MEMORY
};

/* What a token must satisfy. */
struct jwt_policy {
	const struct keyring *ring;
	const char *issuer;   /* NULL or "": not checked */
	const char *audience; /* NULL or "": not checked */
	int max_days;	      /* exp at most so many days ahead; 0: no bound */
};

struct json_read;

/* The claims of a verified token. Strings live in the claims; absent ones have p = NULL. */
struct jwt_claims {
	struct str sub;
	struct str name;
	struct str jti;
	enum role role;
	bool all_tickets;    /* tickets was "*" */
	struct str *tickets; /* well-formed ids */
	size_t n_tickets;
	int64_t exp_s; /* seconds since 1970 */
	int64_t iat_s; /* -1 where absent */
	struct json_read *json;
};

/*
 * Verifies a token against a policy at now_ms (wall clock). JWT_OK: *claims_r
 * is owned by the caller, until jwt_claims_deinit(). Otherwise *claims_r is
 * empty. Times are checked last, so JWT_EXPIRED and JWT_NOT_YET are only ever
 * said of a token that is genuine.
 */
enum jwt_result jwt_verify(const struct jwt_policy *policy, struct str token, int64_t now_ms,
			   struct jwt_claims *claims_r);

/* Frees what jwt_verify() took; an empty struct is accepted. */
void jwt_claims_deinit(struct jwt_claims *claims);

/* What a result means, for a log line or an error_description; lower case, no secrets. */
const char *jwt_result_text(enum jwt_result result);

/*
 * Appends a signed compact JWS of a payload (a JSON object) to out. Returns 0,
 * or -1: the key cannot sign, or out failed.
 */
int jwt_sign(const struct keyring_key *key, struct str kid, struct str payload, struct buf *out);

/*
 * The parts of a compact JWS decoded but not verified, for explaining a token
 * to its owner: header and payload are appended as JSON text. Returns 0, or
 * -1 where it is malformed.
 */
int jwt_decode(struct str token, struct buf *header, struct buf *payload);

#endif /* BELLHOP_WEB_JWT_H */
