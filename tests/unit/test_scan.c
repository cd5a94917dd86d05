/* SPDX-License-Identifier: BSD-2-Clause */
/* The cursor over wire data: it never reads past its end, and a failed call moves nothing. */
#include "config.h"

#include "base/scan.h"
#include "cmocka_setup.h"

static const unsigned char bytes[] = {0x01, 0xFE, 0xFD, 0x80, 0x00, 0x00, 0x01, 'a', 'b'};

static void walking(void **state)
{
	struct scan s;
	struct str taken;
	uint8_t u8;
	uint16_t u16;
	uint32_t u32;

	(void)state;
	scan_init(&s, bytes, sizeof(bytes));
	assert_int_equal(scan_u8(&s, &u8), 0);
	assert_int_equal(u8, 0x01);
	assert_int_equal(scan_u16be(&s, &u16), 0);
	assert_int_equal(u16, 0xFEFD);
	assert_int_equal(scan_u32be(&s, &u32), 0);
	assert_true(u32 == 0x80000001U);
	assert_int_equal(scan_take(&s, 1, &taken), 0);
	assert_true(str_eq_c(taken, "a"));
	assert_int_equal(scan_skip(&s, 1), 0);
	assert_int_equal(s.left, 0);
	assert_int_equal(scan_take(&s, 0, &taken), 0);
	assert_int_equal(taken.n, 0);
}

static void ending(void **state)
{
	(void)state;
	for (size_t n = 0; n < 4; n++) {
		struct scan s, before;
		struct str taken;
		uint8_t u8;
		uint16_t u16;
		uint32_t u32;

		scan_init(&s, bytes, n);
		before = s;
		assert_int_equal(scan_u32be(&s, &u32), -1);
		assert_int_equal(scan_take(&s, n + 1, &taken), -1);
		assert_int_equal(scan_take(&s, SIZE_MAX, &taken), -1);
		assert_int_equal(scan_skip(&s, n + 1), -1);
		assert_true(s.p == before.p && s.left == before.left);
		assert_int_equal(scan_u16be(&s, &u16), n >= 2 ? 0 : -1);
		s = before;
		assert_int_equal(scan_u8(&s, &u8), n >= 1 ? 0 : -1);
	}
}

static void nothing(void **state)
{
	struct scan s;
	struct str taken;

	(void)state;
	scan_init(&s, NULL, 0);
	assert_int_equal(scan_skip(&s, 0), 0);
	assert_int_equal(scan_take(&s, 0, &taken), 0);
	assert_int_equal(scan_skip(&s, 1), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(walking),
		cmocka_unit_test(ending),
		cmocka_unit_test(nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
