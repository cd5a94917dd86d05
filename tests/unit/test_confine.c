/* SPDX-License-Identifier: BSD-2-Clause */
/* What a process gives up: in children of the test, since it is for ever. */
#include "config.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/confine.h"
#include "cmocka_setup.h"

/* Runs it in a process of its own; its result is the exit status. */
static int in_child(int (*run)(void))
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(run());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int give_up_dumps(void)
{
	struct rlimit limit;

	if (confine_dumps() != 0 || getrlimit(RLIMIT_CORE, &limit) != 0)
		return 1;
	if (limit.rlim_cur != 0 || limit.rlim_max != 0)
		return 2;
	if (prctl(PR_GET_DUMPABLE) != 0)
		return 3;
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : 4;
}

static void dumps(void **state)
{
	(void)state;
	assert_int_equal(in_child(give_up_dumps), 0);
}

/* Dies by the signal and leaves no core behind, whatever limit it has begun with. */
static int crash(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_CORE, &limit) != 0)
		return 1;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_CORE, &limit) != 0 || confine_dumps() != 0)
		return 1;
	abort();
}

static void crashes(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0)
		_exit(crash());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_false(WCOREDUMP(status));
}

static void users(void **state)
{
	static const struct {
		const char *user;
		bool good;
	} rows[] = {
		{"nobody", true}, {"65534", true},	   {"root", false}, {"0", false},
		{"", false},	  {"no such user", false}, {"-1", false},
	};
	const struct passwd *nobody;

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct confine_user user = {.name = ""};
		struct buf error = BUF_INIT;

		assert_int_equal(confine_find(rows[i].user, &user, &error) == 0, rows[i].good);
		assert_int_equal(error.len == 0, rows[i].good);
		nobody = getpwnam("nobody");
		assert_non_null(nobody);
		if (rows[i].good) {
			assert_string_equal(user.name, "nobody");
			assert_int_equal(user.uid, nobody->pw_uid);
			assert_int_equal(user.gid, nobody->pw_gid);
		}
		buf_deinit(&error);
	}
}

static int become_nobody(void)
{
	struct confine_user user;
	struct buf error = BUF_INIT;
	gid_t groups[64];
	int n;

	if (confine_find("nobody", &user, &error) != 0)
		return 1;
	/* Who is not root can only be told so; the others have been nobody twice. */
	if (geteuid() != 0 && geteuid() != user.uid)
		return confine_become(&user, &error) == -1 && error.len > 0 ? 0 : 2;
	if (confine_become(&user, &error) != 0 || confine_become(&user, &error) != 0)
		return 3;
	n = getgroups(64, groups);
	for (int i = 0; i < n; i++) {
		if (groups[i] == 0)
			return 4;
	}
	if (getuid() != user.uid || getgid() != user.gid || setuid(0) == 0 || setgid(0) == 0 ||
	    seteuid(0) == 0)
		return 5;
	buf_deinit(&error);
	return prctl(PR_GET_DUMPABLE) == 0 ? 0 : 6;
}

static void becoming(void **state)
{
	(void)state;
	assert_int_equal(in_child(become_nobody), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dumps),
		cmocka_unit_test(crashes),
		cmocka_unit_test(users),
		cmocka_unit_test(becoming),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
