/* SPDX-License-Identifier: BSD-2-Clause */
/* Migration files and their comparison with what the database has. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "cli/migrations.h"
#include "cmocka_setup.h"
#include "tempdir.h"

static void put_file(struct tempdir *dir, const char *name, const char *text)
{
	tempdir_file(dir, name, text, strlen(text), 0644);
}

static void files_are_read_in_their_order(void **state)
{
	struct migrations list = {0};
	struct tempdir dir;
	struct buf error = BUF_INIT;

	(void)state;
	tempdir_init(&dir);
	put_file(&dir, "0002_second.sql", "two");
	put_file(&dir, "0001_first.sql", "one");
	put_file(&dir, "roles.sql", "no migration");
	put_file(&dir, "001_short.sql", "neither");
	put_file(&dir, "0003_third.sql.orig", "nor this");
	put_file(&dir, "0004_.sql", "nor this");
	assert_int_equal(migrations_load(dir.path, &list, &error), 0);
	assert_int_equal(list.n, 2);
	assert_int_equal(list.items[0].version, 1);
	assert_string_equal(list.items[0].name, "first");
	assert_true(str_eq(buf_str(&list.items[0].text), STR("one")));
	assert_string_equal(list.items[1].name, "second");
	assert_int_equal(strlen(list.items[0].checksum), MIGRATE_CHECKSUM_SIZE - 1);
	assert_string_not_equal(list.items[0].checksum, list.items[1].checksum);
	migrations_deinit(&list);
	tempdir_deinit(&dir);
	buf_deinit(&error);
}

static void expect_refused(const char *const *names, const char *reason)
{
	struct migrations list = {0};
	struct tempdir dir;
	struct buf error = BUF_INIT;

	tempdir_init(&dir);
	for (; *names != NULL; names++)
		put_file(&dir, *names, "x");
	assert_int_equal(migrations_load(dir.path, &list, &error), -1);
	assert_non_null(strstr(buf_cstr(&error), reason));
	assert_null(list.items);
	tempdir_deinit(&dir);
	buf_deinit(&error);
}

static void holes_and_doubles_are_refused(void **state)
{
	(void)state;
	expect_refused((const char *const[]){NULL}, "no migrations");
	expect_refused((const char *const[]){"0002_b.sql", NULL}, "0001 is missing");
	expect_refused((const char *const[]){"0001_a.sql", "0003_c.sql", NULL}, "0002 is missing");
	expect_refused((const char *const[]){"0001_a.sql", "0001_b.sql", NULL},
		       "0001 is there twice");
}

static void a_file_with_a_nul_is_refused(void **state)
{
	struct migrations list = {0};
	struct tempdir dir;
	struct buf error = BUF_INIT;

	(void)state;
	tempdir_init(&dir);
	tempdir_file(&dir, "0001_a.sql", "a\0b", 3, 0644);
	assert_int_equal(migrations_load(dir.path, &list, &error), -1);
	tempdir_deinit(&dir);
	buf_deinit(&error);
}

/* Compares three files «one», «two», «three» with what the database is said to have. */
static int compare(const struct migrate_applied *applied, size_t n, struct buf *error)
{
	static char one[] = "one";
	static char two[] = "two";
	static char three[] = "three";
	struct migration items[] = {
		{.version = 1, .name = one, .checksum = "11"},
		{.version = 2, .name = two, .checksum = "22"},
		{.version = 3, .name = three, .checksum = "33"},
	};
	struct migrations files = {.items = items, .n = LENGTH(items)};

	return migrations_compare(&files, applied, n, error);
}

static void comparison(void **state)
{
	static const struct {
		struct migrate_applied applied[4];
		size_t n;
		int result;
		const char *reason;
	} rows[] = {
		{{{0}}, 0, 0, ""},
		{{{1, "one", "11"}}, 1, 1, ""},
		{{{1, "one", ""}}, 1, 1, ""},
		{{{1, "one", "11"}, {2, "two", "22"}, {3, "three", "33"}}, 3, 3, ""},
		{{{1, "one", "xx"}}, 1, -1, "0001_one was changed"},
		{{{1, "uno", "11"}},
		 1,
		 -1,
		 "the database has migration 0001_uno, here it is 0001_one"},
		{{{2, "two", "22"}}, 1, -1, "the database lacks migration 0001"},
		{{{1, "one", "11"}, {3, "three", "33"}}, 2, -1, "lacks migration 0002"},
		{{{1, "one", "11"}, {2, "two", "22"}, {3, "three", "33"}, {4, "four", "44"}},
		 4,
		 -1,
		 "0004_four, which is not known here"},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct buf error = BUF_INIT;

		assert_int_equal(compare(rows[i].applied, rows[i].n, &error), rows[i].result);
		assert_non_null(strstr(buf_cstr(&error), rows[i].reason));
		buf_deinit(&error);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_are_read_in_their_order),
		cmocka_unit_test(holes_and_doubles_are_refused),
		cmocka_unit_test(a_file_with_a_nul_is_refused),
		cmocka_unit_test(comparison),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
