/* SPDX-License-Identifier: BSD-2-Clause */
/* Events as `bellhop tail` shows them; nothing that a server sends may break it. */
#include "config.h"

#include "cli/event_text.h"
#include "cmocka_setup.h"

static void expect(const char *type, const char *data, const char *expected)
{
	struct json_read *json;
	struct json_read_error error;
	struct buf out = BUF_INIT;

	assert_int_equal(json_read(str_of(data), &json, &error), JSON_READ_OK);
	event_text_put(&out, str_of(type), json_read_root(json));
	assert_string_equal(buf_cstr(&out), expected);
	json_read_free(json);
	buf_deinit(&out);
}

static void messages(void **state)
{
	(void)state;
	expect("message",
	       "{\"seq\":58,\"kind\":\"text\",\"sender_id\":\"a\",\"sender_name\":\"Alice\","
	       "\"content\":\"one\\ntwo\",\"sent_at\":\"2026-11-20T15:04:05.123Z\"}",
	       "2026-11-20 15:04:05  58  Alice: one\n        two\n");
	expect("message",
	       "{\"seq\":59,\"kind\":\"note\",\"sender_id\":\"a\",\"sender_name\":null,"
	       "\"content\":\"x\",\"sent_at\":\"2026-11-20T15:04:05.123Z\"}",
	       "2026-11-20 15:04:05  59  a [note]: x\n");
	expect("message",
	       "{\"seq\":60,\"kind\":\"system\",\"sender_id\":\"a\",\"content\":\"restarted\","
	       "\"sent_at\":\"2026-11-20T15:04:05.123Z\"}",
	       "2026-11-20 15:04:05  60  * restarted\n");
	expect("message",
	       "{\"seq\":61,\"kind\":\"text\",\"sender_id\":\"a\",\"content\":null,"
	       "\"sent_at\":\"2026-11-20T15:04:05.123Z\"}",
	       "2026-11-20 15:04:05  61  a: (cannot be read)\n");
	expect("message",
	       "{\"seq\":61,\"kind\":\"text\",\"sender_id\":\"a\",\"content\":null,"
	       "\"sent_at\":\"2026-11-20T15:04:05.123Z\","
	       "\"deleted_at\":\"2026-11-20T15:04:06.000Z\"}",
	       "2026-11-20 15:04:05  61  a: (deleted)\n");
	expect("message-edited",
	       "{\"seq\":58,\"event_seq\":62,\"sender_id\":\"a\",\"content\":\"new\","
	       "\"edited_at\":\"2026-11-20T15:04:06.000Z\"}",
	       "2026-11-20 15:04:06  62  58 of a was edited: new\n");
	expect("message-deleted",
	       "{\"seq\":58,\"event_seq\":63,\"deleted_by\":\"b\","
	       "\"deleted_at\":\"2026-11-20T15:04:06.000Z\"}",
	       "2026-11-20 15:04:06  63  b deleted 58\n");
}

static void other_events(void **state)
{
	(void)state;
	expect("participant",
	       "{\"user_id\":\"u\",\"role\":\"agent\",\"by\":\"a\",\"event_seq\":7,"
	       "\"at\":\"2026-11-20T15:04:06.000Z\"}",
	       "2026-11-20 15:04:06  7  a added u as agent\n");
	expect("participant",
	       "{\"user_id\":\"u\",\"role\":\"removed\",\"removed\":true,\"by\":null,\"event_seq\":8,"
	       "\"at\":\"2026-11-20T15:04:06.000Z\"}",
	       "2026-11-20 15:04:06  8  somebody removed u\n");
	expect("ticket",
	       "{\"status\":\"closed\",\"title\":\"Disk\",\"by\":\"a\",\"event_seq\":9,"
	       "\"at\":\"2026-11-20T15:04:06.000Z\"}",
	       "2026-11-20 15:04:06  9  a set the ticket to closed: Disk\n");
	expect("gap", "{\"from\":1,\"to\":5,\"reason\":\"erased\"}",
	       "-- gap from 1 to 5: erased\n");
	expect("mode", "{\"mode\":\"no-redis\"}", "-- mode no-redis\n");
	expect("bye", "{\"code\":\"shutdown\"}", "-- bye: shutdown\n");
	expect("revoked", "{\"ticket_id\":\"T-1\"}", "-- no longer allowed: T-1\n");
	expect("hello", "{}", "");
	expect("never heard of", "{}", "");
}

static void control_characters_are_escaped(void **state)
{
	(void)state;
	expect("message",
	       "{\"seq\":1,\"kind\":\"text\",\"sender_id\":\"a\",\"sender_name\":\"\\u001b]0;\\n\","
	       "\"content\":\"\\u001b[2J\\r\",\"sent_at\":\"2026-11-20T15:04:05.123Z\"}",
	       "2026-11-20 15:04:05  1  \\x1b]0;\\x0a: \\x1b[2J\\x0d\n");
	expect("bye", "{\"code\":\"a\\nb\"}", "-- bye: a\\x0ab\n");
}

static void what_is_missing_or_wrong_does_no_harm(void **state)
{
	static const char *const types[] = {"message",	   "message-edited",   "message-deleted",
					    "participant", "ticket",	       "gap",
					    "mode",	   "message-pending",  "revoked",
					    "bye",	   "message-rejected", "hello"};
	static const char *const bodies[] = {"{}", "[]", "null", "7",
					     "{\"seq\":{},\"sent_at\":[]}"};

	(void)state;
	for (size_t i = 0; i < LENGTH(types); i++) {
		for (size_t j = 0; j < LENGTH(bodies); j++) {
			struct json_read *json;
			struct json_read_error error;
			struct buf out = BUF_INIT;

			assert_int_equal(json_read(str_of(bodies[j]), &json, &error), JSON_READ_OK);
			event_text_put(&out, str_of(types[i]), json_read_root(json));
			assert_true(buf_ok(&out));
			json_read_free(json);
			buf_deinit(&out);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages),
		cmocka_unit_test(other_events),
		cmocka_unit_test(control_characters_are_escaped),
		cmocka_unit_test(what_is_missing_or_wrong_does_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
