/* SPDX-License-Identifier: BSD-2-Clause */
/* Settings: table, file, environment, secrets, reload. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/conf.h"
#include "cmocka_setup.h"
#include "tempdir.h"

static struct tempdir dir;
static struct buf report;
static char conf_path[128];

static int setup(void **state)
{
	(void)state;
	clearenv();
	tempdir_init(&dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	buf_deinit(&report);
	tempdir_deinit(&dir);
	return 0;
}

static struct conf *load(const char *text)
{
	const char *path = tempdir_file(&dir, "conf", text, strlen(text), 0600);

	snprintf(conf_path, sizeof(conf_path), "%s", path);
	buf_reset(&report);
	return conf_load(conf_path, &report);
}

static void rows_are_sound(void **state)
{
	(void)state;
	for (int i = 0; i < CONF_COUNT; i++) {
		const struct conf_item *item = conf_table_item((enum conf_key)i);

		assert_non_null(item->name);
		assert_non_null(item->fallback);
		assert_non_null(item->section);
		assert_non_null(item->help);
		assert_int_equal(conf_table_find(str_of(item->name)), i);
		assert_int_equal(item->type == CONF_TYPE_CHOICE, item->choices != NULL);
		assert_int_equal(item->type == CONF_TYPE_INT || item->type == CONF_TYPE_MODE,
				 item->max != 0);
	}
	assert_int_equal(conf_table_find(STR("BELLHOP_")), -1);
}

static void defaults(void **state)
{
	struct conf *conf = load("");

	(void)state;
	assert_non_null(conf);
	assert_string_equal(buf_cstr(&report), "");
	assert_string_equal(conf_str(conf, CONF_BASE_PATH), "/chat");
	assert_string_equal(conf_str(conf, CONF_REDIS_URL), "redis://127.0.0.1:6379/0");
	assert_string_equal(conf_str(conf, CONF_JWT_ISSUER), "");
	assert_true(conf_int(conf, CONF_API_WORKERS) == 8);
	assert_true(conf_int(conf, CONF_SOCKET_MODE) == 0660);
	assert_false(conf_bool(conf, CONF_TRUST_PARAMS));
	assert_false(conf_is_set(conf, CONF_API_WORKERS));
	conf_free(conf);
	conf_free(NULL);
}

static void precedence(void **state)
{
	struct conf *conf;

	(void)state;
	setenv("BELLHOP_API_WORKERS", "3", 1);
	setenv("BELLHOP_TRUST_PARAMS", "", 1);
	conf = load("BELLHOP_API_WORKERS=2\nBELLHOP_SOCKET_MODE=600\nBELLHOP_TRUST_PARAMS=yes\n"
		    "BELLHOP_RETRY_MS=100\nBELLHOP_RETRY_MS=200\n");
	assert_non_null(conf);
	assert_true(conf_int(conf, CONF_API_WORKERS) == 3);
	assert_true(conf_int(conf, CONF_SOCKET_MODE) == 0600);
	assert_true(conf_int(conf, CONF_RETRY_MS) == 200);
	/* Empty brings the default back, over the file too. */
	assert_false(conf_bool(conf, CONF_TRUST_PARAMS));
	assert_false(conf_is_set(conf, CONF_TRUST_PARAMS));
	assert_true(conf_is_set(conf, CONF_API_WORKERS));
	conf_free(conf);
}

static void good_values(void **state)
{
	static const char *const yes[] = {"yes", "true", "on", "1"};
	static const char *const no[] = {"no", "false", "off", "0"};

	(void)state;
	for (size_t i = 0; i < LENGTH(yes); i++) {
		struct conf *conf;

		setenv("BELLHOP_TRUST_PARAMS", yes[i], 1);
		setenv("BELLHOP_PG_POOLED", no[i], 1);
		conf = load("");
		assert_non_null(conf);
		assert_true(conf_bool(conf, CONF_TRUST_PARAMS));
		assert_false(conf_bool(conf, CONF_PG_POOLED));
		conf_free(conf);
	}
}

