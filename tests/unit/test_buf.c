/* SPDX-License-Identifier: BSD-2-Clause */
/* The growing buffer, its limit and its sticky failure. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "cmocka_setup.h"

static void building(void **state)
{
	struct buf b = BUF_INIT;

	(void)state;
	assert_int_equal(buf_str(&b).n, 0);
	assert_non_null(buf_str(&b).p);
	buf_put(&b, "a", 1);
	buf_puts(&b, "bc");
	buf_putc(&b, '-');
	buf_put_str(&b, STR("x"));
	buf_put_str(&b, (struct str){NULL, 0});
	buf_put_i64(&b, INT64_MIN);
	buf_printf(&b, "/%d/%s", 7, "z");
	assert_true(buf_ok(&b));
	assert_string_equal(buf_cstr(&b), "abc-x-9223372036854775808/7/z");
	buf_deinit(&b);
	assert_null(b.data);
	buf_puts(&b, "again");
	assert_string_equal(buf_cstr(&b), "again");
	buf_deinit(&b);
}

/* Every length around the growth steps, by both ways of writing. */
static void growing(void **state)
{
	char text[1200];

	(void)state;
	memset(text, 'x', sizeof(text));
	for (size_t n = 0; n < sizeof(text); n += n < 250 || n > 260 ? 17 : 1) {
		struct buf b = BUF_INIT;

		buf_printf(&b, "%.*s", (int)n, text);
		assert_int_equal(b.len, n);
		buf_put(&b, text, n);
		assert_int_equal(b.len, 2 * n);
		assert_int_equal(strlen(buf_cstr(&b)), 2 * n);
		buf_deinit(&b);
	}
}

static void limiting(void **state)
{
	struct buf b = {.limit = 4};

	(void)state;
	buf_puts(&b, "1234");
	assert_true(buf_ok(&b));
	assert_string_equal(buf_cstr(&b), "1234");
	buf_putc(&b, '5');
	assert_false(buf_ok(&b));
	assert_null(buf_cstr(&b));
	assert_null(buf_take(&b, NULL));
	/* Sticky: what would fit is ignored as well. */
	b.len = 0;
	buf_puts(&b, "1");
	buf_printf(&b, "%d", 1);
	assert_int_equal(b.len, 0);
	buf_reset(&b);
	buf_printf(&b, "%d", 1234);
	assert_string_equal(buf_cstr(&b), "1234");
	buf_printf(&b, "%d", 5);
	assert_false(buf_ok(&b));
	buf_deinit(&b);
	assert_int_equal(b.limit, 4);
}

static void impossible_sizes(void **state)
{
	struct buf b = BUF_INIT;

	(void)state;
	buf_puts(&b, "x");
	assert_int_equal(buf_reserve(&b, SIZE_MAX), -1);
	assert_false(buf_ok(&b));
	buf_reset(&b);
	assert_int_equal(buf_reserve(&b, SIZE_MAX / 2), -1);
	buf_deinit(&b);
}

static void cutting(void **state)
{
	struct buf b = BUF_INIT;

	(void)state;
	buf_puts(&b, "abcdef");
	buf_consume(&b, 2);
	assert_string_equal(buf_cstr(&b), "cdef");
	buf_truncate(&b, 9);
	buf_truncate(&b, 3);
	assert_string_equal(buf_cstr(&b), "cde");
	buf_consume(&b, 9);
	assert_int_equal(b.len, 0);
	buf_deinit(&b);
}

static void taking(void **state)
{
	struct buf b = BUF_INIT;
	size_t n = 0;
	char *data;

	(void)state;
	buf_puts(&b, "abc");
	data = buf_take(&b, &n);
	assert_string_equal(data, "abc");
	assert_int_equal(n, 3);
	assert_null(b.data);
	free(data);
	data = buf_take(&b, NULL);
	assert_string_equal(data, "");
	free(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(building), cmocka_unit_test(growing),
		cmocka_unit_test(limiting), cmocka_unit_test(impossible_sizes),
		cmocka_unit_test(cutting),  cmocka_unit_test(taking),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
