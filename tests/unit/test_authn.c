/* SPDX-License-Identifier: BSD-2-Clause */
/* Who is asking, and from where. */
#include "config.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmocka_setup.h"
#include "token_craft.h"
#include "web/authn.h"

#define NOW_MS INT64_C(1795190400000)
#define HEADER "{\"alg\":\"HS256\",\"kid\":\"main\"}"
#define SECRET "CHANGE_ME-CHANGE_ME-CHANGE_ME-CHANGE_ME"
#define ORIGIN "https://support.example.com"

static struct keyring *ring;
static struct authn authn;
static struct buf anna, bert, expired, forged;

static int set_up(void **state)
{
	(void)state;
	ring = token_craft_ring();
	authn = (struct authn){
		.policy = {.ring = ring, .max_days = 31},
		.secret = STR(SECRET),
		.origins = STR(ORIGIN),
	};
	token_craft(
		&anna, ring, "main", HEADER,
		"{\"sub\":\"anna\",\"exp\":1795190500,\"tickets\":[\"T-1\",\"T-2\"],\"iat\":1795190300,"
		"\"jti\":\"j1\",\"name\":\"Anna\"}");
	token_craft(&bert, ring, "main", HEADER, "{\"sub\":\"bert\",\"exp\":1795190500}");
	token_craft(&expired, ring, "main", HEADER, "{\"sub\":\"anna\",\"exp\":1795190000}");
	token_craft(&forged, ring, "ed", HEADER, "{\"sub\":\"anna\",\"exp\":1795190500}");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	buf_deinit(&anna);
	buf_deinit(&bert);
	buf_deinit(&expired);
	buf_deinit(&forged);
	keyring_free(ring);
	return 0;
}

/* A request made of "NAME=value" texts; every $a $b $e $f in a value is one of the tokens. */
static void make_request(struct request *q, const char *const params[])
{
	const char *detail;

	request_init(q);
	request_param(q, STR("REQUEST_METHOD"), STR("GET"));
	request_param(q, STR("REQUEST_URI"), STR("/"));
	for (; *params != NULL; params++) {
		struct str value = str_of(*params), name;
		struct buf text = BUF_INIT;

		str_split(&value, '=', &name);
		for (size_t i = 0; i < value.n; i++) {
			bool is_token = value.p[i] == '$' && i + 1 < value.n;

			if (!is_token)
				buf_putc(&text, value.p[i]);
			else if (value.p[++i] == 'a')
				buf_put_str(&text, buf_str(&anna));
			else if (value.p[i] == 'b')
				buf_put_str(&text, buf_str(&bert));
			else
				buf_put_str(&text, buf_str(value.p[i] == 'e' ? &expired : &forged));
		}
		request_param(q, name, buf_str(&text));
		buf_deinit(&text);
	}
	assert_int_equal(request_finish(q, &detail), PROBLEM_NONE);
}

#define PARAMS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void expect_identity(const char *const params[], const char *user, enum authn_via via)
{
	struct authn_refusal refusal;
	struct identity id;
	struct request q;

	make_request(&q, params);
	assert_int_equal(authn_identify(&authn, &q, NOW_MS, &id, &refusal), 0);
	request_deinit(&q);
	assert_true(str_eq_c(id.user_id, user));
	assert_int_equal(id.via, via);
	authn_identity_deinit(&id);
	authn_identity_deinit(&id);
}

static void expect_refusal(const char *const params[], enum problem problem, bool bad_credentials)
{
	struct authn_refusal refusal;
	struct identity id;
	struct request q;

	make_request(&q, params);
	assert_int_equal(authn_identify(&authn, &q, NOW_MS, &id, &refusal), -1);
	request_deinit(&q);
	assert_int_equal(refusal.problem, problem);
	assert_int_equal(refusal.bad_credentials, bad_credentials);
	assert_non_null(refusal.detail);
	assert_null(id.user_id.p);
	assert_null(id.tickets);
}

