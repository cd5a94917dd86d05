/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands and replies about who is there. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "cmocka_setup.h"
#include "store/presence.h"
#include "store/redis_wire.h"

enum { NOW_MS = 1000 };

static redisReply *reply_of(const char *text)
{
	redisReader *reader = redis_wire_reader_new();
	void *reply = NULL;

	redisReaderFeed(reader, text, strlen(text));
	assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
	assert_non_null(reply);
	redisReaderFree(reader);
	return reply;
}

static struct redis_keys some_keys(void)
{
	struct redis_keys keys;

	assert_int_equal(redis_keys_init(&keys, "b:", 3, 256), 0);
	return keys;
}

/* The arguments of the one command, with blanks between them. */
static void assert_command(struct buf *b, const char *text)
{
	redisReply *command = reply_of(buf_cstr(b));
	struct buf joined = BUF_INIT;

	assert_int_equal(command->type, REDIS_REPLY_ARRAY);
	for (size_t i = 0; i < command->elements; i++)
		buf_printf(&joined, "%s%s", i == 0 ? "" : " ", command->element[i]->str);
	assert_string_equal(buf_cstr(&joined), text);
	buf_deinit(&joined);
	freeReplyObject(command);
	buf_deinit(b);
}

#define OF_FOOBAR \
	"b:{u8}:presence:foobar b:{u8}:online b:{u8}:due b:{u8}:away b:{u8}:gone b:system foobar"

static void test_leases(void **state)
{
	struct redis_keys keys = some_keys();
	struct buf b = BUF_INIT;

	(void)state;
	presence_put_lease(&b, &keys, STR("foobar"), STR("7-ab"), 30000);
	assert_command(&b, "FCALL bellhop_people_1_presence 5 " OF_FOOBAR " n:7-ab 30000 online");
	presence_put_said(&b, &keys, STR("foobar"), PRESENCE_AWAY, 60000);
	assert_command(&b, "FCALL bellhop_people_1_presence 5 " OF_FOOBAR " api 60000 away");
	presence_put_said(&b, &keys, STR("foobar"), PRESENCE_OFFLINE, 60000);
	assert_command(&b, "FCALL bellhop_people_1_presence 5 " OF_FOOBAR " api 0 online");
	presence_put_look(&b, &keys, STR("foobar"));
	assert_command(&b, "FCALL bellhop_people_1_presence 5 " OF_FOOBAR "  0 online");
}

static void test_here(void **state)
{
	struct redis_keys keys = some_keys();
	const struct str users[] = {STR("ann"), STR("bob"), STR("eve")};
	const struct presence_here here = {.ticket = STR("foobar"),
					   .node = STR("7-ab"),
					   .users = users,
					   .n_here = 2,
					   .n_left = 1,
					   .ttl_ms = 30000};
	struct buf b = BUF_INIT;

	(void)state;
	presence_put_here(&b, &keys, &here);
	assert_command(
		&b,
		"FCALL bellhop_people_1_here 3 b:{104}:here:foobar b:{104}:watched b:{104}:nodes"
		" b:live:foobar foobar 7-ab 30000 2 ann bob eve");
}

static void test_status_words(void **state)
{
	enum presence_status status;

	(void)state;
	assert_int_equal(presence_status_parse(STR("away"), &status), 0);
	assert_int_equal(status, PRESENCE_AWAY);
	assert_int_equal(presence_status_parse(STR("unknown"), &status), -1);
	assert_int_equal(presence_status_parse(STR(""), &status), -1);
	assert_int_equal(presence_status_parse((struct str){0}, &status), -1);
	assert_string_equal(presence_status_text(PRESENCE_UNKNOWN), "unknown");
}

static int parse_state(const char *text, struct presence_state *state_r)
{
	redisReply *reply = reply_of(text);
	int status = presence_parse_state(reply, state_r);

	freeReplyObject(reply);
	return status;
}

