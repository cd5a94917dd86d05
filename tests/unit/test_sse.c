/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames of server-sent events, byte by byte as WHATWG HTML 9.2.6 reads them. */
#include "config.h"

#include <string.h>

#include "cmocka_setup.h"
#include "web/sse.h"

static const struct str no_id = {NULL, 0};

static void expect_frame(const char *event, struct str id, struct str data, const char *expected)
{
	struct buf out = BUF_INIT;

	sse_frame(&out, event, id, data);
	assert_string_equal(buf_cstr(&out), expected);
	buf_deinit(&out);
}

static void frames(void **state)
{
	(void)state;
	expect_frame("message", STR("1.58"), STR("{\"seq\":58}"),
		     "id: 1.58\nevent: message\ndata: {\"seq\":58}\n\n");
	expect_frame("ping", no_id, STR("{}"), "event: ping\ndata: {}\n\n");
	expect_frame("ping", no_id, STR(""), "event: ping\ndata: \n\n");
	expect_frame("ping", no_id, (struct str){NULL, 0}, "event: ping\ndata: \n\n");
	/* An empty id resets the client's: it is written, unlike an absent one. */
	expect_frame("x", STR(""), STR("1"), "id: \nevent: x\ndata: 1\n\n");
}

static void line_breaks_in_data_stay_in_the_frame(void **state)
{
	(void)state;
	expect_frame("x", no_id, STR("a\nb"), "event: x\ndata: a\ndata: b\n\n");
	expect_frame("x", no_id, STR("a\r\nb"), "event: x\ndata: a\ndata: b\n\n");
	expect_frame("x", no_id, STR("a\rb"), "event: x\ndata: a\ndata: b\n\n");
	expect_frame("x", no_id, STR("a\n\nid: 9.9"),
		     "event: x\ndata: a\ndata: \ndata: id: 9.9\n\n");
	expect_frame("x", no_id, STR("a\n"), "event: x\ndata: a\ndata: \n\n");
}

static void nothing_is_injected_by_an_id_or_event(void **state)
{
	static const struct str ids[] = {{"1\n", 2}, {"1\r", 2}, {"1\0", 2}, {"\n\ndata: x", 9}};

	(void)state;
	for (size_t i = 0; i < LENGTH(ids); i++) {
		struct buf out = BUF_INIT;

		sse_frame(&out, "x", ids[i], STR("1"));
		assert_false(buf_ok(&out));
		buf_deinit(&out);
	}
	for (size_t i = 0; i < 2; i++) {
		struct buf out = BUF_INIT;

		if (i == 0)
			sse_frame(&out, "x\ndata: y", no_id, STR("1"));
		else
			sse_comment(&out, "ka\n\ndata: y");
		assert_false(buf_ok(&out));
		buf_deinit(&out);
	}
}

static void comments_and_retry(void **state)
{
	struct buf out = BUF_INIT;

	(void)state;
	sse_retry(&out, 3017);
	sse_comment(&out, "ka");
	assert_string_equal(buf_cstr(&out), "retry: 3017\n: ka\n\n");
	buf_deinit(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames),
		cmocka_unit_test(line_breaks_in_data_stay_in_the_frame),
		cmocka_unit_test(nothing_is_injected_by_an_id_or_event),
		cmocka_unit_test(comments_and_retry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
