/* SPDX-License-Identifier: BSD-2-Clause */
/* FastCGI records, split at every byte. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "cmocka_setup.h"
#include "web/fcgi_record.h"

/* Appends a record with padding. */
static void put(struct buf *out, int type, uint16_t id, struct str content, unsigned padding)
{
	unsigned char head[FCGI_RECORD_HEAD_SIZE];

	fcgi_record_head(head, (enum fcgi_record_type)type, id, content.n);
	head[6] = (unsigned char)padding;
	buf_put(out, head, sizeof(head));
	buf_put_str(out, content);
	while (padding-- > 0)
		buf_putc(out, 'p');
}

#define BEGIN_CLOSE STR("\0\1\0\0\0\0\0\0") /* responder */
#define BEGIN_KEEP  STR("\0\1\1\0\0\0\0\0") /* and keep the connection */
#define NOTHING	    STR("")

/* Writes what happens as text: B(egin) K(eep) P(arams) E(nd of them) S(tdin) T(s end) A(bort). */
static enum fcgi_record_step feed(struct fcgi_record_parser *parser, struct str piece,
				  struct buf *seen, struct buf *answers)
{
	static const char letters[] = {
		[FCGI_RECORD_STARTED] = 'B',	[FCGI_RECORD_PARAMS_PART] = 'P',
		[FCGI_RECORD_PARAMS_END] = 'E', [FCGI_RECORD_STDIN_PART] = 'S',
		[FCGI_RECORD_STDIN_END] = 'T',	[FCGI_RECORD_ABORTED] = 'A',
	};
	char *exact = malloc(piece.n > 0 ? piece.n : 1);
	struct fcgi_record_part part;
	enum fcgi_record_step step;
	struct scan in;

	assert_non_null(exact);
	memcpy(exact, piece.p, piece.n);
	scan_init(&in, exact, piece.n);
	while ((step = fcgi_record_next(parser, &in, answers, &part)) != FCGI_RECORD_MORE &&
	       step != FCGI_RECORD_BROKEN) {
		bool is_part = step == FCGI_RECORD_PARAMS_PART || step == FCGI_RECORD_STDIN_PART;

		assert_int_equal(part.id, parser->id);
		assert_int_equal(is_part, part.data.n > 0);
		/* Parts of one stream join, so that the text does not depend on the cuts. */
		if (!is_part || seen->len == 0 || seen->data[seen->len - 1] != ')') {
			buf_putc(seen, part.keep_conn ? 'K' : letters[step]);
			buf_puts(seen, is_part ? "(" : "");
		} else {
			seen->len--;
		}
		if (is_part) {
			buf_put_str(seen, part.data);
			buf_putc(seen, ')');
		}
	}
	free(exact);
	return step;
}

/* A whole request, with padding, other requests' records and management between. */
static void sample(struct buf *out)
{
	put(out, FCGI_RECORD_GET_VALUES, 0, STR("\x0f\0FCGI_MPXS_CONNS"), 7);
	put(out, FCGI_RECORD_BEGIN_REQUEST, 1, BEGIN_KEEP, 3);
	put(out, FCGI_RECORD_PARAMS, 1, STR("para"), 4);
	put(out, FCGI_RECORD_PARAMS, 9, STR("not ours"), 0);
	put(out, FCGI_RECORD_PARAMS, 1, STR("ms"), 255);
	put(out, FCGI_RECORD_BEGIN_REQUEST, 2, BEGIN_CLOSE, 0);
	put(out, FCGI_RECORD_PARAMS, 1, NOTHING, 8);
	put(out, FCGI_RECORD_DATA, 1, STR("data"), 0);
	put(out, 77, 0, STR("unknown"), 1);
	put(out, FCGI_RECORD_STDIN, 1, STR("bo"), 0);
	put(out, FCGI_RECORD_STDIN, 2, STR("not ours"), 0);
	put(out, FCGI_RECORD_STDIN, 1, STR("dy"), 1);
	put(out, FCGI_RECORD_STDIN, 1, NOTHING, 0);
	put(out, FCGI_RECORD_ABORT_REQUEST, 1, NOTHING, 0);
	put(out, FCGI_RECORD_ABORT_REQUEST, 5, NOTHING, 0);
}

