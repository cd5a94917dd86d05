/* SPDX-License-Identifier: BSD-2-Clause */
/* The event stream parser, against WHATWG HTML 9.2.6, with every input split at every byte. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "cli/sse_reader.h"
#include "cmocka_setup.h"

enum { LIMIT = 1000 };

/* Writes each event as "type|id|data;" so that a whole stream can be compared as one text. */
static int note(void *arg, const struct sse_reader_event *event)
{
	struct buf *out = arg;

	buf_put_str(out, event->type);
	buf_puts(out, event->has_id ? "|" : "|-");
	buf_put_str(out, event->id);
	buf_putc(out, '|');
	buf_put_str(out, event->data);
	buf_putc(out, ';');
	return 0;
}

static void expect_at(struct str input, size_t split, const char *expected)
{
	struct sse_reader reader;
	struct buf out = BUF_INIT;

	sse_reader_init(&reader, LIMIT, note, &out);
	assert_int_equal(sse_reader_feed(&reader, input.p, split), 0);
	assert_int_equal(sse_reader_feed(&reader, input.p + split, input.n - split), 0);
	assert_string_equal(buf_cstr(&out), expected);
	sse_reader_deinit(&reader);
	buf_deinit(&out);
}

/* Whole, in two parts cut anywhere, and byte by byte. */
static void expect(struct str input, const char *expected)
{
	struct sse_reader reader;
	struct buf out = BUF_INIT;

	for (size_t split = 0; split <= input.n; split++)
		expect_at(input, split, expected);
	sse_reader_init(&reader, LIMIT, note, &out);
	for (size_t i = 0; i < input.n; i++)
		assert_int_equal(sse_reader_feed(&reader, input.p + i, 1), 0);
	assert_string_equal(buf_cstr(&out), expected);
	sse_reader_deinit(&reader);
	buf_deinit(&out);
}

static void streams(void **state)
{
	static const struct {
		struct str input;
		const char *events;
	} rows[] = {
		{{"data: x\n\n", 9}, "message|-|x;"},
		{{"data:x\n\ndata: y\n\n", 17}, "message|-|x;message|-|y;"},
		{{"data:  x\n\n", 10}, "message|-| x;"},
		{{"data: x\r\n\r\n", 11}, "message|-|x;"},
		{{"data: x\r\r", 9}, "message|-|x;"},
		{{"data: x\r\n\rdata: y\n\n", 19}, "message|-|x;message|-|y;"},
		{{"data: a\ndata: b\n\n", 17}, "message|-|a\nb;"},
		{{"data\ndata\n\n", 11}, "message|-|\n;"},
		{{"data\n\n", 6}, "message|-|;"},
		{{"event: ping\ndata: {}\n\n", 22}, "ping|-|{};"},
		{{"id: 1.5\ndata: x\n\ndata: y\n\n", 26}, "message|1.5|x;message|-1.5|y;"},
		{{"id: 1\ndata: x\n\nid\ndata: y\n\n", 27}, "message|1|x;message||y;"},
		{{"id: 1\n\ndata: x\n\n", 16}, "message|-1|x;"},
		{{"event: e\n\ndata: x\n\n", 19}, "message|-|x;"},
		{{": ka\n\ndata: x\n: more\n\n", 22}, "message|-|x;"},
		{{"\xef\xbb\xbf"
		  "data: x\n\n",
		  12},
		 "message|-|x;"},
		{{"data: x\n\xef\xbb\xbf"
		  "data: y\n\n",
		  20},
		 "message|-|x;"},
		{{"data: x\ndatum: y\nData: z\n\n", 26}, "message|-|x;"},
		{{"data: unfinished\n", 17}, ""},
		{{"data: a:b: c\n\n", 14}, "message|-|a:b: c;"},
		{{"\n\n\n", 3}, ""},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++)
		expect(rows[i].input, rows[i].events);
}

static void an_id_with_a_nul_is_ignored(void **state)
{
	(void)state;
	expect((struct str){"id: 1\nid: 2\0\ndata: x\n\n", 22}, "message|1|x;");
}

