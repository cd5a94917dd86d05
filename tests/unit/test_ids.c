/* SPDX-License-Identifier: BSD-2-Clause */
/* Which identifiers are well-formed. */
#include "config.h"

#include <string.h>

#include "cmocka_setup.h"
#include "web/ids.h"

#define LONG_64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

struct row {
	struct str text;
	bool ticket, user, client_msg, request;
};

static const struct row rows[] = {
	{{"T-17", 4}, true, true, true, true},
	{{"a", 1}, true, true, true, true},
	{{"a.b_c-D9", 8}, true, true, true, true},
	{{LONG_64, 64}, true, true, true, true},
	{{LONG_64 "x", 65}, false, false, false, false},
	{{"", 0}, false, false, false, false},
	{{NULL, 0}, false, false, false, false},
	{{".hidden", 7}, false, true, true, true},
	{{"..", 2}, false, true, true, true},
	{{"anna@example.com", 16}, false, true, true, false},
	{{"a b", 3}, false, false, true, false},
	{{"a/b", 3}, false, false, true, false},
	{{"~!\"{}", 5}, false, false, true, false},
	{{"a\tb", 3}, false, false, false, false},
	{{"a\nb", 3}, false, false, false, false},
	{{"a\0b", 3}, false, false, false, false},
	{{"\0", 1}, false, false, false, false},
	{{"a\x7f", 2}, false, false, false, false},
	{{"\xc3\xa4", 2}, false, false, false, false},
	{{"\xff", 1}, false, false, false, false},
};

static void forms(void **state)
{
	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		const struct row *row = &rows[i];

		assert_int_equal(ids_is_ticket(row->text), row->ticket);
		assert_int_equal(ids_is_user(row->text), row->user);
		assert_int_equal(ids_is_client_msg(row->text), row->client_msg);
		assert_int_equal(ids_is_request(row->text), row->request);
	}
}

static void names_are_one_line_of_text(void **state)
{
	char longest[IDS_NAME_MAX + 1];

	(void)state;
	memset(longest, 'n', sizeof(longest));
	assert_true(ids_is_name(STR("Anna Z\xc3\xbcrich")));
	assert_true(ids_is_name((struct str){longest, IDS_NAME_MAX}));
	assert_false(ids_is_name((struct str){longest, IDS_NAME_MAX + 1}));
	assert_false(ids_is_name(STR("")));
	assert_false(ids_is_name(STR("two\nlines")));
	assert_false(ids_is_name(STR("a\tb")));
	assert_false(ids_is_name(STR("a\0b")));
	assert_false(ids_is_name(STR("\xc0\xaf")));
}

static void jti_is_printable(void **state)
{
	(void)state;
	assert_true(ids_is_jti(STR("550e8400-e29b-41d4-a716-446655440000")));
	assert_true(ids_is_jti(STR(LONG_64 LONG_64)));
	assert_false(ids_is_jti(STR(LONG_64 LONG_64 "x")));
	assert_false(ids_is_jti(STR("")));
	assert_false(ids_is_jti(STR("a\r\nb")));
}

static void roles(void **state)
{
	static const char *const names[] = {"requester", "agent", "service", "admin"};
	enum role role;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(ids_role_find(str_of(names[i]), &role), 0);
		assert_string_equal(ids_role_text(role), names[i]);
		assert_int_equal(ids_role_is_staff(role), i > 0);
	}
	assert_int_equal(ids_role_find(STR("Admin"), &role), -1);
	assert_int_equal(ids_role_find(STR("root"), &role), -1);
	assert_int_equal(ids_role_find(STR(""), &role), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forms),
		cmocka_unit_test(names_are_one_line_of_text),
		cmocka_unit_test(jti_is_printable),
		cmocka_unit_test(roles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
