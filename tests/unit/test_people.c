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
	assert_null(typists[1].name.p);
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

/* ---- read marks ---- */

static redisReply *read_reply(const char *text)
{
	redisReader *reader = redis_wire_reader_new();
	void *reply = NULL;

	redisReaderFeed(reader, text, strlen(text));
	assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
	redisReaderFree(reader);
	assert_non_null(reply);
	return reply;
}

static void marks_are_read(void **state)
{
	redisReply *reply = read_reply("*4\r\n$3\r\nann\r\n$28\r\n3 17 15 12 10 1790000000500 \r\n"
				       "$3\r\nbob\r\n$27\r\n3 17 15 12 10 1790000000500\r\n");
	struct people_mark mark;

	(void)state;
	assert_int_equal(people_count_marks(reply), 2);
	assert_true(str_eq_c(people_mark_user(reply, 0), "ann"));
	assert_int_equal(people_parse_mark(reply, 0, &mark), -1);
	assert_true(str_eq_c(people_mark_user(reply, 1), "bob"));
	assert_int_equal(people_parse_mark(reply, 1, &mark), 0);
	assert_int_equal(mark.epoch, 3);
	assert_int_equal(mark.seq, 17);
	assert_int_equal(mark.public_seq, 15);
	assert_int_equal(mark.n, 12);
	assert_int_equal(mark.n_public, 10);
	assert_int_equal(mark.at_ms, 1790000000500);
	freeReplyObject(reply);
}

static void odd_replies_are_no_marks(void **state)
{
	static const char *const odd[] = {"$-1\r\n", "-ERR no\r\n", "*1\r\n$1\r\na\r\n",
					  "*2\r\n$1\r\na\r\n:1\r\n"};
	static const char *const bad[] = {
		"*2\r\n$1\r\na\r\n$0\r\n\r\n",
		"*2\r\n$1\r\na\r\n$9\r\n1 2 3 4 5\r\n",
		"*2\r\n$1\r\na\r\n$11\r\n1 2 -3 4 5 \r\n",
		"*2\r\n$1\r\na\r\n$30\r\n1 2 3 4 5 99999999999999999999\r\n",
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(odd); i++) {
		redisReply *reply = read_reply(odd[i]);

		assert_int_equal(people_count_marks(reply), -1);
		freeReplyObject(reply);
	}
	for (size_t i = 0; i < LENGTH(bad); i++) {
		redisReply *reply = read_reply(bad[i]);
		struct people_mark mark;

		assert_int_equal(people_count_marks(reply), 1);
		assert_int_equal(people_parse_mark(reply, 0, &mark), -1);
		freeReplyObject(reply);
	}
}

static void a_mark_is_told_with_its_counts(void **state)
{
	const struct people_read read = {
		.ticket = STR("foobar"),
		.user = STR("ann"),
		.mark = {.epoch = 3, .seq = 9, .public_seq = 8, .n = 7, .n_public = 6, .at_ms = 5},
		.is_public_news = true,
	};
	struct buf commands = BUF_INIT;
	struct redis_keys keys;

	(void)state;
	assert_int_equal(redis_keys_init(&keys, "b:", 3, 256), 0);
	assert_int_equal(people_put_read(&commands, &keys, &read), 1);
	assert_string_equal(buf_cstr(&commands),
			    "*13\r\n$5\r\nFCALL\r\n$21\r\nbellhop_people_1_read\r\n$1\r\n1\r\n"
			    "$19\r\nb:{104}:read:foobar\r\n$13\r\nb:live:foobar\r\n$3\r\nann\r\n"
			    "$1\r\n3\r\n$1\r\n9\r\n$1\r\n8\r\n$1\r\n7\r\n$1\r\n6\r\n$1\r\n5\r\n"
			    "$1\r\n1\r\n");
	buf_deinit(&commands);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_types_is_told_without_what_is_over),
		cmocka_unit_test(odd_replies_are_no_typists),
		cmocka_unit_test(commands_name_key_and_channel),
		cmocka_unit_test(marks_are_read),
		cmocka_unit_test(odd_replies_are_no_marks),
		cmocka_unit_test(a_mark_is_told_with_its_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
