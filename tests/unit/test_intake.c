/* SPDX-License-Identifier: BSD-2-Clause */
/* A request from the bytes of a connection, and what is no request. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "api/intake.h"
#include "cmocka_setup.h"
#include "fcgi_bytes.h"

enum { LIMIT = 100 };

/* Feeds a copy of exactly these bytes, so that a sanitizer sees one too many. */
static enum intake_state feed(struct intake *intake, const char *bytes, size_t n)
{
	char *exact = malloc(n > 0 ? n : 1);
	enum intake_state state;

	assert_non_null(exact);
	memcpy(exact, bytes, n);
	state = intake_feed(intake, (struct str){exact, n});
	free(exact);
	return state;
}

static enum intake_state feed_all(struct intake *intake, const struct buf *bytes)
{
	return feed(intake, bytes->data, bytes->len);
}

static void expect_whole(struct intake *intake)
{
	assert_int_equal(intake->state, INTAKE_DONE);
	assert_int_equal(intake->fault, PROBLEM_NONE);
	assert_true(intake->has_ended);
	assert_int_equal(intake->request.method, REQUEST_POST);
	assert_true(str_eq(intake->request.path, STR("/chat/v1/tickets/T-1/messages")));
	assert_string_equal(intake->request.request_id, "one");
	assert_int_equal(intake_body(intake), INTAKE_BODY_WHOLE);
	assert_true(str_eq(buf_str(&intake->body), STR("{\"content\":1}")));
	assert_int_equal(intake->out.len, 0);
}

static void a_request_split_at_every_byte(void **state)
{
	struct buf bytes = BUF_INIT;

	(void)state;
	fcgi_bytes_post(&bytes, "13", STR("{\"content\":1}"));
	for (size_t at = 0; at <= bytes.len; at++) {
		struct intake intake;

		intake_init(&intake, LIMIT);
		feed(&intake, bytes.data, at);
		assert_true(intake.state <= INTAKE_BODY || at == bytes.len);
		feed(&intake, bytes.data + at, bytes.len - at);
		expect_whole(&intake);
		intake_deinit(&intake);
	}
	buf_deinit(&bytes);
}

static void a_request_byte_by_byte(void **state)
{
	struct buf bytes = BUF_INIT;
	struct intake intake;

	(void)state;
	fcgi_bytes_post(&bytes, "13", STR("{\"content\":1}"));
	intake_init(&intake, LIMIT);
	for (size_t at = 0; at < bytes.len; at++)
		feed(&intake, bytes.data + at, 1);
	expect_whole(&intake);
	intake_deinit(&intake);
	buf_deinit(&bytes);
}

static void bodies_that_are_not_as_announced(void **state)
{
	static const struct {
		const char *announced;
		size_t n;
		enum intake_body body;
	} rows[] = {
		{"", 0, INTAKE_BODY_WHOLE},	     {"", 13, INTAKE_BODY_WHOLE},
		{"0", 0, INTAKE_BODY_WHOLE},	     {"0", 1, INTAKE_BODY_LONG},
		{"13", 12, INTAKE_BODY_SHORT},	     {"13", 0, INTAKE_BODY_SHORT},
		{"13", 14, INTAKE_BODY_LONG},	     {"100", LIMIT, INTAKE_BODY_WHOLE},
		{"", LIMIT, INTAKE_BODY_WHOLE},	     {"101", LIMIT + 1, INTAKE_BODY_LARGE},
		{"101", 1, INTAKE_BODY_LARGE},	     {"", LIMIT + 1, INTAKE_BODY_LARGE},
		{"1", LIMIT + 1, INTAKE_BODY_LARGE}, {"9223372036854775807", 3, INTAKE_BODY_LARGE},
	};
	char text[LIMIT + 1];

	(void)state;
	memset(text, 'x', sizeof(text));
	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct buf bytes = BUF_INIT;
		struct intake intake;

		fcgi_bytes_post(&bytes, rows[i].announced, (struct str){text, rows[i].n});
		intake_init(&intake, LIMIT);
		assert_int_equal(feed_all(&intake, &bytes), INTAKE_DONE);
		assert_int_equal(intake_body(&intake), rows[i].body);
		assert_int_equal(intake_is_over(&intake), rows[i].body == INTAKE_BODY_LARGE);
		/* Any length is whole where there is no limit, as far as it is as announced. */
		assert_false(intake_may_go_on(&intake, 0));
		assert_int_equal(intake_body(&intake) == INTAKE_BODY_WHOLE,
				 rows[i].announced[0] == '\0' ||
					 strtoull(rows[i].announced, NULL, 10) == rows[i].n);
		intake_deinit(&intake);
		buf_deinit(&bytes);
	}
}

/* Asked for after the first piece of a body that is announced as longer. */
static void a_body_that_may_be_longer_after_all(void **state)
{
	struct buf bytes = BUF_INIT;
	char text[LIMIT * 2];
	struct intake intake;

	(void)state;
	memset(text, 'x', sizeof(text));
	fcgi_bytes_post(&bytes, "200", (struct str){text, sizeof(text)});
	intake_init(&intake, LIMIT);
	feed(&intake, bytes.data, bytes.len - LIMIT);
	assert_true(intake_is_over(&intake));
	assert_false(intake_may_go_on(&intake, LIMIT * 2 - 1));
	assert_true(intake_may_go_on(&intake, LIMIT * 2));
	feed(&intake, bytes.data + bytes.len - LIMIT, LIMIT);
	assert_int_equal(intake.state, INTAKE_DONE);
	assert_int_equal(intake_body(&intake), INTAKE_BODY_WHOLE);
	assert_int_equal(intake.body.len, LIMIT * 2);
	intake_deinit(&intake);
	buf_deinit(&bytes);
}

