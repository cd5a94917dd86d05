/* SPDX-License-Identifier: BSD-2-Clause */
/* Which pages of other origins are let read what. */
#include "config.h"

#include <sodium.h>

#include "cmocka_setup.h"
#include "web/cors.h"

#define APP  "https://app.example.org"
#define DESK "https://desk.example.org"

static const struct cors off = {.cookie_origins = STR(DESK)};
static const struct cors on = {.origins = STR(APP " " DESK " null"), .cookie_origins = STR(DESK)};

static void expect_lines(const struct cors *cors, const char *origin, const char *expected)
{
	struct buf head = BUF_INIT;

	cors_put(&head, cors, str_of(origin));
	assert_true(buf_ok(&head));
	assert_string_equal(head.len > 0 ? buf_cstr(&head) : "", expected);
	buf_deinit(&head);
}

#define EXPOSED                                                                             \
	"Access-Control-Expose-Headers: X-Request-Id, Bellhop-Mode, Location, Link, ETag, " \
	"Idempotent-Replayed, Retry-After, RateLimit, RateLimit-Policy, WWW-Authenticate, " \
	"Allow\r\n"

static void exactly_the_listed_ones(void **state)
{
	static const char *const others[] = {
		NULL,
		"null",
		"*",
		"https://app.example.org/",
		"https://APP.example.org",
		"http://app.example.org",
		"https://app.example.org:8443",
		"https://app.example.org.evil.example",
		"https://app.example",
		APP " " DESK,
	};

	(void)state;
	expect_lines(&on, APP, "Vary: Origin\r\nAccess-Control-Allow-Origin: " APP "\r\n" EXPOSED);
	expect_lines(&on, DESK,
		     "Vary: Origin\r\nAccess-Control-Allow-Origin: " DESK "\r\n" EXPOSED
		     "Access-Control-Allow-Credentials: true\r\n");
	for (size_t i = 0; i < LENGTH(others); i++)
		expect_lines(&on, others[i], "Vary: Origin\r\n");
}

static void nothing_unless_it_is_on(void **state)
{
	(void)state;
	expect_lines(&off, APP, "");
	expect_lines(&off, DESK, "");
	expect_lines(&(struct cors){.origins = STR("  ")}, APP, "");
}

static bool is_preflight(const struct cors *cors, const char *method, const char *origin)
{
	const char *detail;
	struct request q;
	bool result;

	request_init(&q);
	request_param(&q, STR("REQUEST_METHOD"), str_of(method));
	request_param(&q, STR("REQUEST_URI"), STR("/"));
	request_param(&q, STR("HTTP_ORIGIN"), str_of(origin));
	assert_int_equal(request_finish(&q, &detail), PROBLEM_NONE);
	result = cors_is_preflight(cors, &q);
	request_deinit(&q);
	return result;
}

static void preflights(void **state)
{
	struct reply reply;

	(void)state;
	assert_true(is_preflight(&on, "OPTIONS", APP));
	assert_false(is_preflight(&on, "OPTIONS", "https://evil.example"));
	assert_false(is_preflight(&on, "OPTIONS", ""));
	assert_false(is_preflight(&on, "POST", APP));
	assert_false(is_preflight(&off, "OPTIONS", DESK));
	reply_init(&reply, "id", NULL);
	cors_preflight(&reply, REQUEST_GET | REQUEST_POST);
	assert_int_equal(reply.status, 204);
	assert_string_equal(
		buf_cstr(&reply.head),
		"Cache-Control: no-store\r\nAccess-Control-Allow-Methods: GET, POST\r\n"
		"Access-Control-Allow-Headers: Authorization, Content-Type, X-CSRF-Token, "
		"Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, X-Request-Id\r\n"
		"Access-Control-Max-Age: 600\r\n");
	reply_deinit(&reply);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exactly_the_listed_ones),
		cmocka_unit_test(nothing_unless_it_is_on),
		cmocka_unit_test(preflights),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
