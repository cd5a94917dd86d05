/* SPDX-License-Identifier: BSD-2-Clause */
/* Messages and frames as a viewer sees them, the rules of content, the digest. */
#include "config.h"

#include "chat/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "web/json_write.h"

/* 2026-11-20T15:04:05.123Z */
#define SENT_MS INT64_C(1795187045123)

static struct ticket_event a_message(void)
{
	return (struct ticket_event){
		.ticket = STR("T-17"),
		.epoch = 1,
		.seq = 5,
		.n = 4,
		.n_public = 3,
		.prev_public = 2,
		.rev = 1,
		.kind = EVENT_MESSAGE,
		.message_kind = MESSAGE_TEXT,
		.is_public = true,
		.sender_id = STR("ann"),
		.content = STR("hi \"you\"\n<b>"),
		.uid = STR("c-1"),
		.sent_at_ms = SENT_MS,
	};
}

static void expect_json(const struct ticket_event *event, enum message_viewer viewer, bool is_frame,
			const char *expected)
{
	struct buf out = BUF_INIT;
	struct json_write j;

	json_write_init(&j, &out);
	if (is_frame)
		message_frame_json(&j, event, viewer);
	else
		message_json(&j, event, viewer);
	assert_int_equal(json_write_finish(&j), 0);
	assert_string_equal(buf_cstr(&out), expected);
	buf_deinit(&out);
}

static void test_message_has_every_field_in_order(void **state)
{
	struct ticket_event event = a_message();

	(void)state;
	expect_json(&event, MESSAGE_FOR_STAFF, false,
		    "{\"ticket_id\":\"T-17\",\"seq\":5,\"n\":4,\"epoch\":1,\"rev\":1,"
		    "\"kind\":\"text\",\"sender_id\":\"ann\",\"sender_name\":null,"
		    "\"content\":\"hi \\\"you\\\"\\n<b>\",\"client_msg_id\":\"c-1\","
		    "\"sent_at\":\"2026-11-20T15:04:05.123Z\",\"edited_at\":null,"
		    "\"deleted_at\":null,\"deleted_by\":null}");
}

static void test_a_requester_counts_public_messages(void **state)
{
	struct ticket_event event = a_message();

	(void)state;
	event.sender_name = STR("Ann");
	expect_json(&event, MESSAGE_FOR_PUBLIC, true,
		    "{\"ticket_id\":\"T-17\",\"seq\":5,\"n\":3,\"epoch\":1,\"rev\":1,"
		    "\"kind\":\"text\",\"sender_id\":\"ann\",\"sender_name\":\"Ann\","
		    "\"content\":\"hi \\\"you\\\"\\n<b>\",\"client_msg_id\":\"c-1\","
		    "\"sent_at\":\"2026-11-20T15:04:05.123Z\",\"edited_at\":null,"
		    "\"deleted_at\":null,\"deleted_by\":null,\"event_seq\":5,\"prev\":2}");
	assert_int_equal(message_prev(&event, MESSAGE_FOR_STAFF), 4);
	assert_int_equal(message_n(&event, MESSAGE_FOR_STAFF), 4);
}

static void test_a_deletion_speaks_of_its_message(void **state)
{
	struct ticket_event event = a_message();

	(void)state;
	event.kind = EVENT_DELETE;
	event.seq = 9;
	event.target = 5;
	event.target_n = 4;
	event.target_n_public = 3;
	event.n = 7;
	event.n_public = 6;
	event.prev_public = 8;
	event.content = (struct str){0};
	event.deleted_at_ms = SENT_MS + 1000;
	event.deleted_by = STR("bob");
	expect_json(&event, MESSAGE_FOR_PUBLIC, true,
		    "{\"ticket_id\":\"T-17\",\"seq\":5,\"n\":3,\"epoch\":1,\"rev\":1,"
		    "\"kind\":\"text\",\"sender_id\":\"ann\",\"sender_name\":null,"
		    "\"content\":null,\"client_msg_id\":\"c-1\","
		    "\"sent_at\":\"2026-11-20T15:04:05.123Z\",\"edited_at\":null,"
		    "\"deleted_at\":\"2026-11-20T15:04:06.123Z\",\"deleted_by\":\"bob\","
		    "\"event_seq\":9,\"prev\":8}");
	assert_string_equal(message_event_name(&event), "message-deleted");
}

