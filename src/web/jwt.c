/* SPDX-License-Identifier: BSD-2-Clause */
/* JSON Web Tokens: compact JWS with HS256 or EdDSA. */
#include "config.h"

#include "web/jwt.h"

#include <sodium.h>
#include <stdlib.h>

#include "web/base64url.h"
#include "web/json_read.h"
#include "web/json_write.h"

#define DAY_MS INT64_C(86400000)

/* The pieces of <header>.<payload>.<signature>, encoded. */
struct parts {
	struct str header, payload, signature;
	struct str signed_text; /* header and payload with the dot between */
};

/* The claims about time, in seconds. */
struct times {
	int64_t exp_s, nbf_s, iat_s; /* the last two -1 where absent */
};

static int split_token(struct str token, struct parts *parts)
{
	struct str rest = token, extra;

	if (token.n > JWT_BYTES_MAX || !str_split(&rest, '.', &parts->header) ||
	    !str_split(&rest, '.', &parts->payload) || !str_split(&rest, '.', &parts->signature) ||
	    str_split(&rest, '.', &extra))
		return -1;
	if (parts->header.n == 0 || parts->payload.n == 0)
		return -1;
	parts->signed_text = (struct str){token.p, parts->header.n + 1 + parts->payload.n};
	return 0;
}

/* Decodes base64url and reads the JSON object in it. */
static enum jwt_result read_object(struct str encoded, struct json_read **json_r)
{
	unsigned char text[JWT_BYTES_MAX];
	struct json_read_error error;
	enum json_read_result result;
	size_t n;

	*json_r = NULL;
	if (base64url_decode(encoded, text, sizeof(text), &n) != 0)
		return JWT_MALFORMED;
	result = json_read((struct str){(const char *)text, n}, json_r, &error);
	if (result == JSON_READ_MEMORY)
		return JWT_NO_MEMORY;
	if (result != JSON_READ_OK)
		return JWT_MALFORMED;
	return json_read_is_object(json_read_root(*json_r)) ? JWT_OK : JWT_MALFORMED;
}

/* The header: finds the key by kid; alg must be the key's own. */
static enum jwt_result choose_key(const struct keyring *ring, struct str encoded,
				  const struct keyring_key **key_r)
{
	const struct json_read_value *root, *alg, *kid;
	struct json_read *json;
	enum jwt_result result = read_object(encoded, &json);

	if (result != JWT_OK)
		goto out;
	root = json_read_root(json);
	alg = json_read_find(root, "alg");
	kid = json_read_find(root, "kid");
	result = JWT_BAD_HEADER;
	if (alg == NULL || !json_read_is_string(alg) || kid == NULL || !json_read_is_string(kid))
		goto out;
	/* What is critical, and we know none of it, must not be ignored (RFC 7515, 4.1.11). */
	if (json_read_find(root, "crit") != NULL)
		goto out;
	*key_r = keyring_find(ring, json_read_str(kid));
	if (*key_r == NULL)
		result = JWT_UNKNOWN_KEY;
	else if (!str_eq_c(json_read_str(alg), keyring_key_alg_text(*key_r)))
		result = JWT_WRONG_ALG;
	else
		result = JWT_OK;
out:
	json_read_free(json);
	return result;
}

static enum jwt_result check_signature(const struct keyring_key *key, const struct parts *parts)
{
	unsigned char signature[KEYRING_SIGNATURE_MAX];
	size_t n;

	if (base64url_decode(parts->signature, signature, sizeof(signature), &n) != 0)
		return JWT_BAD_SIGNATURE;
	if (!keyring_key_verify(key, parts->signed_text, (struct str){(const char *)signature, n}))
		return JWT_BAD_SIGNATURE;
	return JWT_OK;
}

/* ---- claims: each reader returns 0, or -1 where the claim is there and wrong ---- */

/* A string that passes a test; absent ones are fine. */
static int read_text(const struct json_read_value *root, const char *name,
		     bool (*is_good)(struct str), struct str *out_r)
{
	const struct json_read_value *claim = json_read_find(root, name);

	if (claim == NULL)
		return 0;
	if (!json_read_is_string(claim) || !is_good(json_read_str(claim)))
		return -1;
	*out_r = json_read_str(claim);
	return 0;
}

/* A NumericDate (RFC 7519, section 2): seconds, a fraction is cut off; no sign, no exponent. */
static int read_time(const struct json_read_value *root, const char *name, int64_t *out_r)
{
	const struct json_read_value *claim = json_read_find(root, name);
	struct str fraction, whole;

	if (claim == NULL)
		return 0;
	if (!json_read_is_number(claim))
		return -1;
	fraction = json_read_str(claim);
	str_split(&fraction, '.', &whole);
	for (size_t i = 0; i < fraction.n; i++) {
		if (fraction.p[i] < '0' || fraction.p[i] > '9')
			return -1;
	}
	if (whole.p[0] == '-')
		return -1;
	return str_to_i64(whole, 0, JWT_TIME_MAX, out_r);
}