#define SAMPLE_SEEN "KP(params)ES(body)TA"
#define SAMPLE_ANSWERS                               \
	"\1\x0a\0\0\0\x12\0\0\x0f\1FCGI_MPXS_CONNS0" \
	"\1\3\0\2\0\x8\0\0\0\0\0\0\1\0\0\0"          \
	"\1\x0b\0\0\0\x8\0\0M\0\0\0\0\0\0\0"

static void expect_sample(const struct fcgi_record_parser *parser, struct buf *seen,
			  struct buf *answers)
{
	assert_true(parser->active);
	assert_string_equal(buf_cstr(seen), SAMPLE_SEEN);
	assert_true(str_eq(buf_str(answers), STR(SAMPLE_ANSWERS)));
	buf_reset(seen);
	buf_reset(answers);
}

static void split_at_every_byte(void **state)
{
	struct buf stream = BUF_INIT, seen = BUF_INIT, answers = BUF_INIT;

	(void)state;
	sample(&stream);
	for (size_t at = 0; at <= stream.len; at++) {
		struct fcgi_record_parser parser;

		fcgi_record_init(&parser);
		assert_int_equal(feed(&parser, (struct str){stream.data, at}, &seen, &answers),
				 FCGI_RECORD_MORE);
		assert_int_equal(feed(&parser, (struct str){stream.data + at, stream.len - at},
				      &seen, &answers),
				 FCGI_RECORD_MORE);
		expect_sample(&parser, &seen, &answers);
	}
	buf_deinit(&stream);
	buf_deinit(&seen);
	buf_deinit(&answers);
}

static void byte_by_byte(void **state)
{
	struct buf stream = BUF_INIT, seen = BUF_INIT, answers = BUF_INIT;
	struct fcgi_record_parser parser;

	(void)state;
	sample(&stream);
	fcgi_record_init(&parser);
	for (size_t at = 0; at < stream.len; at++)
		assert_int_equal(feed(&parser, (struct str){stream.data + at, 1}, &seen, &answers),
				 FCGI_RECORD_MORE);
	expect_sample(&parser, &seen, &answers);
	buf_deinit(&stream);
	buf_deinit(&seen);
	buf_deinit(&answers);
}

/* Answered in the middle of its body: the rest is skipped, and a new request may have the same id. */
static void the_next_request(void **state)
{
	struct buf stream = BUF_INIT, seen = BUF_INIT, answers = BUF_INIT;
	struct fcgi_record_parser parser;
	size_t cut;

	(void)state;
	fcgi_record_init(&parser);
	put(&stream, FCGI_RECORD_BEGIN_REQUEST, 1, BEGIN_KEEP, 0);
	put(&stream, FCGI_RECORD_PARAMS, 1, NOTHING, 0);
	put(&stream, FCGI_RECORD_STDIN, 1, STR("half of this"), 0);
	cut = stream.len - 4;
	assert_int_equal(feed(&parser, (struct str){stream.data, cut}, &seen, &answers),
			 FCGI_RECORD_MORE);
	fcgi_record_done(&parser);
	put(&stream, FCGI_RECORD_STDIN, 1, NOTHING, 0);
	put(&stream, FCGI_RECORD_ABORT_REQUEST, 1, NOTHING, 0);
	put(&stream, FCGI_RECORD_BEGIN_REQUEST, 1, BEGIN_CLOSE, 0);
	put(&stream, FCGI_RECORD_PARAMS, 1, STR("x"), 0);
	assert_int_equal(
		feed(&parser, (struct str){stream.data + cut, stream.len - cut}, &seen, &answers),
		FCGI_RECORD_MORE);
	assert_string_equal(buf_cstr(&seen), "KES(half of )BP(x)");
	assert_int_equal(answers.len, 0);
	buf_deinit(&stream);
	buf_deinit(&seen);
	buf_deinit(&answers);
}