static void test_state(void **state)
{
	static const char *const odd[] = {
		"*0\r\n",
		"-ERR Function not found\r\n",
		"$-1\r\n",
		"*2\r\n$6\r\nonline\r\n$-1\r\n",
		"*2\r\n$4\r\ngone\r\n$0\r\n\r\n",
		"*2\r\n$7\r\noffline\r\n$2\r\n-1\r\n",
		"*2\r\n$7\r\noffline\r\n:7\r\n",
		"*2\r\n:1\r\n$0\r\n\r\n",
	};
	struct presence_state found;

	(void)state;
	assert_int_equal(parse_state("*2\r\n$7\r\noffline\r\n$3\r\n123\r\n", &found), 0);
	assert_int_equal(found.status, PRESENCE_OFFLINE);
	assert_int_equal(found.seen_ms, 123);
	assert_int_equal(parse_state("*2\r\n$6\r\nonline\r\n$0\r\n\r\n", &found), 0);
	assert_int_equal(found.status, PRESENCE_ONLINE);
	for (size_t i = 0; i < LENGTH(odd); i++)
		assert_int_equal(parse_state(odd[i], &found), -1);
}

static int parse_looking(const char *text, struct str *users_r)
{
	static redisReply *reply;

	if (reply != NULL)
		freeReplyObject(reply);
	reply = text == NULL ? NULL : reply_of(text);
	return text == NULL ? 0 : presence_parse_looking(reply, NOW_MS, users_r);
}

static void test_a_roster_names_each_user_once(void **state)
{
	static const char text[] =
		"*8\r\n$5\r\nbob 1\r\n$4\r\n2000\r\n$5\r\nann 1\r\n$4\r\n1001\r\n"
		"$5\r\nbob 2\r\n$4\r\n1002\r\n$5\r\neve 2\r\n$4\r\n1000\r\n";
	static const char *const odd[] = {
		"*1\r\n$5\r\nbob 1\r\n",
		"*2\r\n$5\r\nbob 1\r\n$3\r\nx12\r\n",
		"*2\r\n$2\r\n 1\r\n$4\r\n2000\r\n",
		"*2\r\n$0\r\n\r\n$4\r\n2000\r\n",
		"*2\r\n:1\r\n$4\r\n2000\r\n",
		"-WRONGTYPE no\r\n",
	};
	struct str *users = calloc(PRESENCE_LOOKING_MAX, sizeof(*users));

	(void)state;
	assert_int_equal(parse_looking(text, users), 2);
	assert_true(str_eq_c(users[0], "ann"));
	assert_true(str_eq_c(users[1], "bob"));
	assert_int_equal(parse_looking("*0\r\n", users), 0);
	for (size_t i = 0; i < LENGTH(odd); i++)
		assert_int_equal(parse_looking(odd[i], users), -1);
	parse_looking(NULL, NULL);
	free(users);
}

static void test_lists(void **state)
{
	redisReply *reply = reply_of("*4\r\n$3\r\nann\r\n$4\r\naway\r\n$0\r\n\r\n$6\r\nonline\r\n");
	enum presence_status status;
	struct record_seen seen;
	struct str user;

	(void)state;
	assert_int_equal(presence_count_online(reply), 2);
	assert_int_equal(presence_parse_online(reply, 0, &user, &status), 0);
	assert_true(str_eq_c(user, "ann"));
	assert_int_equal(status, PRESENCE_AWAY);
	assert_int_equal(presence_parse_online(reply, 1, &user, &status), -1);
	assert_int_equal(presence_parse_gone(reply, 0, &seen), -1);
	freeReplyObject(reply);
	reply = reply_of("*2\r\n$3\r\nann\r\n$3\r\n123\r\n");
	assert_int_equal(presence_parse_gone(reply, 0, &seen), 0);
	assert_int_equal(seen.at_ms, 123);
	freeReplyObject(reply);
	reply = reply_of("*1\r\n$3\r\nann\r\n");
	assert_int_equal(presence_count(reply), 1);
	assert_int_equal(presence_count_online(reply), -1);
	freeReplyObject(reply);
	assert_int_equal(presence_count(NULL), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_leases),
		cmocka_unit_test(test_here),
		cmocka_unit_test(test_status_words),
		cmocka_unit_test(test_state),
		cmocka_unit_test(test_a_roster_names_each_user_once),
		cmocka_unit_test(test_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