static int read_role(const struct json_read_value *root, enum role *role_r)
{
	const struct json_read_value *claim = json_read_find(root, "role");

	*role_r = ROLE_REQUESTER;
	if (claim == NULL)
		return 0;
	if (!json_read_is_string(claim))
		return -1;
	return ids_role_find(json_read_str(claim), role_r);
}

/* "*" or an array of ticket ids. */
static enum jwt_result read_tickets(const struct json_read_value *root, struct jwt_claims *claims)
{
	const struct json_read_value *claim = json_read_find(root, "tickets");
	const struct json_read_value *ticket;

	if (claim == NULL)
		return JWT_OK;
	if (json_read_is_string(claim)) {
		claims->all_tickets = str_eq(json_read_str(claim), STR("*"));
		return claims->all_tickets ? JWT_OK : JWT_BAD_CLAIMS;
	}
	if (!json_read_is_array(claim))
		return JWT_BAD_CLAIMS;
	if (json_read_count(claim) == 0)
		return JWT_OK;
	claims->tickets = calloc(json_read_count(claim), sizeof(*claims->tickets));
	if (claims->tickets == NULL)
		return JWT_NO_MEMORY;
	for (ticket = json_read_first(claim); ticket != NULL; ticket = json_read_next(ticket)) {
		if (!json_read_is_string(ticket) || !ids_is_ticket(json_read_str(ticket)))
			return JWT_BAD_CLAIMS;
		claims->tickets[claims->n_tickets++] = json_read_str(ticket);
	}
	return JWT_OK;
}

/* The issuer, a string, which must be ours where one is configured. */
static enum jwt_result check_issuer(const struct json_read_value *root, const char *issuer)
{
	const struct json_read_value *claim = json_read_find(root, "iss");

	if (claim != NULL && !json_read_is_string(claim))
		return JWT_BAD_CLAIMS;
	if (issuer == NULL || issuer[0] == '\0')
		return JWT_OK;
	return claim != NULL && str_eq_c(json_read_str(claim), issuer) ? JWT_OK : JWT_WRONG_ISSUER;
}

/* The audience, a string or an array of strings (RFC 7519, section 4.1.3). */
static enum jwt_result check_audience(const struct json_read_value *root, const char *audience)
{
	const struct json_read_value *claim = json_read_find(root, "aud");
	const struct json_read_value *one = claim;
	bool is_checked = audience != NULL && audience[0] != '\0';
	bool found = false;

	if (claim != NULL && json_read_is_array(claim))
		one = json_read_first(claim);
	for (; one != NULL; one = json_read_next(one)) {
		if (!json_read_is_string(one))
			return JWT_BAD_CLAIMS;
		if (is_checked && str_eq_c(json_read_str(one), audience))
			found = true;
		if (one == claim)
			break;
	}
	return found || !is_checked ? JWT_OK : JWT_WRONG_AUDIENCE;
}

static enum jwt_result read_claims(const struct jwt_policy *policy, struct jwt_claims *claims,
				   struct times *times)
{
	const struct json_read_value *root = json_read_root(claims->json);
	enum jwt_result result;

	*times = (struct times){.exp_s = -1, .nbf_s = -1, .iat_s = -1};
	if (read_text(root, "sub", ids_is_user, &claims->sub) != 0 || claims->sub.p == NULL ||
	    read_text(root, "name", ids_is_name, &claims->name) != 0 ||
	    read_text(root, "jti", ids_is_jti, &claims->jti) != 0 ||
	    read_role(root, &claims->role) != 0 || read_time(root, "exp", &times->exp_s) != 0 ||
	    times->exp_s < 0 || read_time(root, "nbf", &times->nbf_s) != 0 ||
	    read_time(root, "iat", &times->iat_s) != 0)
		return JWT_BAD_CLAIMS;
	claims->exp_s = times->exp_s;
	claims->iat_s = times->iat_s;

	result = read_tickets(root, claims);
	if (result == JWT_OK)
		result = check_issuer(root, policy->issuer);
	if (result == JWT_OK)
		result = check_audience(root, policy->audience);
	return result;
}

