/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands and replies about people. */
#include "config.h"

#include <string.h>

#include "cmocka_setup.h"
#include "store/people.h"
#include "store/redis_wire.h"

#define NOW "*2\r\n$10\r\n1790000000\r\n$6\r\n500000\r\n"

/* Two replies from their bytes. */
static void read_replies(const char *time, const char *all, redisReply *replies_r[2])
{
	const char *const texts[] = {time, all};

	for (size_t i = 0; i < 2; i++) {
		redisReader *reader = redis_wire_reader_new();
		void *reply = NULL;

		redisReaderFeed(reader, texts[i], strlen(texts[i]));
		assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
		assert_non_null(reply);
		replies_r[i] = reply;
		redisReaderFree(reader);
	}
}

static int parse(const char *time, const char *all, struct people_typist *typists_r,
		 redisReply *replies[2])
{
	read_replies(time, all, replies);
	return people_parse_typists(replies, typists_r, 2);
}

static void release(redisReply *replies[2])
{
	freeReplyObject(replies[0]);
	freeReplyObject(replies[1]);
}

static void who_types_is_told_without_what_is_over(void **state)
{
	static const char all[] = "*6\r\n$3\r\nann\r\n$28\r\n1790000001500 Ann Ångström\r\n"
				  "$3\r\nbob\r\n$17\r\n1790000000500 Bob\r\n"
				  "$3\r\ncat\r\n$14\r\n1790000000501 \r\n";
	struct people_typist typists[2];
	redisReply *replies[2];

	(void)state;
	assert_int_equal(parse(NOW, all, typists, replies), 2);
	assert_true(str_eq(typists[0].user, STR("ann")));
	assert_true(str_eq(typists[0].name, STR("Ann Ångström")));
	assert_int_equal(typists[0].left_ms, 1000);
	assert_true(str_eq(typists[1].user, STR("cat")));
	assert_int_equal(typists[1].name.n, 0);
	assert_int_equal(typists[1].left_ms, 1);
	release(replies);
}

static void odd_replies_are_no_typists(void **state)
{
	static const struct {
		const char *time, *all;
		int expected;
	} rows[] = {
		{NOW, "*0\r\n", 0},
		{NOW, "*1\r\n$1\r\na\r\n", -1},
		{NOW, "-WRONGTYPE no\r\n", -1},
		{"-ERR no\r\n", "*0\r\n", -1},
		{NOW, "$-1\r\n", -1},
		{NOW, "*2\r\n$1\r\na\r\n:1\r\n", 0},
		{NOW, "*2\r\n$1\r\na\r\n$3\r\nx y\r\n", 0},
		{NOW, "*2\r\n$1\r\na\r\n$0\r\n\r\n", 0},
		{NOW, "*2\r\n$1\r\na\r\n$22\r\n99999999999999999999 b\r\n", 0},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct people_typist typists[2];
		redisReply *replies[2];

		assert_int_equal(parse(rows[i].time, rows[i].all, typists, replies),
				 rows[i].expected);
		release(replies);
	}
}

static void commands_name_key_and_channel(void **state)
{
	const struct people_typing typing = {
		.ticket = STR("foobar"), .user = STR("ann"), .name = STR("Ann"), .is_typing = true};
	struct buf commands = BUF_INIT;
	struct redis_keys keys;

	(void)state;
	assert_int_equal(redis_keys_init(&keys, "b:", 3, 256), 0);
	assert_int_equal(people_put_typing(&commands, &keys, &typing), 1);
	assert_string_equal(buf_cstr(&commands),
			    "*8\r\n$5\r\nFCALL\r\n$23\r\nbellhop_people_1_typing\r\n$1\r\n1\r\n"
			    "$21\r\nb:{104}:typing:foobar\r\n$13\r\nb:live:foobar\r\n"
			    "$3\r\nann\r\n$3\r\nAnn\r\n$4\r\n8000\r\n");
	buf_deinit(&commands);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_types_is_told_without_what_is_over),
		cmocka_unit_test(odd_replies_are_no_typists),
		cmocka_unit_test(commands_name_key_and_channel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