static void test_changes_of_ticket_and_people(void **state)
{
	struct ticket_event event = {
		.ticket = STR("T-17"),
		.seq = 3,
		.prev_public = 2,
		.kind = EVENT_PARTICIPANT,
		.is_public = true,
		.sender_id = STR("bob"),
		.sent_at_ms = SENT_MS,
		.detail = STR("{\"user_id\":\"ann\",\"role\":\"agent\"}"),
	};
	static const char *const odd[] = {"", "[", "[]", "{}", "{\"status\":1.5e}", "null"};

	(void)state;
	expect_json(&event, MESSAGE_FOR_STAFF, true,
		    "{\"ticket_id\":\"T-17\",\"user_id\":\"ann\",\"role\":\"agent\",\"by\":\"bob\","
		    "\"at\":\"2026-11-20T15:04:05.123Z\",\"event_seq\":3,\"prev\":2}");
	event.detail = STR("{\"user_id\":\"ann\",\"role\":\"removed\"}");
	expect_json(
		&event, MESSAGE_FOR_STAFF, true,
		"{\"ticket_id\":\"T-17\",\"user_id\":\"ann\",\"role\":\"removed\",\"removed\":true,\"by\":\"bob\","
		"\"at\":\"2026-11-20T15:04:05.123Z\",\"event_seq\":3,\"prev\":2}");
	event.kind = EVENT_TICKET;
	event.detail = STR("{\"status\":\"closed\",\"title\":null}");
	expect_json(&event, MESSAGE_FOR_STAFF, true,
		    "{\"ticket_id\":\"T-17\",\"status\":\"closed\",\"title\":null,\"by\":\"bob\","
		    "\"at\":\"2026-11-20T15:04:05.123Z\",\"event_seq\":3,\"prev\":2}");
	/* A store may hold anything. */
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		event.detail = str_of(odd[i]);
		expect_json(&event, MESSAGE_FOR_STAFF, true,
			    "{\"ticket_id\":\"T-17\",\"status\":null,\"title\":null,\"by\":\"bob\","
			    "\"at\":\"2026-11-20T15:04:05.123Z\",\"event_seq\":3,\"prev\":2}");
	}
}

static void test_names_of_events(void **state)
{
	static const struct {
		enum event_kind kind;
		const char *name;
	} rows[] = {
		{EVENT_MESSAGE, "message"},	   {EVENT_EDIT, "message-edited"},
		{EVENT_DELETE, "message-deleted"}, {EVENT_PARTICIPANT, "participant"},
		{EVENT_TICKET, "ticket"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct ticket_event event = {.kind = rows[i].kind};

		assert_string_equal(message_event_name(&event), rows[i].name);
	}
}

static void test_notes_are_for_staff(void **state)
{
	struct ticket_event event = a_message();

	(void)state;
	assert_true(message_is_visible(&event, MESSAGE_FOR_PUBLIC));
	event.is_public = false;
	assert_false(message_is_visible(&event, MESSAGE_FOR_PUBLIC));
	assert_true(message_is_visible(&event, MESSAGE_FOR_STAFF));
}

static void test_rules_of_content(void **state)
{
	static char longest[MESSAGE_CONTENT_MAX + 1];
	const struct {
		struct str content;
		bool is_fine;
	} rows[] = {
		{STR("a"), true},
		{STR("tab\tline\r\n"), true},
		{STR("<b>&amp;</b>"), true},
		{STR("\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"), true},
		{{longest, MESSAGE_CONTENT_MAX}, true},
		{{longest, MESSAGE_CONTENT_MAX + 1}, false},
		{STR(""), false},
		{STR("a\0b"), false},
		{STR("\x01"), false},
		{STR("\x1b[31m"), false},
		{STR("\x7f"), false},
		{STR("\xc0\xaf"), false},
		{STR("\xed\xa0\x80"), false},
		{STR("\xf4\x90\x80\x80"), false},
		{STR("cut \xe2\x82"), false},
	};

	(void)state;
	memset(longest, 'x', sizeof(longest));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if ((message_content_fault(rows[i].content) == NULL) != rows[i].is_fine)
			fail_msg("row %zu", i);
	}
}

static void test_digest_depends_on_key_kind_and_content(void **state)
{
	unsigned char key[MESSAGE_KEY_SIZE], other_key[MESSAGE_KEY_SIZE];
	unsigned char first[MESSAGE_DIGEST_SIZE], again[MESSAGE_DIGEST_SIZE];

	(void)state;
	message_digest_key(STR("a secret of at least thirty-two bytes"), key);
	message_digest_key(STR("another one of at least thirty-two bytes"), other_key);
	message_digest(key, MESSAGE_TEXT, STR("hi"), first);
	message_digest(key, MESSAGE_TEXT, STR("hi"), again);
	assert_memory_equal(first, again, sizeof(first));
	message_digest(key, MESSAGE_NOTE, STR("hi"), again);
	assert_memory_not_equal(first, again, sizeof(first));
	message_digest(key, MESSAGE_TEXT, STR("ho"), again);
	assert_memory_not_equal(first, again, sizeof(first));
	message_digest(other_key, MESSAGE_TEXT, STR("hi"), again);
	assert_memory_not_equal(first, again, sizeof(first));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_message_has_every_field_in_order),
		cmocka_unit_test(test_a_requester_counts_public_messages),
		cmocka_unit_test(test_a_deletion_speaks_of_its_message),
		cmocka_unit_test(test_changes_of_ticket_and_people),
		cmocka_unit_test(test_names_of_events),
		cmocka_unit_test(test_notes_are_for_staff),
		cmocka_unit_test(test_rules_of_content),
		cmocka_unit_test(test_digest_depends_on_key_kind_and_content),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