static void rates(void **state)
{
	static const struct {
		const char *line;
		int64_t count, seconds;
	} rows[] = {
		{"", 20, 10},
		{"BELLHOP_LIMIT_SENDS=", 20, 10},
		{"BELLHOP_LIMIT_SENDS=0", 0, 0},
		{"BELLHOP_LIMIT_SENDS=1/1", 1, 1},
		{"BELLHOP_LIMIT_SENDS=1000000/86400", 1000000, 86400},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct conf *conf = load(rows[i].line);

		assert_non_null(conf);
		struct conf_rate rate;

		assert_non_null(conf);
		rate = conf_rate(conf, CONF_LIMIT_SENDS);
		assert_int_equal(rate.count, rows[i].count);
		assert_int_equal(rate.seconds, rows[i].seconds);
		conf_free(conf);
	}
}

static void bad_values(void **state)
{
	static const struct {
		const char *line, *expected;
	} rows[] = {
		{"BELLHOP_API_WORKERS=0", "must be a whole number from 1 to 256"},
		{"BELLHOP_API_WORKERS=257", "must be a whole number from 1 to 256"},
		{"BELLHOP_API_WORKERS=eight", "must be a whole number from 1 to 256"},
		{"BELLHOP_API_WORKERS=8x", "must be a whole number from 1 to 256"},
		{"BELLHOP_SOCKET_MODE=888", "must be an octal mode such as 0660"},
		{"BELLHOP_SOCKET_MODE=1777", "must be an octal mode such as 0660"},
		{"BELLHOP_SOCKET_MODE=77777777777777777777777", "must be an octal mode"},
		{"BELLHOP_TRUST_PARAMS=maybe", "must be yes or no"},
		{"BELLHOP_TRUST_PARAMS=YES", "must be yes or no"},
		{"BELLHOP_LOG_LEVEL=loud", "must be one of: error warn info debug"},
		{"BELLHOP_BASE_PATH=chat", "must be a path such as /chat"},
		{"BELLHOP_BASE_PATH=/chat/", "must be a path such as /chat"},
		{"BELLHOP_BASE_PATH='/a b'", "must be a path such as /chat"},
		{"BELLHOP_LIMIT_SENDS=20", "must be N/S, such as 20/10"},
		{"BELLHOP_LIMIT_SENDS=20/", "must be N/S, such as 20/10"},
		{"BELLHOP_LIMIT_SENDS=/10", "must be N/S, such as 20/10"},
		{"BELLHOP_LIMIT_SENDS=0/10", "must be N/S, such as 20/10"},
		{"BELLHOP_LIMIT_SENDS=20/0", "must be N/S, such as 20/10"},
		{"BELLHOP_LIMIT_SENDS=20/10/1", "must be N/S, such as 20/10"},
		{"BELLHOP_LIMIT_SENDS='20 / 10'", "must be N/S, such as 20/10"},
		{"BELLHOP_LIMIT_SENDS=20/10s", "must be N/S, such as 20/10"},
		{"BELLHOP_LIMIT_SENDS=-1/10", "must be N/S, such as 20/10"},
		{"BELLHOP_LIMIT_SENDS=1000001/10", "(up to 1000000/86400), or 0"},
		{"BELLHOP_LIMIT_SENDS=1/86401", "(up to 1000000/86400), or 0"},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		char where[192];

		assert_null(load(rows[i].line));
		snprintf(where, sizeof(where), " (%s:1): ", conf_path);
		assert_non_null(strstr(buf_cstr(&report), where));
		assert_non_null(strstr(buf_cstr(&report), rows[i].expected));
	}
}

/* Every fault is told, not the first only. */
static void all_faults(void **state)
{
	(void)state;
	setenv("BELLHOP_LOG_LEVEL", "loud", 1);
	assert_null(load("BELLHOP_API_WORKERS=0\nBELLHOP_SOCKET_MODE=9\nx y=1\n"));
	assert_non_null(strstr(buf_cstr(&report), "BELLHOP_LOG_LEVEL (environment): "));
	assert_non_null(strstr(buf_cstr(&report), "BELLHOP_API_WORKERS ("));
	assert_non_null(strstr(buf_cstr(&report), "BELLHOP_SOCKET_MODE ("));
	assert_non_null(strstr(buf_cstr(&report), ":3: this is no name"));
}

