/* SPDX-License-Identifier: BSD-2-Clause */
/* What a raw path names. */
#include "config.h"

#include <string.h>

#include "cmocka_setup.h"
#include "web/route.h"

enum { HEALTH = 1, HISTORY, SEND, MESSAGE, MEMBER };

static const struct route table[] = {
	{HEALTH, REQUEST_GET, "/v1/healthz"},
	{HISTORY, REQUEST_GET, "/v1/tickets/{ticket}/messages"},
	{SEND, REQUEST_POST, "/v1/tickets/{ticket}/messages"},
	{MESSAGE, REQUEST_GET, "/v1/tickets/{ticket}/messages/{seq}"},
	{MEMBER, REQUEST_PUT | REQUEST_DELETE, "/v1/tickets/{ticket}/participants/{user}"},
};

static enum route_result find(enum request_method method, struct str path,
			      struct route_match *match)
{
	return route_find(table, LENGTH(table), STR("/chat"), method, path, match);
}

static void found(void **state)
{
	struct route_match match;

	(void)state;
	assert_int_equal(find(REQUEST_GET, STR("/chat/v1/healthz"), &match), ROUTE_FOUND);
	assert_int_equal(match.id, HEALTH);
	assert_string_equal(match.ticket, "");
	assert_int_equal(find(REQUEST_POST, STR("/chat/v1/tickets/T-17/messages"), &match),
			 ROUTE_FOUND);
	assert_int_equal(match.id, SEND);
	assert_string_equal(match.ticket, "T-17");
	assert_int_equal(find(REQUEST_GET, STR("/chat/v1/tickets/T-17/messages"), &match),
			 ROUTE_FOUND);
	assert_int_equal(match.id, HISTORY);
	assert_int_equal(find(REQUEST_GET, STR("/chat/v1/tickets/T%2D17/messages/58"), &match),
			 ROUTE_FOUND);
	assert_int_equal(match.id, MESSAGE);
	assert_string_equal(match.ticket, "T-17");
	assert_int_equal(match.seq, 58);
	assert_int_equal(find(REQUEST_DELETE,
			      STR("/chat/v1/tickets/T-17/participants/anna%40example.com"), &match),
			 ROUTE_FOUND);
	assert_string_equal(match.user, "anna@example.com");
	/* HEAD goes where GET goes, and nowhere else. */
	assert_int_equal(find(REQUEST_HEAD, STR("/chat/v1/healthz"), &match), ROUTE_FOUND);
	assert_int_equal(find(REQUEST_HEAD, STR("/chat/v1/tickets/T-17/participants/anna"), &match),
			 ROUTE_BAD_METHOD);
}