static void bearer(void **state)
{
	struct authn_refusal refusal;
	struct identity id;
	struct request q;

	(void)state;
	make_request(&q, PARAMS("HTTP_AUTHORIZATION=Bearer $a"));
	assert_int_equal(authn_identify(&authn, &q, NOW_MS, &id, &refusal), 0);
	request_deinit(&q);
	/* The identity outlives the request. */
	assert_true(str_eq_c(id.user_id, "anna"));
	assert_true(str_eq_c(id.name, "Anna"));
	assert_true(str_eq_c(id.token_id, "j1"));
	assert_int_equal(id.role, ROLE_REQUESTER);
	assert_int_equal(id.exp_ms, INT64_C(1795190500000));
	assert_int_equal(id.iat_s, 1795190300);
	assert_string_equal(id.csrf, "");
	assert_true(authn_identity_grants(&id, STR("T-2")));
	assert_false(authn_identity_grants(&id, STR("T-3")));
	assert_false(authn_identity_grants(&id, STR("T-")));
	assert_false(authn_identity_is_staff(&id));
	authn_identity_deinit(&id);

	expect_identity(PARAMS("HTTP_AUTHORIZATION=bearer $b"), "bert", AUTHN_BEARER);
	expect_identity(PARAMS("HTTP_AUTHORIZATION=BEARER   $b"), "bert", AUTHN_BEARER);
}

static void cookies(void **state)
{
	(void)state;
	expect_identity(PARAMS("HTTP_COOKIE=bellhop=$a"), "anna", AUTHN_COOKIE);
	expect_identity(PARAMS("HTTP_COOKIE=x=y; bellhop=$a;z=1"), "anna", AUTHN_COOKIE);
	expect_identity(PARAMS("HTTPS=on", "HTTP_COOKIE=__Host-bellhop=$a"), "anna", AUTHN_COOKIE);
	/* On https only the prefixed name counts, elsewhere only the plain one. */
	expect_identity(PARAMS("HTTPS=on", "HTTP_COOKIE=bellhop=$b; __Host-bellhop=$a"), "anna",
			AUTHN_COOKIE);
	expect_refusal(PARAMS("HTTPS=on", "HTTP_COOKIE=bellhop=$a"), PROBLEM_UNAUTHENTICATED,
		       false);
	expect_refusal(PARAMS("HTTP_COOKIE=__Host-bellhop=$a"), PROBLEM_UNAUTHENTICATED, false);
	expect_refusal(PARAMS("HTTP_COOKIE=Bellhop=$a; xbellhop=$a; bellhopx=$a"),
		       PROBLEM_UNAUTHENTICATED, false);
	/* More than one, even if equal, even if one of them is empty or without a value. */
	expect_refusal(PARAMS("HTTP_COOKIE=bellhop=$a; bellhop=$a"), PROBLEM_UNAUTHENTICATED, true);
	expect_refusal(PARAMS("HTTP_COOKIE=bellhop=$a; bellhop="), PROBLEM_UNAUTHENTICATED, true);
	expect_refusal(PARAMS("HTTP_COOKIE=bellhop; bellhop=$a"), PROBLEM_UNAUTHENTICATED, true);
	expect_refusal(PARAMS("HTTP_COOKIE=bellhop=\"$a\""), PROBLEM_UNAUTHENTICATED, true);
	expect_refusal(PARAMS("HTTP_COOKIE=bellhop="), PROBLEM_UNAUTHENTICATED, true);
	expect_refusal(PARAMS("HTTP_COOKIE=bellhop"), PROBLEM_UNAUTHENTICATED, true);
	expect_refusal(PARAMS("HTTP_COOKIE=bellhop=$e"), PROBLEM_TOKEN_EXPIRED, true);
}

/* Only the cookie counts there, whoever else is named. */
static void the_session_alone(void **state)
{
	struct authn_refusal refusal;
	struct identity id;
	struct request q;

	(void)state;
	make_request(&q, PARAMS("HTTP_AUTHORIZATION=Bearer $a", "HTTP_COOKIE=bellhop=$b"));
	assert_int_equal(authn_identify_session(&authn, &q, NOW_MS, &id, &refusal), 0);
	assert_true(str_eq_c(id.user_id, "bert"));
	assert_int_equal(id.via, AUTHN_COOKIE);
	assert_true(str_eq(authn_token(&q, AUTHN_COOKIE), buf_str(&bert)));
	assert_true(str_eq(authn_token(&q, AUTHN_BEARER), buf_str(&anna)));
	request_deinit(&q);
	authn_identity_deinit(&id);

	make_request(&q, PARAMS("HTTP_AUTHORIZATION=Bearer $a"));
	assert_int_equal(authn_identify_session(&authn, &q, NOW_MS, &id, &refusal), -1);
	assert_int_equal(refusal.problem, PROBLEM_UNAUTHENTICATED);
	assert_false(refusal.bad_credentials);
	assert_null(authn_token(&q, AUTHN_COOKIE).p);
	request_deinit(&q);

	make_request(&q, PARAMS("HTTP_COOKIE=bellhop=$e"));
	assert_int_equal(authn_identify_session(&authn, &q, NOW_MS, &id, &refusal), -1);
	assert_int_equal(refusal.problem, PROBLEM_TOKEN_EXPIRED);
	assert_null(authn_token(&q, AUTHN_BEARER).p);
	request_deinit(&q);
}

