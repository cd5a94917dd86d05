/* SPDX-License-Identifier: BSD-2-Clause */
/* Redis addresses, commands as bytes, the bounded reply parser. */
#include "config.h"

#include <string.h>

#include "cmocka_setup.h"
#include "store/redis_wire.h"

static void assert_text(const char *text, const char *expected)
{
	if (expected == NULL)
		assert_null(text);
	else
		assert_string_equal(text, expected);
}

static void test_urls(void **state)
{
	static const struct {
		const char *url, *host, *port, *path, *user, *password;
		int db;
	} rows[] = {
		{"redis://", "127.0.0.1", "6379", NULL, NULL, NULL, 0},
		{"redis://localhost", "localhost", "6379", NULL, NULL, NULL, 0},
		{"redis://localhost/", "localhost", "6379", NULL, NULL, NULL, 0},
		{"redis://10.0.0.1:7000/3", "10.0.0.1", "7000", NULL, NULL, NULL, 3},
		{"redis://[::1]:7000/1", "::1", "7000", NULL, NULL, NULL, 1},
		{"redis://[::1]", "::1", "6379", NULL, NULL, NULL, 0},
		{"redis://ann:CHANGE_ME@h", "h", "6379", NULL, "ann", "CHANGE_ME", 0},
		{"redis://:CHANGE_ME@h", "h", "6379", NULL, NULL, "CHANGE_ME", 0},
		{"redis://ann:a%40b%3A%2f@h:1/2", "h", "1", NULL, "ann", "a@b:/", 2},
		{"redis://a:b@c@h", "h", "6379", NULL, "a", "b@c", 0},
		{"rediss://ann:CHANGE_ME@h", "h", "6379", NULL, "ann", "CHANGE_ME", 0},
		{"rediss://[::1]:7000/1", "::1", "7000", NULL, NULL, NULL, 1},
		{"unix:///run/r.sock", NULL, NULL, "/run/r.sock", NULL, NULL, 0},
		{"unix:///run/r.sock?db=5", NULL, NULL, "/run/r.sock", NULL, NULL, 5},
		{"unix://ann:CHANGE_ME@/s", NULL, NULL, "/s", "ann", "CHANGE_ME", 0},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct redis_target target, copy;
		struct buf error = BUF_INIT;
		bool is_tls = str_starts(str_of(rows[i].url), STR("rediss:"));

		if (is_tls && !redis_tls_is_built())
			continue;
		assert_int_equal(redis_target_parse(rows[i].url, "", &target, &error), 0);
		assert_int_equal(error.len, 0);
		assert_int_equal(redis_target_copy(&target, &copy), 0);
		redis_target_deinit(&target);
		assert_text(copy.host, rows[i].host);
		assert_text(copy.port, rows[i].port);
		assert_text(copy.path, rows[i].path);
		assert_text(copy.user, rows[i].user);
		assert_text(copy.password, rows[i].password);
		assert_int_equal(copy.db, rows[i].db);
		assert_int_equal(copy.is_tls, is_tls);
		redis_target_deinit(&copy);
	}
}

static void test_bad_urls(void **state)
{
	static const char *const urls[] = {
		"",
		"localhost",
		"http://localhost",
		"redisss://localhost",
		"rediss:/localhost",
		"rediss://h:x",
		"rediss://h/x",
		"rediss://[::1",
		"redis://h:",
		"redis://h:0",
		"redis://h:65536",
		"redis://h:x",
		"redis://h/x",
		"redis://h/-1",
		"redis://h/1/2",
		"redis://[::1",
		"redis://[::1]7000",
		"redis://a%zz@h",
		"redis://a%00@h",
		"redis://a%4",
		"unix://",
		"unix:///",
		"unix://relative",
		"unix:///s?db=x",
		"unix:///s?timeout=1",
		("unix:///0123456789012345678901234567890123456789012345678901234567890123456789"
		 "0123456789012345678901234567890123456789"),
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(urls); i++) {
		struct redis_target target = {0};
		struct buf error = BUF_INIT;

		assert_int_equal(redis_target_parse(urls[i], NULL, &target, &error), -1);
		assert_true(error.len > 0);
		buf_deinit(&error);
	}
}