static void not_found(void **state)
{
	static const struct str rows[] = {
#define PATH(s) {s, sizeof(s) - 1}
		PATH(""),
		PATH("/"),
		PATH("/chat"),
		PATH("/chat/"),
		PATH("/chat/v1"),
		PATH("/chatx/v1/healthz"),
		PATH("/Chat/v1/healthz"),
		PATH("/v1/healthz"),
		PATH("/chat/v1/healthz/"),
		PATH("/chat//v1/healthz"),
		PATH("//chat/v1/healthz"),
		PATH("/chat/v1/./healthz"),
		PATH("/chat/v1/x/../healthz"),
		PATH("/chat/v1/%2e%2e/healthz"),
		PATH("/chat/v1%2Fhealthz"),
		PATH("/chat/v1/healthz%00"),
		PATH("/chat/v1/healthz#x"),
		PATH("/chat/v1/healthz;x"),
		PATH("/chat/v2/healthz"),
		PATH("/chat/v1/tickets/.hidden/messages"),
		PATH("/chat/v1/tickets/../messages"),
		PATH("/chat/v1/tickets/%2E%2E/messages"),
		PATH("/chat/v1/tickets/T%2F17/messages"),
		PATH("/chat/v1/tickets/T%2f17/messages"),
		PATH("/chat/v1/tickets/T%0017/messages"),
		PATH("/chat/v1/tickets/T\00017/messages"),
		PATH("/chat/v1/tickets/T%/messages"),
		PATH("/chat/v1/tickets/T%4/messages"),
		PATH("/chat/v1/tickets/T%zz/messages"),
		PATH("/chat/v1/tickets/T+17/messages"),
		PATH("/chat/v1/tickets/T%2017/messages"),
		PATH("/chat/v1/tickets/T%252D17/messages"),
		PATH("/chat/v1/tickets/\xc3\xbc/messages"),
		PATH("/chat/v1/tickets/%c3%bc/messages"),
		PATH("/chat/v1/tickets//messages"),
		PATH("/chat/v1/tickets/T-17/messages/"),
		PATH("/chat/v1/tickets/T-17/messages/0"),
		PATH("/chat/v1/tickets/T-17/messages/-1"),
		PATH("/chat/v1/tickets/T-17/messages/+1"),
		PATH("/chat/v1/tickets/T-17/messages/01"),
		PATH("/chat/v1/tickets/T-17/messages/1.0"),
		PATH("/chat/v1/tickets/T-17/messages/x"),
		PATH("/chat/v1/tickets/T-17/messages/9223372036854775808"),
		PATH("/chat/v1/tickets/T-17/messages/1/2/3/4/5/6/7"),
		PATH("/chat/v1/tickets/T-17/participants/a%2Fb"),
		PATH("/chat/v1/tickets/"
		     "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdefx/messages"),
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct route_match match;

		assert_int_equal(find(REQUEST_GET, rows[i], &match), ROUTE_NOT_FOUND);
		assert_int_equal(match.allowed, 0);
	}
}

static void wrong_method(void **state)
{
	struct route_match match;
	struct buf allow = BUF_INIT;

	(void)state;
	assert_int_equal(find(REQUEST_DELETE, STR("/chat/v1/tickets/T-17/messages"), &match),
			 ROUTE_BAD_METHOD);
	route_allow(&allow, match.allowed);
	assert_string_equal(buf_cstr(&allow), "GET, HEAD, POST");
	buf_reset(&allow);
	assert_int_equal(find(REQUEST_OTHER, STR("/chat/v1/tickets/T-17/participants/u"), &match),
			 ROUTE_BAD_METHOD);
	route_allow(&allow, match.allowed);
	assert_string_equal(buf_cstr(&allow), "PUT, DELETE");
	buf_deinit(&allow);
}

static void base_paths(void **state)
{
	static const struct {
		const char *base, *path;
		enum route_result result;
	} rows[] = {
		{"", "/v1/healthz", ROUTE_FOUND},
		{"/", "/v1/healthz", ROUTE_FOUND},
		{"/chat/", "/chat/v1/healthz", ROUTE_FOUND},
		{"/a/b", "/a/b/v1/healthz", ROUTE_FOUND},
		{"/a/b", "/a/v1/healthz", ROUTE_NOT_FOUND},
		{"/a", "/ab/v1/healthz", ROUTE_NOT_FOUND},
		{"/", "//v1/healthz", ROUTE_NOT_FOUND},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct route_match match;

		assert_int_equal(route_find(table, 1, str_of(rows[i].base), REQUEST_GET,
					    str_of(rows[i].path), &match),
				 rows[i].result);
	}
}

/* Ids at their longest fit, and none leaks from a pattern that failed. */
static void longest_ids(void **state)
{
	struct route_match match;
	struct buf path = BUF_INIT;
	char id[IDS_USER_MAX + 1] = "";

	(void)state;
	memset(id, 'x', IDS_USER_MAX);
	buf_printf(&path, "/chat/v1/tickets/%s/participants/%s", id, id);
	assert_int_equal(find(REQUEST_PUT, buf_str(&path), &match), ROUTE_FOUND);
	assert_string_equal(match.ticket, id);
	assert_string_equal(match.user, id);
	assert_int_equal(find(REQUEST_GET, buf_str(&path), &match), ROUTE_BAD_METHOD);
	assert_string_equal(match.ticket, "");
	buf_deinit(&path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(found),	cmocka_unit_test(not_found),
		cmocka_unit_test(wrong_method), cmocka_unit_test(base_paths),
		cmocka_unit_test(longest_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