static void unknown_names(void **state)
{
	struct conf *conf;

	(void)state;
	setenv("BELLHOP_WORKERS", "2", 1);
	setenv("BELLHOP_API_WORKERS_FILE", "/nowhere", 1);
	conf = load("BELLHOP_BASE_PAHT=/x\nREDIS_ULR=x\n");
	assert_non_null(conf);
	assert_non_null(
		strstr(buf_cstr(&report), "environment: unknown setting BELLHOP_WORKERS\n"));
	assert_non_null(strstr(buf_cstr(&report), "unknown setting BELLHOP_API_WORKERS_FILE\n"));
	assert_non_null(strstr(buf_cstr(&report), ":1: unknown setting BELLHOP_BASE_PAHT\n"));
	assert_non_null(strstr(buf_cstr(&report), ":2: unknown setting REDIS_ULR\n"));
	assert_null(strstr(buf_cstr(&report), "unknown setting PATH"));
	conf_free(conf);
	unsetenv("BELLHOP_WORKERS");
	unsetenv("BELLHOP_API_WORKERS_FILE");
}

static void files(void **state)
{
	struct conf *conf;

	(void)state;
	buf_reset(&report);
	assert_null(conf_load(tempdir_name(&dir, "missing"), &report));
	assert_non_null(strstr(buf_cstr(&report), "No such file"));
	buf_reset(&report);
	assert_null(conf_load(dir.path, &report));
	assert_non_null(strstr(buf_cstr(&report), "Is a directory"));
	/* The default file need not be there; where it is, it is somebody else's. */
	buf_reset(&report);
	conf = conf_load(NULL, &report);
	assert_non_null(conf);
	if (conf == NULL)
		assert_non_null(strstr(buf_cstr(&report), CONF_DEFAULT_PATH));
	conf_free(conf);
}

static void secrets_from_files(void **state)
{
	char text[256], path[128];
	struct conf *conf;

	(void)state;
	snprintf(path, sizeof(path), "%s", tempdir_file(&dir, "token", "CHANGE_ME\n", 10, 0600));
	snprintf(text, sizeof(text), "BELLHOP_TOKEN_FILE=%s\nREDIS_PASSWORD=direct\n", path);
	conf = load(text);
	assert_non_null(conf);
	assert_string_equal(conf_str(conf, CONF_TOKEN), "CHANGE_ME");
	assert_string_equal(conf_str(conf, CONF_REDIS_PASSWORD), "direct");
	assert_true(conf_is_set(conf, CONF_TOKEN));
	conf_free(conf);

	/* The environment overrides the file, in whichever form either gives it. */
	setenv("BELLHOP_TOKEN", "from-env", 1);
	setenv("REDIS_PASSWORD_FILE", path, 1);
	conf = load(text);
	assert_non_null(conf);
	assert_string_equal(conf_str(conf, CONF_TOKEN), "from-env");
	assert_string_equal(conf_str(conf, CONF_REDIS_PASSWORD), "CHANGE_ME");
	conf_free(conf);

	/* Both forms in one place: nobody can know which was meant. */
	setenv("BELLHOP_TOKEN_FILE", path, 1);
	assert_null(load(""));
	assert_non_null(strstr(buf_cstr(&report), "given directly and as _FILE"));
	unsetenv("BELLHOP_TOKEN");
	unsetenv("REDIS_PASSWORD_FILE");

	tempdir_file(&dir, "token", "CHANGE_ME\n", 10, 0644);
	assert_null(load(""));
	assert_non_null(strstr(buf_cstr(&report), "others may read or change it"));
	assert_null(strstr(buf_cstr(&report), "CHANGE_ME"));
	tempdir_file(&dir, "token", "a\0b", 3, 0600);
	assert_null(load(""));
	tempdir_file(&dir, "token", "\n", 1, 0600);
	assert_null(load(""));
}

static void reload(void **state)
{
	struct conf *current = load("BELLHOP_API_WORKERS=2\nBELLHOP_LOG_LEVEL=warn\n");
	struct conf *fresh = load("BELLHOP_API_WORKERS=5\nBELLHOP_LOG_LEVEL=debug\n"
				  "BELLHOP_SOCKET_MODE=600\n");

	(void)state;
	assert_non_null(fresh);
	assert_non_null(current);
	assert_int_equal(conf_keep_fixed(fresh, current, &report), 0);
	conf_free(current);
	assert_true(conf_int(fresh, CONF_API_WORKERS) == 2);
	assert_true(conf_int(fresh, CONF_SOCKET_MODE) == 0660);
	assert_string_equal(conf_str(fresh, CONF_LOG_LEVEL), "debug");
	assert_string_equal(buf_cstr(&report),
			    "BELLHOP_SOCKET_MODE changed: takes effect at the next start\n"
			    "BELLHOP_API_WORKERS changed: takes effect at the next start\n");
	conf_free(fresh);
}

