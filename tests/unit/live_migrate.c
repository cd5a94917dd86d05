/* SPDX-License-Identifier: BSD-2-Clause */
/* Migrations: each once, whole, and known by its checksum. */
#include "config.h"

#include "store/migrate.h"

#include <stdio.h>
#include <stdlib.h>

#include "cmocka_setup.h"
#include "live_pg.h"

static struct pg_conn *connect_unchecked(void)
{
	struct pg_opts opts = live_pg_opts();

	opts.is_unchecked = true;
	return pg_conn_new(&opts);
}

static size_t count_applied(struct pg_conn *c, struct migrate_applied *last_r)
{
	struct migrate_applied *list;
	size_t count;

	assert_int_equal(migrate_list(c, live_pg_deadline(), &list, &count), ERR_NONE);
	if (count > 0)
		*last_r = list[count - 1];
	free(list);
	return count;
}

static void applying(void **state)
{
	const struct str sql =
		STR("CREATE TABLE bellhop.extra (a integer);\n"
		    "SELECT pg_sleep(1.6); -- longer than the role's time-out\n"
		    "INSERT INTO bellhop.migration (version, name) VALUES (1000, 'extra')");
	const struct str broken = STR("CREATE TABLE bellhop.half (a integer); SELEKT;");
	struct pg_conn *c = connect_unchecked();
	struct migrate_applied last;
	char checksum[MIGRATE_CHECKSUM_SIZE];
	size_t count;

	(void)state;
	/* live_pg.sh has applied them all, and psql leaves no checksum. */
	count = count_applied(c, &last);
	assert_int_equal(last.version, count);
	assert_string_equal(last.checksum, "");
	assert_int_equal(migrate_adopt(c, last.version, STR("text"), live_pg_deadline()), ERR_NONE);
	assert_int_equal(count_applied(c, &last), count);
	migrate_checksum(STR("text"), checksum);
	assert_string_equal(last.checksum, checksum);

	assert_int_equal(migrate_apply(c, 1000, broken, live_pg_deadline()), ERR_REFUSED);
	assert_string_equal(pg_conn_sqlstate(c), "42601");
	assert_int_equal(live_pg_number("SELECT count(*) FROM pg_class WHERE relname = 'half'"), 0);
	assert_int_equal(migrate_apply(c, 1000, (struct str){"\0", 1}, live_pg_deadline()),
			 ERR_INVALID);

	assert_int_equal(migrate_apply(c, 1000, sql, live_pg_deadline()), ERR_NONE);
	assert_int_equal(count_applied(c, &last), count + 1);
	migrate_checksum(sql, checksum);
	assert_string_equal(last.checksum, checksum);
	/* Somebody else was faster: refused, and nothing is left half-way. */
	assert_int_equal(migrate_apply(c, 1000, sql, live_pg_deadline()), ERR_REFUSED);
	assert_int_equal(count_applied(c, &last), count + 1);
	live_pg_run("DROP TABLE bellhop.extra; DELETE FROM bellhop.migration WHERE version = 1000");
	pg_conn_free(c);
}

/* A file of the source tree, NUL-terminated. */
static char *read_file(const char *name)
{
	const char *source = getenv("srcdir");
	char path[512], *text = calloc(1, 1 << 20);
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", source != NULL ? source : ".", name);
	file = fopen(path, "r");
	assert_non_null(file);
	assert_true(fread(text, 1, (1 << 20) - 1, file) > 0);
	fclose(file);
	return text;
}

static void an_empty_database(void **state)
{
	struct pg_opts opts = live_pg_opts();
	struct pg_conn *c, *daemon;
	struct migrate_applied *list, last;
	char checksum[MIGRATE_CHECKSUM_SIZE];
	char url[512], *sql;
	size_t count;

	(void)state;
	live_pg_run("CREATE DATABASE emptyone OWNER bellhop");
	snprintf(url, sizeof(url), "%s dbname=emptyone", opts.url);
	opts.url = url;
	opts.is_unchecked = true;
	c = pg_conn_new(&opts);
	assert_int_equal(migrate_list(c, live_pg_deadline(), &list, &count), ERR_NONE);
	assert_int_equal(count, 0);
	free(list);
	/* Daemons are refused by it, rather than told that it is away. */
	opts.is_unchecked = false;
	daemon = pg_conn_new(&opts);
	assert_int_equal(pg_conn_open(daemon, live_pg_deadline()), ERR_REFUSED);

	sql = read_file("sql/0001_first_light.sql");
	assert_int_equal(migrate_apply(c, 1, str_of(sql), live_pg_deadline()), ERR_NONE);
	assert_int_equal(count_applied(c, &last), 1);
	migrate_checksum(str_of(sql), checksum);
	assert_string_equal(last.checksum, checksum);
	assert_int_equal(pg_conn_open(daemon, live_pg_deadline()), ERR_NONE);
	free(sql);
	pg_conn_free(daemon);
	pg_conn_free(c);
	live_pg_run("DROP DATABASE emptyone");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(applying),
		cmocka_unit_test(an_empty_database),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