static void heads_that_are_refused(void **state)
{
	static char huge[FCGI_PARAMS_VALUE_MAX + 1];
	struct buf params = BUF_INIT, bytes = BUF_INIT;
	struct intake intake;

	(void)state;
	memset(huge, 'x', sizeof(huge));

	/* One value over the limit: known before its record has ended, and not waited for. */
	fcgi_bytes_pair(&params, "HTTP_COOKIE", (struct str){huge, sizeof(huge)}, false);
	fcgi_bytes_begin(&bytes);
	fcgi_bytes_record(&bytes, FCGI_RECORD_PARAMS, 1, buf_str(&params));
	intake_init(&intake, LIMIT);
	assert_int_equal(feed(&intake, bytes.data, 64), INTAKE_DONE);
	assert_int_equal(intake.fault, PROBLEM_BAD_REQUEST);
	assert_string_equal(intake.detail, "the request's parameters are too large");
	assert_false(intake.has_ended);
	intake_deinit(&intake);

	/* Ends within a pair. */
	buf_reset(&params);
	buf_reset(&bytes);
	fcgi_bytes_pair(&params, "REQUEST_METHOD", STR("GET"), false);
	fcgi_bytes_begin(&bytes);
	fcgi_bytes_record(&bytes, FCGI_RECORD_PARAMS, 1, (struct str){params.data, params.len - 1});
	fcgi_bytes_record(&bytes, FCGI_RECORD_PARAMS, 1, STR(""));
	fcgi_bytes_record(&bytes, FCGI_RECORD_STDIN, 1, STR(""));
	intake_init(&intake, LIMIT);
	assert_int_equal(feed_all(&intake, &bytes), INTAKE_DONE);
	assert_int_equal(intake.fault, PROBLEM_BAD_REQUEST);
	assert_string_equal(intake.detail, "the request's parameters are cut short");
	intake_deinit(&intake);
	buf_deinit(&params);
	buf_deinit(&bytes);
}

static void a_request_that_is_given_up(void **state)
{
	struct buf bytes = BUF_INIT;

	(void)state;
	fcgi_bytes_post(&bytes, "13", STR("{\"content\":1}"));
	/* After the beginning, the params, and the body: each record ends where a new one may begin. */
	for (size_t at = FCGI_RECORD_HEAD_SIZE * 2; at < bytes.len;
	     at += FCGI_RECORD_HEAD_SIZE + (unsigned char)bytes.data[at + 5]) {
		struct buf cut = BUF_INIT;
		struct intake intake;

		buf_put(&cut, bytes.data, at);
		fcgi_bytes_record(&cut, FCGI_RECORD_ABORT_REQUEST, 1, STR(""));
		intake_init(&intake, LIMIT);
		assert_int_equal(feed_all(&intake, &cut), INTAKE_ABORTED);
		intake_end(&intake);
		assert_int_equal(intake.out.len, FCGI_RECORD_HEAD_SIZE * 2 + 8);
		intake_deinit(&intake);
		buf_deinit(&cut);
	}
	buf_deinit(&bytes);
}

/* Records of other requests and of the protocol between ours, as many as may be. */
static void what_else_comes(void **state)
{
	struct buf bytes = BUF_INIT, sample = BUF_INIT;
	struct intake intake;

	(void)state;
	intake_init(&intake, LIMIT);
	fcgi_bytes_begin(&bytes);
	for (int i = 0; i < 60; i++) {
		fcgi_bytes_record(&bytes, FCGI_RECORD_GET_VALUES, 0, STR("\x0f\0FCGI_MPXS_CONNS"));
		fcgi_bytes_record(&bytes, FCGI_RECORD_STDIN, 7, STR("not ours"));
		fcgi_bytes_record(&bytes, FCGI_RECORD_DATA, 1, STR("of no use"));
	}
	assert_int_equal(feed_all(&intake, &bytes), INTAKE_HEAD);
	assert_int_equal(intake.out.len, 60 * (FCGI_RECORD_HEAD_SIZE + 18));
	fcgi_bytes_post(&sample, "13", STR("{\"content\":1}"));
	buf_reset(&intake.out);
	feed(&intake, sample.data + 16, sample.len - 16);
	expect_whole(&intake);
	intake_deinit(&intake);

	/* Beyond that it is no web server. */
	intake_init(&intake, LIMIT);
	feed_all(&intake, &bytes);
	assert_int_equal(feed(&intake, bytes.data + 16, bytes.len - 16), INTAKE_BROKEN);
	assert_true(intake.out.len < 4096);
	intake_deinit(&intake);
	buf_deinit(&bytes);
	buf_deinit(&sample);
}

static void an_answer_longer_than_a_record(void **state)
{
	struct buf bytes = BUF_INIT;
	struct intake intake;
	size_t n = FCGI_RECORD_CONTENT_MAX + 1U;
	char *cgi = calloc(1, n);

	(void)state;
	assert_non_null(cgi);
	intake_init(&intake, LIMIT);
	fcgi_bytes_post(&bytes, "13", STR("{\"content\":1}"));
	feed_all(&intake, &bytes);
	intake_answer(&intake, (struct str){cgi, n});
	assert_int_equal(intake.out.len, n + FCGI_RECORD_HEAD_SIZE * 4 + 8);
	intake_deinit(&intake);
	buf_deinit(&bytes);
	free(cgi);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_split_at_every_byte),
		cmocka_unit_test(a_request_byte_by_byte),
		cmocka_unit_test(bodies_that_are_not_as_announced),
		cmocka_unit_test(a_body_that_may_be_longer_after_all),
		cmocka_unit_test(heads_that_are_refused),
		cmocka_unit_test(a_request_that_is_given_up),
		cmocka_unit_test(what_else_comes),
		cmocka_unit_test(an_answer_longer_than_a_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
