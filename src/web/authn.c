/* SPDX-License-Identifier: BSD-2-Clause */
/* Who is asking. */
#include "config.h"

#include "web/authn.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "web/base64url.h"
#include "web/origin.h"

#define CSRF_BYTES 32

/*
 * What stands for the jti of a token without one: a letter that no jti has, being none of ASCII, and
 * base64url of a digest of what is signed.
 */
#define STAND_IN_MARK  "\xc2\xa7"
#define STAND_IN_BYTES 32
#define STAND_IN_LEN   (sizeof(STAND_IN_MARK) - 1 + BASE64URL_LEN(STAND_IN_BYTES))

_Static_assert(AUTHN_CSRF_SIZE == BASE64URL_LEN(CSRF_BYTES) + 1, "a CSRF token and its NUL");

const char *authn_cookie_name(bool https)
{
	/* The prefix makes browsers insist on Secure, which plain http cannot have. */
	return https ? "__Host-bellhop" : "bellhop";
}

int authn_csrf(struct str secret, struct str jwt, char out[AUTHN_CSRF_SIZE])
{
	unsigned char digest[CSRF_BYTES], key[crypto_generichash_KEYBYTES_MAX];

	out[0] = '\0';
	if (secret.n == 0)
		return -1;
	/* A secret may be longer than a BLAKE2b key; hashed, every byte of it counts. */
	crypto_generichash(key, sizeof(key), (const unsigned char *)secret.p, secret.n,
			   (const unsigned char *)"bellhop csrf", 12);
	crypto_generichash(digest, sizeof(digest), (const unsigned char *)jwt.p, jwt.n, key,
			   sizeof(key));
	sodium_bin2base64(out, AUTHN_CSRF_SIZE, digest, sizeof(digest),
			  sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	sodium_memzero(key, sizeof(key));
	return 0;
}

static int refuse(struct authn_refusal *refusal, enum problem problem, const char *detail)
{
	refusal->problem = problem;
	refusal->detail = detail;
	return -1;
}

/* A refusal of something that was presented, so that the next kind is not tried. */
static int refuse_presented(struct authn_refusal *refusal, enum problem problem, const char *detail)
{
	refusal->bad_credentials = true;
	return refuse(refusal, problem, detail);
}

/* Shows the facts that lie in id->claims, wherever they came from. */
static void adopt_claims(struct identity *id)
{
	id->user_id = id->claims.sub;
	id->name = id->claims.name;
	id->token_id = id->claims.jti;
	id->role = id->claims.role;
	id->all_tickets = id->claims.all_tickets;
	id->tickets = id->claims.tickets;
	id->n_tickets = id->claims.n_tickets;
	id->exp_ms = id->claims.exp_s * 1000;
	id->iat_s = id->claims.iat_s;
}

/* ---- tokens ---- */

/* 0, or -1 when out of memory. */
static int stand_in_for_jti(struct identity *id, struct str token)
{
	unsigned char digest[STAND_IN_BYTES];

	while (token.n > 0 && token.p[token.n - 1] != '.')
		token.n--;
	id->text = malloc(STAND_IN_LEN + 1);
	if (id->text == NULL)
		return -1;
	crypto_generichash(digest, sizeof(digest), (const unsigned char *)token.p, token.n, NULL,
			   0);
	memcpy(id->text, STAND_IN_MARK, sizeof(STAND_IN_MARK));
	sodium_bin2base64(id->text + sizeof(STAND_IN_MARK) - 1,
			  STAND_IN_LEN + 1 - (sizeof(STAND_IN_MARK) - 1), digest, sizeof(digest),
			  sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	id->token_id = (struct str){id->text, STAND_IN_LEN};
	return 0;
}

bool authn_is_token_id(struct str s)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789-_";

	if (!str_starts(s, STR(STAND_IN_MARK)))
		return ids_is_jti(s);
	for (size_t i = sizeof(STAND_IN_MARK) - 1; i < s.n; i++) {
		if (memchr(letters, s.p[i], sizeof(letters) - 1) == NULL)
			return false;
	}
	return s.n == STAND_IN_LEN;
}

static int identify_token(const struct authn *authn, struct str token, int64_t now_ms,
			  struct identity *id, struct authn_refusal *refusal)
{
	enum jwt_result result = jwt_verify(&authn->policy, token, now_ms, &id->claims);

	if (result == JWT_NO_MEMORY)
		return refuse(refusal, PROBLEM_INTERNAL, jwt_result_text(result));
	if (result == JWT_EXPIRED)
		return refuse_presented(refusal, PROBLEM_TOKEN_EXPIRED, jwt_result_text(result));
	if (result != JWT_OK)
		return refuse_presented(refusal, PROBLEM_UNAUTHENTICATED, jwt_result_text(result));
	adopt_claims(id);
	if (id->token_id.p == NULL && stand_in_for_jti(id, token) != 0)
		return refuse(refusal, PROBLEM_INTERNAL, "out of memory");
	return 0;
}

/* Absent where the header holds no Bearer token. */
static struct str bearer_token(const struct request *q)
{
	struct str token = q->authorization, scheme;

	str_split(&token, ' ', &scheme);
	token = str_trim(token);
	return str_eq_nocase(scheme, STR("Bearer")) && token.n > 0 ? token : (struct str){0};
}

static int identify_bearer(const struct authn *authn, const struct request *q, int64_t now_ms,
			   struct identity *id, struct authn_refusal *refusal)
{
	struct str token = bearer_token(q);

	if (token.p == NULL)
		return refuse_presented(refusal, PROBLEM_UNAUTHENTICATED,
					"the Authorization header holds no Bearer token");
	id->via = AUTHN_BEARER;
	return identify_token(authn, token, now_ms, id, refusal);
}

/* How many cookies of that name there are (RFC 6265, section 4.2.1); the last one's value. */
static unsigned count_cookies(struct str header, const char *name, struct str *value_r)
{
	struct str pair, pair_name;
	unsigned n = 0;

	*value_r = (struct str){NULL, 0};
	if (header.p == NULL)
		return 0;
	while (str_split(&header, ';', &pair)) {
		str_split(&pair, '=', &pair_name);
		if (!str_eq_c(str_trim(pair_name), name))
			continue;
		*value_r = str_trim(pair);
		n++;
	}
	return n;
}

struct str authn_token(const struct request *q, enum authn_via via)
{
	struct str cookie;

	if (via == AUTHN_BEARER)
		return bearer_token(q);
	(void)count_cookies(q->cookie, authn_cookie_name(q->https), &cookie);
	return cookie;
}

void authn_put_cookie(struct buf *out, bool https, struct str token, int64_t max_age_s)
{
	buf_puts(out, authn_cookie_name(https));
	buf_putc(out, '=');
	buf_put_str(out, token);
	buf_printf(out, "; Path=/; Max-Age=%lld%s; HttpOnly; SameSite=Strict", (long long)max_age_s,
		   https ? "; Secure" : "");
}

static int identify_cookie(const struct authn *authn, struct str token, int64_t now_ms,
			   struct identity *id, struct authn_refusal *refusal)
{
	id->via = AUTHN_COOKIE;
	if (identify_token(authn, token, now_ms, id, refusal) != 0)
		return -1;
	/* Without a secret there is no token to show, and no cookie may write. */
	(void)authn_csrf(authn->secret, token, id->csrf);
	return 0;
}

/* ---- parameters of the web server ---- */

/* Copies a string into the block of an identity's strings and moves *to behind it. */
static struct str copy_str(char **to, struct str s)
{
	struct str copy = {s.p != NULL ? *to : NULL, s.n};

	if (s.p != NULL)
		memcpy(*to, s.p, s.n);
	*to += s.n;
	return copy;
}

/* Points claims->tickets into a list of ids. Returns 0, -1 for a bad id, -2: out of memory. */
static int list_tickets(struct jwt_claims *claims, struct str list)
{
	struct str rest = list, ticket;
	size_t n = 0;

	while (str_word(&rest, &ticket))
		n++;
	if (n == 0)
		return 0;
	claims->tickets = calloc(n, sizeof(*claims->tickets));
	if (claims->tickets == NULL)
		return -2;
	while (str_word(&list, &ticket)) {
		if (!ids_is_ticket(ticket))
			return -1;
		claims->tickets[claims->n_tickets++] = ticket;
	}
	return 0;
}

/* "*", or ids separated by commas or spaces; list lies in memory of the identity. */
static int read_tickets(struct identity *id, char *list, size_t n, struct authn_refusal *refusal)
{
	int result;

	if (str_eq((struct str){list, n}, STR("*"))) {
		id->claims.all_tickets = true;
		return 0;
	}
	for (size_t i = 0; i < n; i++) {
		if (list[i] == ',')
			list[i] = ' ';
	}
	result = list_tickets(&id->claims, (struct str){list, n});
	if (result == -2)
		return refuse(refusal, PROBLEM_INTERNAL, "out of memory");
	if (result != 0)
		return refuse_presented(refusal, PROBLEM_UNAUTHENTICATED,
					"BELLHOP_TICKETS holds something that is no ticket id");
	return 0;
}

static int identify_params(const struct request_trusted *trusted, struct identity *id,
			   struct authn_refusal *refusal)
{
	struct jwt_claims *claims = &id->claims;
	char *to;

	id->via = AUTHN_PARAMS;
	if (!ids_is_user(trusted->user))
		return refuse_presented(refusal, PROBLEM_UNAUTHENTICATED,
					"BELLHOP_USER is no user id");
	if (trusted->role.p != NULL && ids_role_find(trusted->role, &claims->role) != 0)
		return refuse_presented(refusal, PROBLEM_UNAUTHENTICATED,
					"BELLHOP_ROLE is no role");
	if (trusted->name.p != NULL && !ids_is_name(trusted->name))
		return refuse_presented(refusal, PROBLEM_UNAUTHENTICATED,
					"BELLHOP_NAME is no display name");
	id->text = malloc(trusted->user.n + trusted->name.n + trusted->tickets.n);
	if (id->text == NULL)
		return refuse(refusal, PROBLEM_INTERNAL, "out of memory");
	to = id->text;
	claims->sub = copy_str(&to, trusted->user);
	claims->name = copy_str(&to, trusted->name);
	claims->iat_s = -1;
	copy_str(&to, trusted->tickets);
	if (read_tickets(id, to - trusted->tickets.n, trusted->tickets.n, refusal) != 0)
		return -1;
	adopt_claims(id);
	return 0;
}

/* ---- the order ---- */

/* The session's cookie, if there is one: else *is_there_r is false, and it is refused all the same. */
static int identify_session(const struct authn *authn, const struct request *q, int64_t now_ms,
			    struct identity *id, struct authn_refusal *refusal, bool *is_there_r)
{
	struct str cookie;
	unsigned n_cookies = count_cookies(q->cookie, authn_cookie_name(q->https), &cookie);

	*is_there_r = n_cookies > 0;
	if (n_cookies > 1)
		return refuse_presented(refusal, PROBLEM_UNAUTHENTICATED,
					"the session cookie came more than once");
	if (n_cookies == 1)
		return identify_cookie(authn, cookie, now_ms, id, refusal);
	return refuse(refusal, PROBLEM_UNAUTHENTICATED, "no session cookie");
}

/* Takes the first kind of identity that is there, and no other. */
static int identify_first(const struct authn *authn, const struct request *q, int64_t now_ms,
			  struct identity *id, struct authn_refusal *refusal)
{
	bool has_session;
	int status;

	if (q->authorization.p != NULL)
		return identify_bearer(authn, q, now_ms, id, refusal);
	status = identify_session(authn, q, now_ms, id, refusal, &has_session);
	if (has_session)
		return status;
	if (authn->trust_params && q->trusted.user.p != NULL)
		return identify_params(&q->trusted, id, refusal);
	return refuse(refusal, PROBLEM_UNAUTHENTICATED, "no token, cookie or trusted user");
}

int authn_identify(const struct authn *authn, const struct request *q, int64_t now_ms,
		   struct identity *id_r, struct authn_refusal *refusal_r)
{
	*id_r = (struct identity){0};
	*refusal_r = (struct authn_refusal){0};
	if (identify_first(authn, q, now_ms, id_r, refusal_r) == 0)
		return 0;
	authn_identity_deinit(id_r);
	return -1;
}

int authn_identify_session(const struct authn *authn, const struct request *q, int64_t now_ms,
			   struct identity *id_r, struct authn_refusal *refusal_r)
{
	bool has_session;

	*id_r = (struct identity){0};
	*refusal_r = (struct authn_refusal){0};
	if (identify_session(authn, q, now_ms, id_r, refusal_r, &has_session) == 0)
		return 0;
	authn_identity_deinit(id_r);
	return -1;
}

static size_t size_of_strings(const struct jwt_claims *claims)
{
	size_t n = claims->sub.n + claims->name.n + claims->jti.n;

	for (size_t i = 0; i < claims->n_tickets; i++)
		n += claims->tickets[i].n;
	return n;
}

int authn_identity_of(const struct jwt_claims *claims, enum authn_via via, struct identity *id_r)
{
	struct jwt_claims *own = &id_r->claims;
	char *to;

	*id_r = (struct identity){.via = via, .claims = *claims};
	own->json = NULL;
	own->tickets = calloc(claims->n_tickets + 1, sizeof(*own->tickets));
	to = id_r->text = malloc(size_of_strings(claims) + 1);
	if (own->tickets == NULL || to == NULL) {
		authn_identity_deinit(id_r);
		return -1;
	}
	own->sub = copy_str(&to, claims->sub);
	own->name = copy_str(&to, claims->name);
	own->jti = copy_str(&to, claims->jti);
	for (size_t i = 0; i < claims->n_tickets; i++)
		own->tickets[i] = copy_str(&to, claims->tickets[i]);
	adopt_claims(id_r);
	return 0;
}

void authn_identity_deinit(struct identity *id)
{
	jwt_claims_deinit(&id->claims);
	free(id->text);
	sodium_memzero(id->csrf, sizeof(id->csrf));
	*id = (struct identity){0};
}

/* ---- what an identity may do ---- */

bool authn_identity_grants(const struct identity *id, struct str ticket)
{
	if (id->role == ROLE_SERVICE || id->role == ROLE_ADMIN || id->all_tickets)
		return true;
	for (size_t i = 0; i < id->n_tickets; i++) {
		if (str_eq(id->tickets[i], ticket))
			return true;
	}
	return false;
}

bool authn_identity_is_staff(const struct identity *id)
{
	return ids_role_is_staff(id->role);
}

static bool csrf_token_matches(const struct request *q, const struct identity *id)
{
	size_t n = strlen(id->csrf);

	return n > 0 && q->csrf_token.n == n && sodium_memcmp(q->csrf_token.p, id->csrf, n) == 0;
}

int authn_check_write(const struct authn *authn, const struct request *q, const struct identity *id,
		      struct authn_refusal *refusal_r)
{
	*refusal_r = (struct authn_refusal){0};
	if (id->via != AUTHN_COOKIE)
		return authn_check_listen(authn, q, id, refusal_r);
	if (!origin_may_write(authn->origins, q->origin, q->sec_fetch_site))
		return refuse(refusal_r, PROBLEM_CSRF,
			      "cookie-authenticated writes need an Origin that is allowed");
	if (!csrf_token_matches(q, id))
		return refuse(refusal_r, PROBLEM_CSRF,
			      "cookie-authenticated writes need the session's X-CSRF-Token");
	return 0;
}

int authn_check_listen(const struct authn *authn, const struct request *q,
		       const struct identity *id, struct authn_refusal *refusal_r)
{
	*refusal_r = (struct authn_refusal){0};
	if (id->via == AUTHN_BEARER ||
	    origin_may_listen(authn->origins, q->origin, q->sec_fetch_site))
		return 0;
	return refuse(refusal_r, PROBLEM_CSRF,
		      "the request comes from an origin that is not allowed");
}