static void broken_streams(void **state)
{
	static const struct {
		int version, type;
		uint16_t id;
		struct str content;
		int times; /* sent so often after a good beginning */
	} rows[] = {
		{0, FCGI_RECORD_PARAMS, 1, {"x", 1}, 1},
		{2, FCGI_RECORD_PARAMS, 1, {"x", 1}, 1},
		{'G', 'E', 0x5420, {"/", 1}, 1}, /* somebody speaks HTTP */
		{1, FCGI_RECORD_BEGIN_REQUEST, 0, {"\0\1\0\0\0\0\0\0", 8}, 1},
		{1, FCGI_RECORD_BEGIN_REQUEST, 1, {"\0\1\0\0\0\0\0\0", 8}, 1},
		{1, FCGI_RECORD_BEGIN_REQUEST, 2, {"\0\1\0\0\0\0\0", 7}, 1},
		{1, FCGI_RECORD_BEGIN_REQUEST, 2, {"\0\1\0\0\0\0\0\0\0", 9}, 1},
		{1, FCGI_RECORD_BEGIN_REQUEST, 2, {"", 0}, 1},
		{1, FCGI_RECORD_BEGIN_REQUEST, 2, {"\0\1\0\0\0\0\0\0", 8}, 65},
		{1, FCGI_RECORD_GET_VALUES, 0, {"", 0}, 65},
		{1, 200, 0, {"", 0}, 65},
		{1, FCGI_RECORD_STDIN, 1, {"early", 5}, 1},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct buf stream = BUF_INIT, seen = BUF_INIT, answers = BUF_INIT;
		struct fcgi_record_parser parser;

		fcgi_record_init(&parser);
		put(&stream, FCGI_RECORD_BEGIN_REQUEST, 1, BEGIN_CLOSE, 0);
		for (int n = 0; n < rows[i].times; n++) {
			put(&stream, rows[i].type, rows[i].id, rows[i].content, 0);
			stream.data[stream.len - rows[i].content.n - 8] = (char)rows[i].version;
		}
		assert_int_equal(feed(&parser, buf_str(&stream), &seen, &answers),
				 FCGI_RECORD_BROKEN);
		assert_non_null(parser.broken);
		assert_string_equal(buf_cstr(&seen), "B");
		/* And so it stays. */
		assert_int_equal(feed(&parser, STR("x"), &seen, &answers), FCGI_RECORD_BROKEN);
		assert_true(answers.len <= 64 * 16);
		buf_deinit(&stream);
		buf_deinit(&seen);
		buf_deinit(&answers);
	}
}

static void streams_end_once(void **state)
{
	static const int types[] = {FCGI_RECORD_PARAMS, FCGI_RECORD_STDIN};

	(void)state;
	for (size_t i = 0; i < LENGTH(types); i++) {
		for (size_t n = 0; n < 2; n++) {
			struct buf stream = BUF_INIT, seen = BUF_INIT, answers = BUF_INIT;
			struct fcgi_record_parser parser;

			fcgi_record_init(&parser);
			put(&stream, FCGI_RECORD_BEGIN_REQUEST, 1, BEGIN_CLOSE, 0);
			put(&stream, FCGI_RECORD_PARAMS, 1, NOTHING, 0);
			put(&stream, FCGI_RECORD_STDIN, 1, NOTHING, 0);
			put(&stream, types[i], 1, n == 0 ? NOTHING : STR("more"), 0);
			assert_int_equal(feed(&parser, buf_str(&stream), &seen, &answers),
					 FCGI_RECORD_BROKEN);
			assert_string_equal(buf_cstr(&seen), "BET");
			buf_deinit(&stream);
			buf_deinit(&seen);
			buf_deinit(&answers);
		}
	}
}

