/* SPDX-License-Identifier: BSD-2-Clause */
/* Secrets from files: what is read, and which files are refused. */
#include "config.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/secret.h"
#include "cmocka_setup.h"
#include "tempdir.h"

static struct tempdir dir;

static int setup(void **state)
{
	(void)state;
	tempdir_init(&dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	tempdir_deinit(&dir);
	return 0;
}

static void reading(void **state)
{
	static const struct {
		struct str file;
		size_t min;
		int result;
		struct str secret;
	} rows[] = {
		{{"abc", 3}, 1, 0, {"abc", 3}},	    {{"abc\n", 4}, 1, 0, {"abc", 3}},
		{{"abc\r\n", 5}, 1, 0, {"abc", 3}}, {{"abc\n\n", 5}, 1, 0, {"abc\n", 4}},
		{{"abc\r", 4}, 1, 0, {"abc\r", 4}}, {{"a\0c", 3}, 1, 0, {"a\0c", 3}},
		{{"", 0}, 0, 0, {"", 0}},	    {{"\n", 1}, 0, 0, {"", 0}},
		{{"", 0}, 1, -1, {NULL, 0}},	    {{"abc\n", 4}, 4, -1, {NULL, 0}},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		const char *path = tempdir_file(&dir, "key", rows[i].file.p, rows[i].file.n, 0600);
		struct secret secret = {0};
		struct buf error = BUF_INIT;

		assert_int_equal(secret_load(path, rows[i].min, &secret, &error), rows[i].result);
		assert_int_equal(secret.len, rows[i].secret.n);
		if (secret.len > 0)
			assert_memory_equal(secret.data, rows[i].secret.p, secret.len);
		assert_int_equal(error.len > 0, rows[i].result < 0);
		secret_wipe(&secret);
		assert_null(secret.data);
		secret_wipe(&secret);
		buf_deinit(&error);
	}
}

static void check_refused(const char *path, const char *reason)
{
	struct secret secret = {0};
	struct buf error = BUF_INIT;

	assert_int_equal(secret_load(path, 1, &secret, &error), -1);
	assert_non_null(strstr(buf_cstr(&error), path));
	assert_non_null(strstr(buf_cstr(&error), reason));
	assert_null(strstr(buf_cstr(&error), "CHANGE_ME"));
	assert_null(secret.data);
	buf_deinit(&error);
}

static void rights(void **state)
{
	static const struct {
		mode_t mode;
		bool good;
	} rows[] = {
		{0600, true},  {0400, true},  {0640, true},  {0440, true},  {0644, false},
		{0604, false}, {0602, false}, {0620, false}, {0660, false}, {0601, false},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		const char *path = tempdir_file(&dir, "key", "CHANGE_ME", 9, rows[i].mode);
		struct secret secret = {0};
		struct buf error = BUF_INIT;

		if (rows[i].good)
			assert_int_equal(secret_load(path, 1, &secret, &error), 0);
		else
			check_refused(path, "others may read or change it");
		secret_wipe(&secret);
		buf_deinit(&error);
	}
}

static void no_files(void **state)
{
	static char big[SECRET_MAX_BYTES + 1];

	(void)state;
	check_refused(tempdir_name(&dir, "missing"), "No such file");
	check_refused(dir.path, "not a regular file");
	check_refused("/dev/null", "not a regular file");
	assert_int_equal(mkfifo(tempdir_name(&dir, "fifo"), 0600), 0);
	check_refused(tempdir_name(&dir, "fifo"), "not a regular file");
	check_refused(tempdir_file(&dir, "big", big, sizeof(big), 0600), "longer than");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reading),
		cmocka_unit_test(rights),
		cmocka_unit_test(no_files),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
