/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests from CGI parameters. */
#include "config.h"

#include <sodium.h>
#include <string.h>

#include "base/buf.h"
#include "cmocka_setup.h"
#include "web/request.h"

static void param(struct request *q, const char *name, const char *value)
{
	request_param(q, str_of(name), str_of(value));
}

static void start(struct request *q, const char *uri)
{
	request_init(q);
	param(q, "REQUEST_METHOD", "GET");
	param(q, "REQUEST_URI", uri);
}

/* Finishes a request, and frees it where it is refused. */
static enum problem finish(struct request *q)
{
	const char *detail = NULL;
	enum problem problem = request_finish(q, &detail);

	assert_int_equal(problem == PROBLEM_NONE, detail == NULL);
	assert_true(ids_is_request(str_of(q->request_id)));
	if (problem != PROBLEM_NONE)
		request_deinit(q);
	return problem;
}

static void all_parameters(void **state)
{
	struct request q;

	(void)state;
	request_init(&q);
	param(&q, "REQUEST_METHOD", "POST");
	param(&q, "REQUEST_URI", "/chat/v1/tickets/T%2D1/messages?a=1?&b");
	param(&q, "CONTENT_TYPE", "application/json");
	param(&q, "CONTENT_LENGTH", "17");
	param(&q, "HTTPS", "on");
	param(&q, "REQUEST_ID", "abc-1");
	param(&q, "HTTP_X_REQUEST_ID", "theirs");
	param(&q, "HTTP_AUTHORIZATION", "Bearer x");
	param(&q, "HTTP_COOKIE", "a=b");
	param(&q, "HTTP_ORIGIN", "https://a.example");
	param(&q, "HTTP_SEC_FETCH_SITE", "same-origin");
	param(&q, "HTTP_X_CSRF_TOKEN", "t");
	param(&q, "HTTP_IF_MATCH", "\"5\"");
	param(&q, "HTTP_IF_NONE_MATCH", "\"6\"");
	param(&q, "HTTP_IDEMPOTENCY_KEY", "key");
	param(&q, "HTTP_LAST_EVENT_ID", "1.58");
	param(&q, "REMOTE_ADDR", "192.0.2.1");
	param(&q, "BELLHOP_USER", "anna");
	param(&q, "HTTP_X_SOMETHING", "else");
	param(&q, "SCRIPT_NAME", "/ignored");
	assert_int_equal(finish(&q), PROBLEM_NONE);
	assert_int_equal(q.method, REQUEST_POST);
	assert_true(str_eq_c(q.path, "/chat/v1/tickets/T%2D1/messages"));
	assert_true(str_eq_c(q.query, "a=1?&b"));
	assert_int_equal(q.content_length, 17);
	assert_true(q.https);
	assert_string_equal(q.request_id, "abc-1");
	assert_string_equal(q.authorization.p, "Bearer x");
	assert_string_equal(q.if_match.p, "\"5\"");
	assert_string_equal(q.last_event_id.p, "1.58");
	assert_string_equal(q.trusted.user.p, "anna");
	assert_null(q.trusted.role.p);
	request_deinit(&q);
	request_deinit(&q);
}

static void empty_is_absent(void **state)
{
	struct request q;

	(void)state;
	start(&q, "/");
	param(&q, "HTTP_AUTHORIZATION", "");
	param(&q, "HTTP_COOKIE", "");
	param(&q, "CONTENT_LENGTH", "");
	param(&q, "HTTPS", "");
	assert_int_equal(finish(&q), PROBLEM_NONE);
	assert_null(q.authorization.p);
	assert_null(q.cookie.p);
	assert_int_equal(q.content_length, -1);
	assert_false(q.https);
	request_deinit(&q);
}

/* Every parameter that is read, sent twice: equal, different, empty, first or last. */
static void twice_is_refused(void **state)
{
	static const char *const names[] = {
		"REQUEST_METHOD",
		"REQUEST_URI",
		"CONTENT_TYPE",
		"CONTENT_LENGTH",
		"HTTPS",
		"REQUEST_SCHEME",
		"REMOTE_ADDR",
		"REQUEST_ID",
		"HTTP_X_REQUEST_ID",
		"HTTP_AUTHORIZATION",
		"HTTP_COOKIE",
		"HTTP_ORIGIN",
		"HTTP_SEC_FETCH_SITE",
		"HTTP_X_CSRF_TOKEN",
		"HTTP_IF_MATCH",
		"HTTP_IF_NONE_MATCH",
		"HTTP_IDEMPOTENCY_KEY",
		"HTTP_LAST_EVENT_ID",
		"HTTP_USER_AGENT",
		"BELLHOP_USER",
		"BELLHOP_ROLE",
		"BELLHOP_NAME",
		"BELLHOP_TICKETS",
	};
	static const char *const values[][2] = {
		{"1", "1"}, {"1", "2"}, {"", "1"}, {"1", ""}, {"", ""}};

	(void)state;
	for (size_t i = 0; i < LENGTH(names); i++) {
		for (size_t v = 0; v < LENGTH(values); v++) {
			struct request q;

			request_init(&q);
			if (i > 1) {
				param(&q, "REQUEST_METHOD", "GET");
				param(&q, "REQUEST_URI", "/");
			}
			param(&q, names[i], values[v][0]);
			param(&q, names[i], values[v][1]);
			assert_int_equal(finish(&q), PROBLEM_BAD_REQUEST);
		}
	}
}