static void other_roles_are_refused(void **state)
{
	struct buf stream = BUF_INIT, seen = BUF_INIT, answers = BUF_INIT;
	struct fcgi_record_parser parser;

	(void)state;
	fcgi_record_init(&parser);
	put(&stream, FCGI_RECORD_BEGIN_REQUEST, 7, STR("\0\2\1\0\0\0\0\0"), 0);
	assert_int_equal(feed(&parser, buf_str(&stream), &seen, &answers), FCGI_RECORD_BROKEN);
	assert_true(str_eq(buf_str(&answers), STR("\1\3\0\7\0\x8\0\0\0\0\0\0\3\0\0\0")));
	assert_int_equal(seen.len, 0);
	buf_deinit(&stream);
	buf_deinit(&seen);
	buf_deinit(&answers);
}

static void values(void **state)
{
	static const struct {
		struct str content, answer;
	} rows[] = {
		{{"", 0}, {"", 0}},
		{{"\x0e\0FCGI_MAX_CONNS", 16}, {"", 0}},
		{{"\x0e\0FCGI_MAX_CONNS\x0f\0FCGI_MPXS_CONNS", 33}, {"\x0f\1FCGI_MPXS_CONNS0", 18}},
		{{"\x0f\0FCGI_MPXS_CONNS\x0f\0FCGI_MPXS_CONNS", 34},
		 {"\x0f\1FCGI_MPXS_CONNS0", 18}},
		{{"\x0f\0FCGI_MPXS", 11}, {"", 0}},
		{{"\xff\xff\xff\xff\xff\xff\xff\xff", 8}, {"", 0}},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct buf stream = BUF_INIT, seen = BUF_INIT, answers = BUF_INIT;
		struct fcgi_record_parser parser;

		fcgi_record_init(&parser);
		put(&stream, FCGI_RECORD_GET_VALUES, 0, rows[i].content, 0);
		assert_int_equal(feed(&parser, buf_str(&stream), &seen, &answers),
				 FCGI_RECORD_MORE);
		assert_int_equal(answers.len, 8 + rows[i].answer.n);
		assert_memory_equal(answers.data + 8, rows[i].answer.p, rows[i].answer.n);
		buf_deinit(&stream);
		buf_deinit(&seen);
		buf_deinit(&answers);
	}
}

static void building(void **state)
{
	struct buf data = BUF_INIT, out = BUF_INIT;

	(void)state;
	fcgi_record_put_stdout(&out, 1, NOTHING);
	assert_int_equal(out.len, 0);
	fcgi_record_put_stdout(&out, 0x0102, STR("hello"));
	fcgi_record_put_end(&out, 0x0102, FCGI_RECORD_COMPLETE);
	assert_true(str_eq(buf_str(&out), STR("\1\6\1\2\0\5\0\0hello"
					      "\1\6\1\2\0\0\0\0"
					      "\1\3\1\2\0\x8\0\0\0\0\0\0\0\0\0\0")));
	/* A long answer takes several records. */
	buf_reset(&out);
	while (buf_ok(&data) && data.len < FCGI_RECORD_CONTENT_MAX + 10)
		buf_putc(&data, 'x');
	fcgi_record_put_stdout(&out, 1, buf_str(&data));
	assert_int_equal(out.len, data.len + 2 * FCGI_RECORD_HEAD_SIZE);
	assert_memory_equal(out.data, "\1\6\0\1\xff\xff\0\0x", 9);
	assert_memory_equal(out.data + 8 + FCGI_RECORD_CONTENT_MAX, "\1\6\0\1\0\x0a\0\0x", 9);
	buf_deinit(&data);
	buf_deinit(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(split_at_every_byte),
		cmocka_unit_test(byte_by_byte),
		cmocka_unit_test(the_next_request),
		cmocka_unit_test(broken_streams),
		cmocka_unit_test(streams_end_once),
		cmocka_unit_test(other_roles_are_refused),
		cmocka_unit_test(values),
		cmocka_unit_test(building),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