/* What names a token: its jti, or else what no other token's jti can be. */
static void token_ids(void **state)
{
	struct authn_refusal refusal;
	struct identity one, two;
	struct request q;
	struct str stand_in;

	(void)state;
	make_request(&q, PARAMS("HTTP_AUTHORIZATION=Bearer $b"));
	assert_int_equal(authn_identify(&authn, &q, NOW_MS, &one, &refusal), 0);
	assert_int_equal(authn_identify(&authn, &q, NOW_MS, &two, &refusal), 0);
	request_deinit(&q);
	stand_in = one.token_id;
	assert_true(str_eq(stand_in, two.token_id));
	assert_false(ids_is_jti(stand_in));
	assert_true(authn_is_token_id(stand_in));
	assert_false(authn_is_token_id((struct str){stand_in.p, stand_in.n - 1}));
	assert_false(authn_is_token_id((struct str){stand_in.p, 2}));
	authn_identity_deinit(&two);

	make_request(&q, PARAMS("HTTP_COOKIE=bellhop=$a"));
	assert_int_equal(authn_identify(&authn, &q, NOW_MS, &two, &refusal), 0);
	request_deinit(&q);
	assert_true(str_eq_c(two.token_id, "j1"));
	authn_identity_deinit(&one);
	authn_identity_deinit(&two);

	assert_true(authn_is_token_id(STR("j1")));
	assert_false(authn_is_token_id(STR("")));
	assert_false(authn_is_token_id(STR("\xc2\xa7")));
	assert_false(
		authn_is_token_id(STR("\xc2\xa7+/4444444444444444444444444444444444444444444")));
	assert_false(authn_is_token_id(STR("\xc3\xa4")));
}

static void set_cookie(void **state)
{
	struct buf out = BUF_INIT;

	(void)state;
	authn_put_cookie(&out, true, STR("a.b.c"), 60);
	assert_string_equal(buf_cstr(&out), "__Host-bellhop=a.b.c; Path=/; Max-Age=60; Secure; "
					    "HttpOnly; SameSite=Strict");
	buf_reset(&out);
	authn_put_cookie(&out, false, STR(""), 0);
	assert_string_equal(buf_cstr(&out),
			    "bellhop=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict");
	buf_deinit(&out);
}

static void never_downgraded(void **state)
{
	(void)state;
	authn.trust_params = true;
	expect_identity(PARAMS("HTTP_AUTHORIZATION=Bearer $a", "HTTP_COOKIE=bellhop=$b",
			       "BELLHOP_USER=carl"),
			"anna", AUTHN_BEARER);
	expect_identity(PARAMS("HTTP_COOKIE=bellhop=$b", "BELLHOP_USER=carl"), "bert",
			AUTHN_COOKIE);
	expect_refusal(PARAMS("HTTP_AUTHORIZATION=Bearer $e", "HTTP_COOKIE=bellhop=$b",
			      "BELLHOP_USER=carl"),
		       PROBLEM_TOKEN_EXPIRED, true);
	expect_refusal(PARAMS("HTTP_AUTHORIZATION=Bearer $f", "HTTP_COOKIE=bellhop=$b"),
		       PROBLEM_UNAUTHENTICATED, true);
	expect_refusal(PARAMS("HTTP_AUTHORIZATION=Bearer", "HTTP_COOKIE=bellhop=$b"),
		       PROBLEM_UNAUTHENTICATED, true);
	expect_refusal(PARAMS("HTTP_AUTHORIZATION=Basic YTpi", "HTTP_COOKIE=bellhop=$b"),
		       PROBLEM_UNAUTHENTICATED, true);
	expect_refusal(PARAMS("HTTP_AUTHORIZATION=$a", "HTTP_COOKIE=bellhop=$b"),
		       PROBLEM_UNAUTHENTICATED, true);
	expect_refusal(PARAMS("HTTP_AUTHORIZATION=Bearer $a $b"), PROBLEM_UNAUTHENTICATED, true);
	expect_refusal(PARAMS("HTTP_COOKIE=bellhop=$f", "BELLHOP_USER=carl"),
		       PROBLEM_UNAUTHENTICATED, true);
	expect_refusal(PARAMS("HTTP_COOKIE=bellhop=$a; bellhop=$b", "BELLHOP_USER=carl"),
		       PROBLEM_UNAUTHENTICATED, true);
	expect_refusal(PARAMS("HTTP_X=y"), PROBLEM_UNAUTHENTICATED, false);
}