static void test_password_setting_is_second(void **state)
{
	struct redis_target target;
	struct buf error = BUF_INIT;

	(void)state;
	assert_int_equal(redis_target_parse("redis://h", "other", &target, &error), 0);
	assert_string_equal(target.password, "other");
	redis_target_deinit(&target);
	assert_int_equal(redis_target_parse("redis://:CHANGE_ME@h", "other", &target, &error), 0);
	assert_string_equal(target.password, "CHANGE_ME");
	redis_target_deinit(&target);
}

static void test_text_has_no_secret(void **state)
{
	char text[REDIS_TARGET_TEXT_SIZE];
	struct redis_target target;
	struct buf error = BUF_INIT;

	(void)state;
	assert_int_equal(redis_target_parse("redis://ann:CHANGE_ME@h:7/2", NULL, &target, &error),
			 0);
	redis_target_text(&target, text);
	assert_string_equal(text, "h:7/2");
	redis_target_deinit(&target);
}

static void test_commands(void **state)
{
	struct buf b = BUF_INIT;

	(void)state;
	redis_wire_put(&b, 2, (const struct str[]){STR("GET"), {"a\0b", 3}});
	redis_wire_putc(&b, "PING", NULL);
	redis_wire_begin(&b, 2);
	redis_wire_arg(&b, (struct str){NULL, 0});
	redis_wire_arg_i64(&b, INT64_MIN);
	assert_true(str_eq(buf_str(&b), STR("*2\r\n$3\r\nGET\r\n$3\r\na\0b\r\n"
					    "*1\r\n$4\r\nPING\r\n"
					    "*2\r\n$0\r\n\r\n$20\r\n-9223372036854775808\r\n")));
	buf_deinit(&b);
}

static void test_hello(void **state)
{
	static const struct {
		struct redis_target target;
		size_t n;
		const char *bytes;
	} rows[] = {
		{{.db = 0}, 1, "*3\r\n$6\r\nCLIENT\r\n$7\r\nSETNAME\r\n$1\r\nx\r\n"},
		{{.db = 2, .password = (char *)"p"},
		 3,
		 "*2\r\n$4\r\nAUTH\r\n$1\r\np\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n2\r\n"
		 "*3\r\n$6\r\nCLIENT\r\n$7\r\nSETNAME\r\n$1\r\nx\r\n"},
		{{.user = (char *)"u", .password = (char *)"p"},
		 2,
		 "*3\r\n$4\r\nAUTH\r\n$1\r\nu\r\n$1\r\np\r\n"
		 "*3\r\n$6\r\nCLIENT\r\n$7\r\nSETNAME\r\n$1\r\nx\r\n"},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct buf b = BUF_INIT;

		assert_int_equal(redis_wire_hello(&b, &rows[i].target, "x"), rows[i].n);
		assert_true(str_eq_c(buf_str(&b), rows[i].bytes));
		buf_deinit(&b);
	}
}

static void test_reader_is_bounded(void **state)
{
	static const char *const hostile[] = {
		"*2000000000\r\n",
		"*1000001\r\n",
		"*1\r\n*2147483647\r\n",
		"*99999999999999999999\r\n",
		"*-2\r\n",
		"?\r\n",
		"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n",
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(hostile); i++) {
		redisReader *reader = redis_wire_reader_new();
		void *reply = NULL;

		assert_int_equal(redisReaderFeed(reader, hostile[i], strlen(hostile[i])), REDIS_OK);
		assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_ERR);
		assert_null(reply);
		redisReaderFree(reader);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_urls),
		cmocka_unit_test(test_bad_urls),
		cmocka_unit_test(test_password_setting_is_second),
		cmocka_unit_test(test_text_has_no_secret),
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_hello),
		cmocka_unit_test(test_reader_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