static int64_t retry_after(const char *text)
{
	struct sse_reader reader;
	struct buf out = BUF_INIT;
	int64_t ms;

	sse_reader_init(&reader, LIMIT, note, &out);
	sse_reader_feed(&reader, text, strlen(text));
	ms = reader.retry_ms;
	sse_reader_deinit(&reader);
	buf_deinit(&out);
	return ms;
}

static void retry(void **state)
{
	(void)state;
	assert_int_equal(retry_after("data: x\n\n"), -1);
	assert_int_equal(retry_after("retry: 2500\n"), 2500);
	assert_int_equal(retry_after("retry: 1\nretry: 0200\n"), 200);
	assert_int_equal(retry_after("retry: 7\nretry: -1\n"), 7);
	assert_int_equal(retry_after("retry: 7\nretry: 1x\n"), 7);
	assert_int_equal(retry_after("retry: 7\nretry\n"), 7);
	assert_int_equal(retry_after("retry: 7\nretry: 99999999999999999999\n"), 7);
}

static void a_restart_keeps_the_id_and_drops_the_rest(void **state)
{
	static const char first[] = "id: 1.7\nretry: 9\ndata: x\n\nevent: e\ndata: lo";
	struct sse_reader reader;
	struct buf out = BUF_INIT;

	(void)state;
	sse_reader_init(&reader, LIMIT, note, &out);
	sse_reader_feed(&reader, first, sizeof(first) - 1);
	sse_reader_restart(&reader);
	assert_true(str_eq(sse_reader_last_id(&reader), STR("1.7")));
	assert_int_equal(reader.retry_ms, 9);
	sse_reader_feed(&reader, "\xef\xbb\xbf\ndata: y\n\n", 13);
	assert_string_equal(buf_cstr(&out), "message|1.7|x;message|-1.7|y;");
	sse_reader_deinit(&reader);
	buf_deinit(&out);
}

static void too_long_a_line_or_event_stops_it(void **state)
{
	char filler[LIMIT / 2];
	struct sse_reader reader;
	struct buf out = BUF_INIT;

	(void)state;
	memset(filler, 'a', sizeof(filler));
	sse_reader_init(&reader, LIMIT, note, &out);
	assert_int_equal(sse_reader_feed(&reader, filler, sizeof(filler)), 0);
	assert_int_equal(sse_reader_feed(&reader, filler, sizeof(filler)), 0);
	assert_int_equal(sse_reader_feed(&reader, filler, sizeof(filler)), -1);
	assert_int_equal(sse_reader_feed(&reader, "\n\n", 2), -1);
	sse_reader_restart(&reader);

	for (int i = 0; i < 2; i++) {
		sse_reader_feed(&reader, "data:", 5);
		sse_reader_feed(&reader, filler, sizeof(filler) - 2);
		assert_int_equal(sse_reader_feed(&reader, "\n", 1), 0);
	}
	assert_int_equal(sse_reader_feed(&reader, "data: one too many\n", 19), -1);
	assert_int_equal(out.len, 0);
	sse_reader_deinit(&reader);
	buf_deinit(&out);
}

static int refuse(void *arg, const struct sse_reader_event *event)
{
	(void)event;
	++*(int *)arg;
	return -1;
}

static void the_sink_can_stop_it(void **state)
{
	struct sse_reader reader;
	int calls = 0;

	(void)state;
	sse_reader_init(&reader, LIMIT, refuse, &calls);
	assert_int_equal(sse_reader_feed(&reader, "data: x\n\ndata: y\n\n", 18), -1);
	assert_int_equal(calls, 1);
	sse_reader_deinit(&reader);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(streams),
		cmocka_unit_test(an_id_with_a_nul_is_ignored),
		cmocka_unit_test(retry),
		cmocka_unit_test(a_restart_keeps_the_id_and_drops_the_rest),
		cmocka_unit_test(too_long_a_line_or_event_stops_it),
		cmocka_unit_test(the_sink_can_stop_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
