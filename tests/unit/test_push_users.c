/* SPDX-License-Identifier: BSD-2-Clause */
/* A user is there as long as one of its subscribers is. */
#include "config.h"

#include <stdio.h>

#include "cmocka_setup.h"
#include "exhausted.h"
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

/* Whatever does not fit is not there, and all that is there stays. */
static void without_memory_nobody_enters(void **state)
{
	enum { USERS = 1000 };
	static struct user_member members[USERS];
	struct users *users = users_new();
	char name[16];

	(void)state;
	assert_non_null(users);
	for (int i = 0; i < USERS; i++) {
		const struct str id = {name, (size_t)snprintf(name, sizeof(name), "user-%d", i)};
		int status = -1;

		for (long n = 0; status != 0; n++) {
			assert_true(n < EXHAUSTED_MAX);
			assert_null(users_find(users, id));
			exhausted_after = n;
			status = users_enter(users, id, &members[i]);
			exhausted_after = -1;
		}
		assert_ptr_equal(user_next(users_find(users, id), NULL), &members[i]);
	}
	for (int i = 0; i < USERS; i++)
		users_leave(users, &members[i]);
	users_free(users);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(users_count_what_they_have),
		cmocka_unit_test(without_memory_nobody_enters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
