/* SPDX-License-Identifier: BSD-2-Clause */
/* Lists of tickets as queries have them. */
#include "config.h"

#include <string.h>

#include "cmocka_setup.h"
#include "web/cursor.h"
#include "web/ticket_list.h"

static void each_ticket_once_in_the_order_of_cursors(void **state)
{
	struct ticket_list list;
	bool has_b = false;

	(void)state;
	assert_int_equal(ticket_list_parse(STR("c,a,b,a,c"), 3, &list), TICKET_LIST_OK);
	assert_int_equal(list.n, 3);
	for (size_t i = 0; i < list.n; i++) {
		assert_true(list.items[i].key == cursor_key(str_of(list.items[i].id)));
		assert_true(i == 0 || list.items[i - 1].key < list.items[i].key);
		has_b = has_b || strcmp(list.items[i].id, "b") == 0;
	}
	assert_true(has_b);
	ticket_list_deinit(&list);
}

static void nothing_is_no_ticket(void **state)
{
	struct ticket_list list;

	(void)state;
	assert_int_equal(ticket_list_parse(STR(""), 3, &list), TICKET_LIST_OK);
	assert_int_equal(list.n, 0);
	assert_int_equal(ticket_list_parse((struct str){0}, 3, &list), TICKET_LIST_OK);
	ticket_list_deinit(&list);
}

static void bad_lists(void **state)
{
	static const char *const rows[] = {",", "a,", ",a", "a,,b", ".a", "a b", "a,b/c", "a;b"};
	struct ticket_list list;

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		assert_int_equal(ticket_list_parse(str_of(rows[i]), 3, &list), TICKET_LIST_BAD);
		assert_null(list.items);
	}
	assert_int_equal(ticket_list_parse(STR("a,b,c,d"), 3, &list), TICKET_LIST_TOO_MANY);
	assert_null(list.items);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_ticket_once_in_the_order_of_cursors),
		cmocka_unit_test(nothing_is_no_ticket),
		cmocka_unit_test(bad_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