/* What is printed reads back as the same settings, but for the secrets, which are not shown. */
static void printing(void **state)
{
	struct conf *conf, *again;
	struct buf out = BUF_INIT;

	(void)state;
	setenv("BELLHOP_TOKEN", "CHANGE_ME", 1);
	conf = load("BELLHOP_JWT_ISSUER='a \"b\" $c \\\\ `d` # e'\nBELLHOP_API_WORKERS=2\n"
		    "BELLHOP_ALLOWED_ORIGINS='https://a.example https://b.example'\n");
	assert_non_null(conf);
	unsetenv("BELLHOP_TOKEN");
	conf_print(conf, &out);
	assert_null(strstr(buf_cstr(&out), "CHANGE_ME"));
	assert_non_null(strstr(buf_cstr(&out), "# environment\n#BELLHOP_TOKEN=(hidden)\n"));
	assert_non_null(strstr(buf_cstr(&out), ":2\nBELLHOP_API_WORKERS=2\n"));
	assert_non_null(strstr(buf_cstr(&out), "\n#BELLHOP_SOCKET_MODE=0660\n"));
	again = load(buf_cstr(&out));
	assert_non_null(again);
	for (int key = 0; key < CONF_COUNT; key++) {
		if (key != CONF_TOKEN)
			assert_string_equal(conf_str(conf, (enum conf_key)key),
					    conf_str(again, (enum conf_key)key));
	}
	conf_free(conf);
	conf_free(again);
	buf_deinit(&out);
}

static void sample(void **state)
{
	struct buf out = BUF_INIT, live = BUF_INIT;
	struct conf *conf;
	struct str rest, line;

	(void)state;
	conf_sample(&out);
	for (int key = 0; key < CONF_COUNT; key++)
		assert_non_null(strstr(buf_cstr(&out), conf_table_item((enum conf_key)key)->name));
	/* With every setting's comment sign taken away it is a file of defaults. */
	rest = buf_str(&out);
	while (str_split(&rest, '\n', &line)) {
		if (line.n > 1 && line.p[0] == '#' && line.p[1] != ' ')
			buf_put(&live, line.p + 1, line.n - 1);
		buf_putc(&live, '\n');
	}
	conf = load(buf_cstr(&live));
	assert_non_null(conf);
	assert_string_equal(buf_cstr(&report), "");
	assert_non_null(conf);
	conf_free(conf);
	buf_deinit(&out);
	buf_deinit(&live);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

/* A file is a secret by what is in it, wherever a URL has its password. */
static void secrets_in_the_file(void **state)
{
	static const struct {
		const char *text;
		bool is_secret;
	} rows[] = {
		{"", false},
		{"BELLHOP_LOG_LEVEL=debug\n", false},
		{"REDIS_URL=redis://127.0.0.1:6379/0\n", false},
		{"REDIS_URL=redis://bellhop@127.0.0.1:6379/0\n", false},
		{"REDIS_URL=redis://bellhop:CHANGE_ME@127.0.0.1:6379/0\n", true},
		{"REDIS_PASSWORD=CHANGE_ME\n", true},
		{"DATABASE_URL=postgresql:///bellhop?host=/run/postgresql\n", false},
		{"DATABASE_URL=postgresql://bellhop:CHANGE_ME@db/bellhop\n", true},
		{"DATABASE_URL=postgresql://db/bellhop?user=bellhop&password=CHANGE_ME\n", true},
		{"DATABASE_URL=\"host=db password=CHANGE_ME\"\n", true},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct conf *conf = load(rows[i].text);

		assert_non_null(conf);
		if (rows[i].is_secret)
			assert_string_equal(conf_secret_file(conf), conf_path);
		else
			assert_null(conf_secret_file(conf));
		conf_free(conf);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(rows_are_sound), TEST(defaults),
		TEST(precedence),     TEST(good_values),
		TEST(rates),	      TEST(bad_values),
		TEST(all_faults),     TEST(unknown_names),
		TEST(files),	      TEST(secrets_from_files),
		TEST(reload),	      TEST(printing),
		TEST(sample),	      TEST(secrets_in_the_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