/* A header of the client becomes HTTP_BELLHOP_USER, which is another name. */
static void client_headers_are_not_identity(void **state)
{
	static const char *const names[] = {"HTTP_BELLHOP_USER", "HTTP_BELLHOP_ROLE",
					    "REMOTE_USER",	 "bellhop_user",
					    "BELLHOP_USER ",	 "BELLHOP-USER"};
	struct request q;

	(void)state;
	start(&q, "/");
	for (size_t i = 0; i < LENGTH(names); i++) {
		param(&q, names[i], "admin");
		param(&q, names[i], "admin");
	}
	assert_int_equal(finish(&q), PROBLEM_NONE);
	assert_null(q.trusted.user.p);
	assert_null(q.trusted.role.p);
	request_deinit(&q);
}

static void targets(void **state)
{
	static const struct {
		const char *uri, *path, *query;
	} rows[] = {
		{"/", "/", ""},
		{"/a?", "/a", ""},
		{"/a?b", "/a", "b"},
		{"/a?b?c", "/a", "b?c"},
		{"//a", "//a", ""},
		{"/a%20b", "/a%20b", ""},
		{"http://host/a?b", "/a", "b"},
		{"https://host:8443/a", "/a", ""},
		{"http://host", "/", ""},
		{"/x?u=http://host/", "/x", "u=http://host/"},
	};
	static const char *const bad[] = {"",	      "*",	"a",	 "?a",
					  "host:443", "/a b",	"/a\tb", "ftp://host/a",
					  "/a\x01",   "/a\x7f", "/a\n"};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct request q;

		start(&q, rows[i].uri);
		assert_int_equal(finish(&q), PROBLEM_NONE);
		assert_true(str_eq_c(q.path, rows[i].path));
		assert_true(str_eq_c(q.query, rows[i].query));
		assert_non_null(q.query.p);
		request_deinit(&q);
	}
	for (size_t i = 0; i < LENGTH(bad); i++) {
		struct request q;

		start(&q, bad[i]);
		assert_int_equal(finish(&q), PROBLEM_BAD_REQUEST);
	}
}

static void methods(void **state)
{
	static const struct {
		const char *text;
		enum request_method method;
	} rows[] = {
		{"GET", REQUEST_GET},	      {"HEAD", REQUEST_HEAD},	{"POST", REQUEST_POST},
		{"PUT", REQUEST_PUT},	      {"PATCH", REQUEST_PATCH}, {"DELETE", REQUEST_DELETE},
		{"OPTIONS", REQUEST_OPTIONS}, {"get", REQUEST_OTHER},	{"TRACE", REQUEST_OTHER},
		{"GETX", REQUEST_OTHER},
	};
	struct request q;

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		request_init(&q);
		param(&q, "REQUEST_METHOD", rows[i].text);
		param(&q, "REQUEST_URI", "/");
		assert_int_equal(finish(&q), PROBLEM_NONE);
		assert_int_equal(q.method, rows[i].method);
		request_deinit(&q);
	}
	request_init(&q);
	param(&q, "REQUEST_URI", "/");
	assert_int_equal(finish(&q), PROBLEM_BAD_REQUEST);
}

static void content_lengths(void **state)
{
	static const struct {
		const char *text;
		int64_t length; /* -1: refused */
	} rows[] = {
		{"0", 0},    {"17", 17},  {"9223372036854775807", INT64_MAX},
		{"-0", -1},  {"-1", -1},  {"+1", -1},
		{"1 ", -1},  {" 1", -1},  {"1,1", -1},
		{"0x1", -1}, {"017", -1}, {"1.0", -1},
		{"1e1", -1}, {"x", -1},	  {"9223372036854775808", -1},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct request q;

		start(&q, "/");
		param(&q, "CONTENT_LENGTH", rows[i].text);
		assert_int_equal(finish(&q),
				 rows[i].length < 0 ? PROBLEM_BAD_REQUEST : PROBLEM_NONE);
		if (rows[i].length >= 0)
			assert_int_equal(q.content_length, rows[i].length);
		request_deinit(&q);
	}
}

