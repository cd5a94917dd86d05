/* SPDX-License-Identifier: BSD-2-Clause */
/* Answers and problems. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmocka_setup.h"
#include "web/json_read.h"
#include "web/json_write.h"
#include "web/reply.h"
#include "web/request.h"

static void expect_cgi(const struct reply *reply, bool head_only, const char *expected)
{
	struct buf out = BUF_INIT;

	assert_int_equal(reply_write_cgi(reply, head_only, &out), 0);
	assert_string_equal(buf_cstr(&out), expected);
	buf_deinit(&out);
}

static void json_answer(void **state)
{
	struct reply reply;
	struct json_write w;

	(void)state;
	reply_init(&reply, "r-1", "full");
	reply_json(&reply, 201);
	reply_header(&reply, "Location", STR("/chat/v1/tickets/T-1/messages/1"));
	json_write_init(&w, &reply.body);
	json_write_open_object(&w);
	json_write_member_int(&w, "seq", 1);
	json_write_close(&w);
	assert_int_equal(json_write_finish(&w), 0);
#define HEAD                                            \
	"Status: 201 Created\r\n"                       \
	"X-Request-Id: r-1\r\n"                         \
	"Bellhop-Mode: full\r\n"                        \
	"Content-Type: application/json\r\n"            \
	"Cache-Control: no-store\r\n"                   \
	"X-Content-Type-Options: nosniff\r\n"           \
	"Location: /chat/v1/tickets/T-1/messages/1\r\n" \
	"Content-Length: 9\r\n\r\n"
	expect_cgi(&reply, false, HEAD "{\"seq\":1}");
	expect_cgi(&reply, true, HEAD);
	reply_deinit(&reply);
}

/* Whatever becomes of the answer. */
static void lines_are_kept(void **state)
{
	struct reply reply;

	(void)state;
	reply_init(&reply, NULL, NULL);
	reply.lines = "RateLimit: 1\r\n";
	reply_json(&reply, 200);
	reply_reset(&reply);
	reply_empty(&reply, 204);
	expect_cgi(&reply, false,
		   "Status: 204 No Content\r\nRateLimit: 1\r\nCache-Control: no-store\r\n\r\n");
	reply_deinit(&reply);
}

static void empty_answer(void **state)
{
	struct reply reply;

	(void)state;
	reply_init(&reply, "r-1", NULL);
	reply_empty(&reply, 204);
	expect_cgi(
		&reply, false,
		"Status: 204 No Content\r\nX-Request-Id: r-1\r\nCache-Control: no-store\r\n\r\n");
	reply_deinit(&reply);
}

static void header_injection_fails_the_answer(void **state)
{
	static const struct str bad[] = {{"a\r\nX: y", 7}, {"a\n", 2}, {"a\0", 2}};
	struct buf out = BUF_INIT;
	struct reply reply;

	(void)state;
	for (size_t i = 0; i < LENGTH(bad); i++) {
		reply_init(&reply, "r-1", "full");
		reply_json(&reply, 200);
		reply_header(&reply, "X-Test", bad[i]);
		assert_int_equal(reply_write_cgi(&reply, false, &out), -1);
		assert_int_equal(out.len, 0);
		/* An answer that failed can still become a problem. */
		reply_problem_simple(&reply, PROBLEM_INTERNAL, NULL);
		assert_int_equal(reply_write_cgi(&reply, false, &out), 0);
		buf_reset(&out);
		reply_deinit(&reply);
	}
	reply_init(&reply, "r-1", "full");
	reply_header(&reply, "", STR("x"));
	assert_int_equal(reply_write_cgi(&reply, false, &out), -1);
	reply_deinit(&reply);
	buf_deinit(&out);
}