static void trusted_params(void **state)
{
	struct authn_refusal refusal;
	struct identity id;
	struct request q;

	(void)state;
	expect_refusal(PARAMS("BELLHOP_USER=carl"), PROBLEM_UNAUTHENTICATED, false);

	authn.trust_params = true;
	make_request(&q, PARAMS("BELLHOP_USER=carl", "BELLHOP_ROLE=agent", "BELLHOP_NAME=Carl C",
				"BELLHOP_TICKETS=T-1,T-2 T-3, T-4"));
	assert_int_equal(authn_identify(&authn, &q, NOW_MS, &id, &refusal), 0);
	request_deinit(&q);
	assert_int_equal(id.via, AUTHN_PARAMS);
	assert_true(str_eq_c(id.user_id, "carl"));
	assert_true(str_eq_c(id.name, "Carl C"));
	assert_int_equal(id.role, ROLE_AGENT);
	assert_int_equal(id.n_tickets, 4);
	assert_true(authn_identity_grants(&id, STR("T-1")));
	assert_true(authn_identity_grants(&id, STR("T-4")));
	assert_false(authn_identity_grants(&id, STR("T-5")));
	assert_int_equal(id.exp_ms, 0);
	assert_int_equal(id.iat_s, -1);
	assert_null(id.token_id.p);
	authn_identity_deinit(&id);

	make_request(&q, PARAMS("BELLHOP_USER=carl", "BELLHOP_TICKETS=*"));
	assert_int_equal(authn_identify(&authn, &q, NOW_MS, &id, &refusal), 0);
	request_deinit(&q);
	assert_int_equal(id.role, ROLE_REQUESTER);
	assert_true(authn_identity_grants(&id, STR("any")));
	authn_identity_deinit(&id);

	expect_identity(PARAMS("BELLHOP_USER=carl", "BELLHOP_TICKETS= , "), "carl", AUTHN_PARAMS);
	expect_refusal(PARAMS("BELLHOP_USER=c arl"), PROBLEM_UNAUTHENTICATED, true);
	expect_refusal(PARAMS("BELLHOP_USER=carl", "BELLHOP_ROLE=root"), PROBLEM_UNAUTHENTICATED,
		       true);
	expect_refusal(PARAMS("BELLHOP_USER=carl", "BELLHOP_NAME=\xff"), PROBLEM_UNAUTHENTICATED,
		       true);
	expect_refusal(PARAMS("BELLHOP_USER=carl", "BELLHOP_TICKETS=T-1,.x"),
		       PROBLEM_UNAUTHENTICATED, true);
	expect_refusal(PARAMS("BELLHOP_USER=carl", "BELLHOP_TICKETS=*,T-1"),
		       PROBLEM_UNAUTHENTICATED, true);
	/* Names that a client can bring about, or that other programs believe. */
	expect_refusal(PARAMS("HTTP_BELLHOP_USER=carl", "REMOTE_USER=carl", "BELLHOP_ROLE=admin"),
		       PROBLEM_UNAUTHENTICATED, false);
}

static void who_may_act_and_see(void **state)
{
	static const struct {
		enum role role;
		bool grants, is_staff;
	} rows[] = {
		{ROLE_REQUESTER, false, false},
		{ROLE_AGENT, false, true},
		{ROLE_SERVICE, true, true},
		{ROLE_ADMIN, true, true},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		const struct identity id = {.role = rows[i].role};

		assert_int_equal(authn_identity_grants(&id, STR("T-1")), rows[i].grants);
		assert_int_equal(authn_identity_is_staff(&id), rows[i].is_staff);
	}
}