static void https(void **state)
{
	static const struct {
		const char *https, *scheme;
		bool is_https;
	} rows[] = {
		{"on", NULL, true},    {"ON", NULL, true},	{"1", NULL, true},
		{"off", NULL, false},  {"off", "https", false}, {NULL, "https", true},
		{NULL, "http", false}, {"", "https", true},	{NULL, NULL, false},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct request q;

		start(&q, "/");
		if (rows[i].https != NULL)
			param(&q, "HTTPS", rows[i].https);
		if (rows[i].scheme != NULL)
			param(&q, "REQUEST_SCHEME", rows[i].scheme);
		assert_int_equal(finish(&q), PROBLEM_NONE);
		assert_int_equal(q.https, rows[i].is_https);
		request_deinit(&q);
	}
}

static void request_ids(void **state)
{
	static const struct {
		const char *param, *header, *expected; /* NULL: one of ours */
	} rows[] = {
		{"server-1", "client-1", "server-1"},
		{NULL, "client-1", "client-1"},
		{"not well formed", "client-1", "client-1"},
		{"<script>", NULL, NULL},
		{NULL, NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct request q;

		start(&q, "/");
		param(&q, "REQUEST_ID", rows[i].param);
		param(&q, "HTTP_X_REQUEST_ID", rows[i].header);
		assert_int_equal(finish(&q), PROBLEM_NONE);
		if (rows[i].expected != NULL)
			assert_string_equal(q.request_id, rows[i].expected);
		else
			assert_int_equal(strlen(q.request_id), 32);
		request_deinit(&q);
	}
}

static void hostile_values(void **state)
{
	static const struct str rows[] = {
		{"a\0b", 3}, {"a\r\nX: y", 7}, {"\x1b[31m", 5}, {"\x7f", 1}};
	struct buf large = BUF_INIT;
	struct request q;

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		start(&q, "/");
		request_param(&q, STR("HTTP_IDEMPOTENCY_KEY"), rows[i]);
		assert_int_equal(finish(&q), PROBLEM_BAD_REQUEST);
		start(&q, "/");
		request_param(&q, STR("HTTP_NOT_READ"), rows[i]);
		assert_int_equal(finish(&q), PROBLEM_NONE);
		request_deinit(&q);
	}

	while (buf_ok(&large) && large.len < 60000)
		buf_putc(&large, 'x');
	start(&q, "/");
	request_param(&q, STR("HTTP_COOKIE"), buf_str(&large));
	assert_int_equal(finish(&q), PROBLEM_NONE);
	assert_int_equal(q.cookie.n, 60000);
	request_deinit(&q);
	start(&q, "/");
	request_param(&q, STR("HTTP_COOKIE"), buf_str(&large));
	request_param(&q, STR("HTTP_AUTHORIZATION"), buf_str(&large));
	assert_int_equal(finish(&q), PROBLEM_BAD_REQUEST);
	buf_deinit(&large);
}

static void what_the_web_server_refuses(void **state)
{
	static const struct {
		const char *status;
		enum problem problem;
	} rows[] = {
		{"400", PROBLEM_BAD_REQUEST}, {"403", PROBLEM_FORBIDDEN},
		{"413", PROBLEM_TOO_LARGE},   {"200", PROBLEM_NONE},
		{"404", PROBLEM_NONE},	      {"4130", PROBLEM_NONE},
		{"", PROBLEM_NONE},	      {"x", PROBLEM_NONE},
	};
	struct request q;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		start(&q, "/");
		param(&q, "REDIRECT_STATUS", rows[i].status);
		assert_int_equal(finish(&q), rows[i].problem);
		request_deinit(&q);
	}
	start(&q, "no path");
	param(&q, "REDIRECT_STATUS", "413");
	assert_int_equal(finish(&q), PROBLEM_BAD_REQUEST);
	start(&q, "/");
	param(&q, "HTTP_REDIRECT_STATUS", "413");
	assert_int_equal(finish(&q), PROBLEM_NONE);
	request_deinit(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_parameters),
		cmocka_unit_test(empty_is_absent),
		cmocka_unit_test(twice_is_refused),
		cmocka_unit_test(client_headers_are_not_identity),
		cmocka_unit_test(targets),
		cmocka_unit_test(methods),
		cmocka_unit_test(content_lengths),
		cmocka_unit_test(https),
		cmocka_unit_test(request_ids),
		cmocka_unit_test(hostile_values),
		cmocka_unit_test(what_the_web_server_refuses),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