/* The contract: every code with its status. */
static void table_of_problems(void **state)
{
	static const struct {
		enum problem problem;
		const char *code;
		int status;
	} rows[] = {
		{PROBLEM_BAD_JSON, "bad_json", 400},
		{PROBLEM_INVALID_FIELD, "invalid_field", 400},
		{PROBLEM_BAD_REQUEST, "bad_request", 400},
		{PROBLEM_UNAUTHENTICATED, "unauthenticated", 401},
		{PROBLEM_TOKEN_EXPIRED, "token_expired", 401},
		{PROBLEM_TOKEN_REVOKED, "token_revoked", 401},
		{PROBLEM_NOT_A_PARTICIPANT, "not_a_participant", 403},
		{PROBLEM_FORBIDDEN, "forbidden", 403},
		{PROBLEM_CSRF, "csrf", 403},
		{PROBLEM_NOT_FOUND, "not_found", 404},
		{PROBLEM_METHOD_NOT_ALLOWED, "method_not_allowed", 405},
		{PROBLEM_TICKET_CLOSED, "ticket_closed", 409},
		{PROBLEM_DELETED, "deleted", 409},
		{PROBLEM_ON_HOLD, "on_hold", 409},
		{PROBLEM_IN_PROGRESS, "in_progress", 409},
		{PROBLEM_NEWER_MESSAGES, "newer_messages", 412},
		{PROBLEM_STALE_REVISION, "stale_revision", 412},
		{PROBLEM_TOO_LARGE, "too_large", 413},
		{PROBLEM_UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", 415},
		{PROBLEM_IDEMPOTENCY_MISMATCH, "idempotency_mismatch", 422},
		{PROBLEM_RATE_LIMITED, "rate_limited", 429},
		{PROBLEM_INTERNAL, "internal", 500},
		{PROBLEM_UNAVAILABLE, "unavailable", 503},
	};

	(void)state;
	assert_int_equal(LENGTH(rows), PROBLEM_COUNT - 1);
	for (size_t i = 0; i < LENGTH(rows); i++) {
		const struct problem_info *info = problem_info(rows[i].problem);

		assert_string_equal(info->code, rows[i].code);
		assert_int_equal(info->status, rows[i].status);
		assert_true(strlen(info->title) > 0);
		assert_int_equal(atoi(reply_status_text(info->status)), info->status);
	}
	assert_string_equal(problem_info(PROBLEM_NONE)->code, "internal");
	assert_string_equal(problem_info(PROBLEM_COUNT)->code, "internal");
	assert_string_equal(problem_info((enum problem)999)->code, "internal");
}

static void expect_member(const struct json_read_value *object, const char *name, const char *value)
{
	const struct json_read_value *member = json_read_find(object, name);

	assert_non_null(member);
	assert_true(str_eq_c(json_read_str(member), value));
}

static void problem_document(void **state)
{
	const struct reply_error errors[] = {{"/content", "is missing"}, {"/kind", "is \"odd\""}};
	const struct reply_problem problem = {
		.problem = PROBLEM_NEWER_MESSAGES,
		.detail = "somebody was faster",
		.errors = errors,
		.n_errors = 2,
		.member = "messages",
		.member_json = STR("[{\"seq\":7}]"),
	};
	const struct json_read_value *root, *list;
	struct json_read_error error;
	struct json_read *json;
	struct reply reply;

	(void)state;
	reply_init(&reply, "r-1", "full");
	reply_json(&reply, 201);
	reply_header(&reply, "Location", STR("/gone"));
	buf_puts(&reply.body, "{\"half\":");
	reply_problem(&reply, &problem);
	assert_int_equal(reply.status, 412);
	assert_null(strstr(buf_cstr(&reply.head), "Location"));
	assert_non_null(
		strstr(buf_cstr(&reply.head), "Content-Type: application/problem+json\r\n"));
	assert_int_equal(json_read(buf_str(&reply.body), &json, &error), JSON_READ_OK);
	root = json_read_root(json);
	expect_member(root, "type", "urn:bellhop:problem:newer_messages");
	expect_member(root, "title", "There are newer messages");
	expect_member(root, "status", "412");
	expect_member(root, "detail", "somebody was faster");
	expect_member(root, "code", "newer_messages");
	expect_member(root, "request_id", "r-1");
	list = json_read_find(root, "errors");
	assert_int_equal(json_read_count(list), 2);
	expect_member(json_read_first(list), "pointer", "/content");
	expect_member(json_read_next(json_read_first(list)), "message", "is \"odd\"");
	expect_member(json_read_first(json_read_find(root, "messages")), "seq", "7");
	json_read_free(json);
	reply_deinit(&reply);
}

static void headers_of_problems(void **state)
{
	static const struct {
		struct reply_problem problem;
		const char *header; /* without its CRLF; NULL: none of the others either */
	} rows[] = {
		{{.problem = PROBLEM_UNAUTHENTICATED},
		 "WWW-Authenticate: Bearer realm=\"bellhop\""},
		{{.problem = PROBLEM_UNAUTHENTICATED, .bad_credentials = true},
		 "WWW-Authenticate: Bearer realm=\"bellhop\", error=\"invalid_token\""},
		{{.problem = PROBLEM_TOKEN_EXPIRED, .bad_credentials = true},
		 "WWW-Authenticate: Bearer realm=\"bellhop\", error=\"invalid_token\""},
		{{.problem = PROBLEM_METHOD_NOT_ALLOWED, .allowed = REQUEST_GET | REQUEST_HEAD},
		 "Allow: GET, HEAD"},
		{{.problem = PROBLEM_RATE_LIMITED, .retry_after_s = 7}, "Retry-After: 7"},
		{{.problem = PROBLEM_UNAVAILABLE}, "Retry-After: 3"},
		{{.problem = PROBLEM_UNAVAILABLE, .retry_after_s = 1}, "Retry-After: 1"},
		{{.problem = PROBLEM_NOT_FOUND}, NULL},
		{{.problem = PROBLEM_INTERNAL}, NULL},
	};
	static const char *const names[] = {"WWW-Authenticate:", "Allow:", "Retry-After:"};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct reply reply;
		char line[128];
		int others = 0;

		reply_init(&reply, "r-1", "full");
		reply_problem(&reply, &rows[i].problem);
		if (rows[i].header != NULL) {
			snprintf(line, sizeof(line), "\r\n%s\r\n", rows[i].header);
			assert_non_null(strstr(buf_cstr(&reply.head), line));
		}
		for (size_t n = 0; n < LENGTH(names); n++)
			others += strstr(buf_cstr(&reply.head), names[n]) != NULL;
		assert_int_equal(others, rows[i].header != NULL ? 1 : 0);
		reply_deinit(&reply);
	}
}

/* What a client sent may end up in a detail: whatever it is, the answer stays whole. */
static void a_detail_that_is_not_text_fails_the_answer(void **state)
{
	struct buf out = BUF_INIT;
	struct reply reply;

	(void)state;
	reply_init(&reply, "r-1", "full");
	reply_problem_simple(&reply, PROBLEM_BAD_REQUEST, "\xff");
	assert_int_equal(reply_write_cgi(&reply, false, &out), -1);
	reply_problem_simple(&reply, PROBLEM_BAD_REQUEST, "a \"quoted\"\r\n\x01 detail");
	assert_int_equal(reply_write_cgi(&reply, false, &out), 0);
	reply_deinit(&reply);
	buf_deinit(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_answer),
		cmocka_unit_test(empty_answer),
		cmocka_unit_test(lines_are_kept),
		cmocka_unit_test(header_injection_fails_the_answer),
		cmocka_unit_test(table_of_problems),
		cmocka_unit_test(problem_document),
		cmocka_unit_test(headers_of_problems),
		cmocka_unit_test(a_detail_that_is_not_text_fails_the_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