static enum jwt_result check_times(const struct jwt_policy *policy, const struct times *times,
				   int64_t now_ms)
{
	const int64_t leeway_ms = JWT_LEEWAY_S * INT64_C(1000);
	int64_t exp_ms = times->exp_s * 1000;

	if (now_ms >= exp_ms + leeway_ms)
		return JWT_EXPIRED;
	if (times->nbf_s * 1000 > now_ms + leeway_ms || times->iat_s * 1000 > now_ms + leeway_ms)
		return JWT_NOT_YET;
	if (policy->max_days > 0 && exp_ms > now_ms + policy->max_days * DAY_MS + leeway_ms)
		return JWT_TOO_LONG_LIVED;
	return JWT_OK;
}

enum jwt_result jwt_verify(const struct jwt_policy *policy, struct str token, int64_t now_ms,
			   struct jwt_claims *claims_r)
{
	const struct keyring_key *key = NULL;
	struct parts parts;
	struct times times;
	enum jwt_result result;

	*claims_r = (struct jwt_claims){0};
	if (split_token(token, &parts) != 0)
		return JWT_MALFORMED;
	result = choose_key(policy->ring, parts.header, &key);
	if (result == JWT_OK)
		result = check_signature(key, &parts);
	if (result == JWT_OK)
		result = read_object(parts.payload, &claims_r->json);
	if (result == JWT_OK)
		result = read_claims(policy, claims_r, &times);
	if (result == JWT_OK)
		result = check_times(policy, &times, now_ms);
	if (result != JWT_OK)
		jwt_claims_deinit(claims_r);
	return result;
}

void jwt_claims_deinit(struct jwt_claims *claims)
{
	free(claims->tickets);
	json_read_free(claims->json);
	*claims = (struct jwt_claims){0};
}

const char *jwt_result_text(enum jwt_result result)
{
	switch (result) {
	case JWT_OK:
		return "valid";
	case JWT_MALFORMED:
		return "the token is malformed";
	case JWT_BAD_HEADER:
		return "the token's header lacks alg or kid, or has crit";
	case JWT_UNKNOWN_KEY:
		return "the token names an unknown key";
	case JWT_WRONG_ALG:
		return "the token's algorithm is not its key's";
	case JWT_BAD_SIGNATURE:
		return "the token's signature is wrong";
	case JWT_BAD_CLAIMS:
		return "a claim of the token is missing or malformed";
	case JWT_EXPIRED:
		return "the token has expired";
	case JWT_NOT_YET:
		return "the token is not valid yet";
	case JWT_TOO_LONG_LIVED:
		return "the token expires too far ahead";
	case JWT_WRONG_ISSUER:
		return "the token is from another issuer";
	case JWT_WRONG_AUDIENCE:
		return "the token is for another audience";
	case JWT_NO_MEMORY:
		return "out of memory";
	}
	return "unknown";
}

/* ---- for the operator's command ---- */

int jwt_sign(const struct keyring_key *key, struct str kid, struct str payload, struct buf *out)
{
	unsigned char signature[KEYRING_SIGNATURE_MAX];
	struct buf header = BUF_INIT, text = BUF_INIT;
	struct json_write w;
	size_t n;
	int result = -1;

	json_write_init(&w, &header);
	json_write_open_object(&w);
	json_write_member_cstr(&w, "alg", keyring_key_alg_text(key));
	json_write_member_str(&w, "kid", kid);
	json_write_member_cstr(&w, "typ", "JWT");
	json_write_close(&w);
	if (json_write_finish(&w) != 0)
		goto out;
	base64url_encode(&text, header.data, header.len);
	buf_putc(&text, '.');
	base64url_encode(&text, payload.p, payload.n);
	if (!buf_ok(&text) || keyring_key_sign(key, buf_str(&text), signature, &n) != 0)
		goto out;
	buf_put_str(out, buf_str(&text));
	buf_putc(out, '.');
	base64url_encode(out, signature, n);
	result = buf_ok(out) ? 0 : -1;
out:
	buf_deinit(&header);
	buf_deinit(&text);
	return result;
}

/* Appends the decoded text of one part, which must hold a JSON object. */
static int decode_part(struct str encoded, struct buf *out)
{
	unsigned char text[JWT_BYTES_MAX];
	struct json_read *json;
	size_t n;

	if (read_object(encoded, &json) != JWT_OK) {
		json_read_free(json);
		return -1;
	}
	json_read_free(json);
	if (base64url_decode(encoded, text, sizeof(text), &n) != 0)
		return -1;
	buf_put(out, text, n);
	return buf_ok(out) ? 0 : -1;
}

int jwt_decode(struct str token, struct buf *header, struct buf *payload)
{
	struct parts parts;

	if (split_token(token, &parts) != 0)
		return -1;
	if (decode_part(parts.header, header) != 0)
		return -1;
	return decode_part(parts.payload, payload);
}
