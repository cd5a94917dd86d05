/* SPDX-License-Identifier: BSD-2-Clause */
/* Where a browser's request may come from. */
#include "config.h"

#include <string.h>

#include "cmocka_setup.h"
#include "web/origin.h"

#define LIST STR("https://support.example.com  https://desk.example.com:8443")

static void listed(void **state)
{
	static const struct {
		const char *origin;
		bool is_listed;
	} rows[] = {
		{"https://support.example.com", true},
		{"https://desk.example.com:8443", true},
		{"https://desk.example.com", false},
		{"http://support.example.com", false},
		{"https://support.example.com/", false},
		{"https://Support.example.com", false},
		{"https://support.example.com.evil.example", false},
		{"https://evil.example?https://support.example.com", false},
		{"https://support.example.co", false},
		{"null", false},
		{"*", false},
		{"", false},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++)
		assert_int_equal(origin_is_listed(LIST, str_of(rows[i].origin)), rows[i].is_listed);
	assert_false(origin_is_listed(STR(""), STR("https://support.example.com")));
	/* Even who lists it does not get it. */
	assert_false(origin_is_listed(STR("null"), STR("null")));
}

static void rules(void **state)
{
	static const struct {
		const char *origin, *site;
		bool may_write, may_listen;
	} rows[] = {
		{"https://support.example.com", NULL, true, true},
		{"https://support.example.com", "same-origin", true, true},
		{"https://support.example.com", "same-site", true, false},
		{"https://support.example.com", "cross-site", true, false},
		{"https://evil.example", NULL, false, false},
		{"https://evil.example", "same-origin", false, false},
		{"null", "same-origin", false, false},
		{NULL, "same-origin", true, true},
		{NULL, "none", false, true},
		{NULL, "same-site", false, false},
		{NULL, "cross-site", false, false},
		{NULL, "Same-Origin", false, false},
		{NULL, NULL, false, true},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct str origin = str_of(rows[i].origin), site = str_of(rows[i].site);

		assert_int_equal(origin_may_write(LIST, origin, site), rows[i].may_write);
		assert_int_equal(origin_may_listen(LIST, origin, site), rows[i].may_listen);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(listed),
		cmocka_unit_test(rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
