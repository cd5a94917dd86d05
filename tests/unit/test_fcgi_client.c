/* SPDX-License-Identifier: BSD-2-Clause */
/* Answers of FastCGI responders, cut anywhere and of any kind. */
#include "config.h"

#include <string.h>

#include "cli/fcgi_client.h"
#include "cmocka_setup.h"
#include "web/fcgi_record.h"

static void put_answer(struct buf *out, const char *text)
{
	fcgi_record_put_stdout(out, 1, str_of(text));
	fcgi_record_put_end(out, 1, FCGI_RECORD_COMPLETE);
}

static void an_answer_is_whole_only_at_its_end(void **state)
{
	struct buf out = BUF_INIT;
	int status = 0;

	(void)state;
	put_answer(&out, "Content-Type: text/plain\r\nStatus: 503 Service Unavailable\r\n\r\n");
	for (size_t n = 0; n < out.len; n++)
		assert_int_equal(fcgi_client_parse((struct str){out.data, n}, &status), 0);
	assert_int_equal(fcgi_client_parse(buf_str(&out), &status), 1);
	assert_int_equal(status, 503);
	buf_deinit(&out);
}

static void statuses(void **state)
{
	static const struct {
		const char *text;
		int status;
	} rows[] = {
		{"Status: 404 Not Found\r\n\r\n", 404},
		{"status:204\n\n", 204},
		{"Content-Type: text/plain\n\nhello", 200},
		{"Status: what\n\n", 200},
		{"Status: 999\n\n", 200},
		{"Content-Type: text/plain\r\n\r\nStatus: 404\r\n", 200},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct buf out = BUF_INIT;
		int status = 0;

		put_answer(&out, rows[i].text);
		assert_int_equal(fcgi_client_parse(buf_str(&out), &status), 1);
		assert_int_equal(status, rows[i].status);
		buf_deinit(&out);
	}
}

static void what_is_no_answer_is_refused(void **state)
{
	static const struct str rows[] = {
		{"HTTP/1.1 400 Bad Request\r\n\r\n", 28},
		{"\1\1\0\1\0\0\0\0", 8},		   /* a begin record from a responder */
		{"\1\3\0\1\0\10\0\0\0\0\0\0\0\0\0\0", 16}, /* an end without output */
		{"\1\3\0\1\0\2\0\0\0\0", 10},		   /* an end of the wrong length */
	};
	struct buf overloaded = BUF_INIT;
	int status;

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++)
		assert_int_equal(fcgi_client_parse(rows[i], &status), i == 0 ? 0 : -1);
	fcgi_record_put_stdout(&overloaded, 1, STR("Status: 200\n\n"));
	fcgi_record_put_end(&overloaded, 1, FCGI_RECORD_OVERLOADED);
	assert_int_equal(fcgi_client_parse(buf_str(&overloaded), &status), -1);
	buf_deinit(&overloaded);
}

static void nobody_listens(void **state)
{
	struct buf reason = BUF_INIT;
	int status;

	(void)state;
	assert_int_equal(fcgi_client_get("/nonexistent/api.sock", "/", 100, &status, &reason),
			 ERR_UNAVAILABLE);
	assert_true(reason.len > 0);
	buf_deinit(&reason);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_is_whole_only_at_its_end),
		cmocka_unit_test(statuses),
		cmocka_unit_test(what_is_no_answer_is_refused),
		cmocka_unit_test(nobody_listens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
