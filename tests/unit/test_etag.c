/* SPDX-License-Identifier: BSD-2-Clause */
/* Entity tags, and which headers name one. */
#include "config.h"

#include "cmocka_setup.h"
#include "web/etag.h"

static void tags_tell_bodies_apart(void **state)
{
	char a[ETAG_TEXT_SIZE], b[ETAG_TEXT_SIZE], c[ETAG_TEXT_SIZE];
	struct str tag = etag_of(STR("{}"), a);

	(void)state;
	assert_int_equal(tag.n, ETAG_TEXT_SIZE - 1);
	assert_int_equal(tag.p[0], '"');
	assert_int_equal(tag.p[tag.n - 1], '"');
	assert_true(str_eq(tag, etag_of(STR("{}"), b)));
	assert_false(str_eq(tag, etag_of(STR("{} "), b)));
	assert_false(str_eq(tag, etag_of((struct str){NULL, 0}, c)));
	assert_true(str_eq(etag_of(STR(""), b), etag_of((struct str){NULL, 0}, c)));
}

static void headers(void **state)
{
	static const struct {
		const char *header;
		bool names;
	} rows[] = {
		{"\"abc\"", true},
		{" \"abc\"\t", true},
		{"W/\"abc\"", true},
		{"*", true},
		{"\"x\", \"abc\"", true},
		{"\"x\",W/\"abc\" , \"y\"", true},
		{",, \"abc\",", true},
		{"\"a,b\", \"abc\"", true},
		{"", false},
		{"abc", false},
		{"\"abc", false},
		{"\"", false},
		{"W/", false},
		{"w/\"abc\"", false},
		{"\"abc\" x", false},
		{"\"abc\" \"y\"", false},
		{"\"abc\", y", false},
		{"\"ABC\"", false},
		{"\"a\", bc\"", false},
		{"*, \"x\"", false},
		{"** ", false},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		if (etag_is_in(str_of(rows[i].header), STR("\"abc\"")) != rows[i].names)
			fail_msg("%s", rows[i].header);
	}
	assert_false(etag_is_in((struct str){NULL, 0}, STR("\"abc\"")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tags_tell_bodies_apart),
		cmocka_unit_test(headers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
