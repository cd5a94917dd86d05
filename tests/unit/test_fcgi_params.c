/* SPDX-License-Identifier: BSD-2-Clause */
/* FastCGI name-value pairs, split at every byte. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "cmocka_setup.h"
#include "web/fcgi_params.h"

/* Encodes a length, in the long form where asked for or needed. */
static void put_length(struct buf *out, size_t n, bool in_long_form)
{
	if (n < 128 && !in_long_form) {
		buf_putc(out, (char)n);
		return;
	}
	buf_putc(out, (char)(0x80 | n >> 24));
	buf_putc(out, (char)(n >> 16));
	buf_putc(out, (char)(n >> 8));
	buf_putc(out, (char)n);
}

static void put_pair(struct buf *out, struct str name, struct str value)
{
	put_length(out, name.n, false);
	put_length(out, value.n, false);
	buf_put_str(out, name);
	buf_put_str(out, value);
}

/* Feeds a piece from memory of its own and writes what comes out as name=value; lines. */
static enum fcgi_params_step feed(struct fcgi_params *params, struct str piece, struct buf *seen)
{
	char *exact = malloc(piece.n > 0 ? piece.n : 1);
	enum fcgi_params_step step;
	struct str name, value;
	struct scan in;

	assert_non_null(exact);
	memcpy(exact, piece.p, piece.n);
	scan_init(&in, exact, piece.n);
	while ((step = fcgi_params_next(params, &in, &name, &value)) == FCGI_PARAMS_PAIR) {
		buf_put_str(seen, name);
		buf_putc(seen, '=');
		buf_put_str(seen, value);
		buf_putc(seen, ';');
	}
	if (step == FCGI_PARAMS_MORE)
		assert_int_equal(in.left, 0);
	free(exact);
	return step;
}

/* A stream with short and long lengths, empty names and values. */
static void sample(struct buf *out, struct buf *expected)
{
	char long_value[300];

	memset(long_value, 'v', sizeof(long_value));
	put_pair(out, STR("REQUEST_METHOD"), STR("GET"));
	put_pair(out, STR("EMPTY"), STR(""));
	put_pair(out, STR(""), STR(""));
	put_pair(out, STR("LONG"), (struct str){long_value, sizeof(long_value)});
	/* a short length in its long form is allowed */
	put_length(out, 1, true);
	put_length(out, 2, true);
	buf_puts(out, "abc");
	buf_puts(expected, "REQUEST_METHOD=GET;EMPTY=;=;LONG=");
	buf_put(expected, long_value, sizeof(long_value));
	buf_puts(expected, ";a=bc;");
}

static void split_at_every_byte(void **state)
{
	struct buf stream = BUF_INIT, expected = BUF_INIT, seen = BUF_INIT;

	(void)state;
	sample(&stream, &expected);
	for (size_t at = 0; at <= stream.len; at++) {
		struct fcgi_params params;

		buf_reset(&seen);
		fcgi_params_init(&params);
		assert_int_equal(feed(&params, (struct str){stream.data, at}, &seen),
				 FCGI_PARAMS_MORE);
		assert_int_equal(
			feed(&params, (struct str){stream.data + at, stream.len - at}, &seen),
			FCGI_PARAMS_MORE);
		assert_int_equal(fcgi_params_end(&params), 0);
		assert_true(str_eq(buf_str(&seen), buf_str(&expected)));
		fcgi_params_deinit(&params);
	}
	buf_deinit(&stream);
	buf_deinit(&expected);
	buf_deinit(&seen);
}

static void byte_by_byte(void **state)
{
	struct buf stream = BUF_INIT, expected = BUF_INIT, seen = BUF_INIT;
	struct fcgi_params params;

	(void)state;
	sample(&stream, &expected);
	fcgi_params_init(&params);
	for (size_t at = 0; at < stream.len; at++)
		assert_int_equal(feed(&params, (struct str){stream.data + at, 1}, &seen),
				 FCGI_PARAMS_MORE);
	assert_int_equal(fcgi_params_end(&params), 0);
	assert_true(str_eq(buf_str(&seen), buf_str(&expected)));
	fcgi_params_deinit(&params);
	buf_deinit(&stream);
	buf_deinit(&expected);
	buf_deinit(&seen);
}

static void an_end_within_a_pair_is_noticed(void **state)
{
	struct buf stream = BUF_INIT, seen = BUF_INIT;

	(void)state;
	put_pair(&stream, STR("NAME"), STR("value"));
	for (size_t at = 1; at < stream.len; at++) {
		struct fcgi_params params;

		fcgi_params_init(&params);
		assert_int_equal(feed(&params, (struct str){stream.data, at}, &seen),
				 FCGI_PARAMS_MORE);
		assert_int_equal(fcgi_params_end(&params), -1);
		fcgi_params_deinit(&params);
	}
	assert_int_equal(seen.len, 0);
	buf_deinit(&stream);
	buf_deinit(&seen);
}

static void limits_of_lengths(void **state)
{
	static const struct {
		size_t name, value;
		enum fcgi_params_step step;
	} rows[] = {
		{FCGI_PARAMS_NAME_MAX, 0, FCGI_PARAMS_MORE},
		{FCGI_PARAMS_NAME_MAX + 1, 0, FCGI_PARAMS_TOO_LARGE},
		{1, FCGI_PARAMS_VALUE_MAX, FCGI_PARAMS_MORE},
		{1, FCGI_PARAMS_VALUE_MAX + 1, FCGI_PARAMS_TOO_LARGE},
		{0x7fffffff, 0, FCGI_PARAMS_TOO_LARGE},
		{0, 0x7fffffff, FCGI_PARAMS_TOO_LARGE},
		{0x7fffffff, 0x7fffffff, FCGI_PARAMS_TOO_LARGE},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct buf stream = BUF_INIT, seen = BUF_INIT;
		struct fcgi_params params;

		put_length(&stream, rows[i].name, true);
		put_length(&stream, rows[i].value, true);
		fcgi_params_init(&params);
		assert_int_equal(feed(&params, buf_str(&stream), &seen), rows[i].step);
		/* A refusal is final. */
		if (rows[i].step == FCGI_PARAMS_TOO_LARGE)
			assert_int_equal(feed(&params, STR("\1\1ab"), &seen),
					 FCGI_PARAMS_TOO_LARGE);
		assert_int_equal(fcgi_params_end(&params), -1);
		fcgi_params_deinit(&params);
		buf_deinit(&stream);
		buf_deinit(&seen);
	}
}

static void limit_of_all(void **state)
{
	struct buf stream = BUF_INIT, seen = BUF_INIT;
	char value[FCGI_PARAMS_VALUE_MAX];
	struct fcgi_params params;
	int pairs = 0;

	(void)state;
	memset(value, 'v', sizeof(value));
	put_pair(&stream, STR("N"), (struct str){value, sizeof(value)});
	fcgi_params_init(&params);
	while (feed(&params, buf_str(&stream), &seen) == FCGI_PARAMS_MORE)
		pairs++;
	assert_int_equal(pairs, 3); /* four of them and their lengths are more than 64 KiB */
	assert_true(params.pair.cap <= FCGI_PARAMS_VALUE_MAX * 2);
	fcgi_params_deinit(&params);
	buf_deinit(&stream);
	buf_deinit(&seen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(split_at_every_byte),
		cmocka_unit_test(byte_by_byte),
		cmocka_unit_test(an_end_within_a_pair_is_noticed),
		cmocka_unit_test(limits_of_lengths),
		cmocka_unit_test(limit_of_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