static void csrf_tokens(void **state)
{
	char one[AUTHN_CSRF_SIZE], two[AUTHN_CSRF_SIZE];

	(void)state;
	assert_int_equal(authn_csrf(authn.secret, STR("jwt"), one), 0);
	assert_int_equal(strlen(one), AUTHN_CSRF_SIZE - 1);
	assert_int_equal(authn_csrf(authn.secret, STR("jwt"), two), 0);
	assert_string_equal(one, two);
	assert_int_equal(authn_csrf(authn.secret, STR("jwu"), two), 0);
	assert_string_not_equal(one, two);
	assert_int_equal(
		authn_csrf(STR("CHANGE_ME-CHANGE_ME-CHANGE_ME-CHANGE-ME"), STR("jwt"), two), 0);
	assert_string_not_equal(one, two);
	assert_int_equal(authn_csrf(STR(""), STR("jwt"), two), -1);
	assert_string_equal(two, "");
}

/* A "NAME=value" text, to be freed. */
static char *param_text(const char *name, const char *value)
{
	char *text = NULL;

	assert_true(asprintf(&text, "%s=%s", name, value) > 0);
	return text;
}

/* Checks a request for writing or listening; csrf = NULL is the token of anna's session. */
static bool may(bool write, const char *credentials, const char *origin, const char *site,
		const char *csrf)
{
	struct authn_refusal refusal;
	struct identity id;
	struct request q;
	char good[AUTHN_CSRF_SIZE];
	char *params[3];
	int result;

	assert_int_equal(authn_csrf(STR(SECRET), buf_str(&anna), good), 0);
	params[0] = param_text("HTTP_ORIGIN", origin);
	params[1] = param_text("HTTP_SEC_FETCH_SITE", site);
	params[2] = param_text("HTTP_X_CSRF_TOKEN", csrf != NULL ? csrf : good);
	make_request(&q, PARAMS(credentials, params[0], params[1], params[2]));
	for (size_t i = 0; i < 3; i++)
		free(params[i]);
	assert_int_equal(authn_identify(&authn, &q, NOW_MS, &id, &refusal), 0);
	result = write ? authn_check_write(&authn, &q, &id, &refusal)
		       : authn_check_listen(&authn, &q, &id, &refusal);
	if (result != 0)
		assert_int_equal(refusal.problem, PROBLEM_CSRF);
	request_deinit(&q);
	authn_identity_deinit(&id);
	return result == 0;
}

static void cross_site_requests(void **state)
{
	const char *cookie = "HTTP_COOKIE=bellhop=$a";
	const char *header = "HTTP_AUTHORIZATION=Bearer $a";
	const char *params = "BELLHOP_USER=carl";
	const char *evil = "https://evil.example";
	const struct str secret = authn.secret;

	(void)state;
	authn.trust_params = true;
	/* cookies: origin and token, both */
	assert_true(may(true, cookie, ORIGIN, "", NULL));
	assert_true(may(true, cookie, "", "same-origin", NULL));
	assert_false(may(true, cookie, "", "", NULL));
	assert_false(may(true, cookie, "", "none", NULL));
	assert_false(may(true, cookie, evil, "same-origin", NULL));
	assert_false(may(true, cookie, "null", "", NULL));
	assert_false(may(true, cookie, ORIGIN, "", ""));
	assert_false(may(true, cookie, ORIGIN, "", "x"));
	assert_false(may(true, cookie, ORIGIN, "", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"));
	assert_true(may(false, cookie, ORIGIN, "same-origin", ""));
	assert_true(may(false, cookie, "", "", ""));
	assert_false(may(false, cookie, evil, "", ""));
	assert_false(may(false, cookie, "", "cross-site", ""));
	assert_false(may(false, cookie, "", "same-site", ""));
	/* bearer: nobody sends it unasked */
	assert_true(may(true, header, evil, "cross-site", ""));
	assert_true(may(false, header, evil, "cross-site", ""));
	/* parameters: browsers may send what they are made of unasked */
	assert_true(may(true, params, "", "", ""));
	assert_true(may(true, params, ORIGIN, "same-origin", ""));
	assert_false(may(true, params, evil, "", ""));
	assert_false(may(true, params, "", "cross-site", ""));
	assert_false(may(false, params, evil, "", ""));
	/* without a secret there is no token that could be shown */
	authn.secret = STR("");
	assert_false(may(true, cookie, ORIGIN, "", NULL));
	assert_false(may(true, cookie, ORIGIN, "", ""));
	authn.secret = secret;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(bearer),
		TEST(cookies),
		TEST(the_session_alone),
		TEST(token_ids),
		TEST(set_cookie),
		TEST(never_downgraded),
		TEST(trusted_params),
		TEST(who_may_act_and_see),
		TEST(csrf_tokens),
		TEST(cross_site_requests),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
