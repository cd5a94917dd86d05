/* SPDX-License-Identifier: BSD-2-Clause */
/* A user is there as long as one of its subscribers is. */
#include "config.h"

#include "cmocka_setup.h"
#include "push/users.h"

static void users_count_what_they_have(void **state)
{
	struct users *users = users_new();
	struct user_member stream = {.is_stream = true}, poll = {.is_stream = false};
	struct user_member inbox = {.is_stream = true, .has_inbox = true};
	struct user *alice;

	(void)state;
	assert_non_null(users);
	assert_null(users_find(users, STR("alice")));
	assert_int_equal(user_streams(users_find(users, STR("alice"))), 0);
	assert_int_equal(users_enter(users, STR("alice"), &stream), 0);
	assert_int_equal(users_enter(users, STR("alice"), &poll), 0);
	assert_int_equal(users_enter(users, STR("bob"), &inbox), 0);
	alice = users_find(users, STR("alice"));
	assert_true(str_eq_c(user_id(alice), "alice"));
	assert_int_equal(user_streams(alice), 1);
	assert_int_equal(user_inboxes(alice), 0);
	assert_int_equal(user_inboxes(users_find(users, STR("bob"))), 1);
	assert_ptr_equal(user_next(alice, NULL), &stream);
	assert_ptr_equal(user_next(alice, &stream), &poll);
	assert_null(user_next(alice, &poll));
	users_leave(users, &stream);
	assert_int_equal(user_streams(alice), 0);
	users_leave(users, &stream);
	users_leave(users, &poll);
	assert_null(users_find(users, STR("alice")));
	users_leave(users, &inbox);
	users_free(users);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(users_count_what_they_have),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
