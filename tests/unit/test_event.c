/* SPDX-License-Identifier: BSD-2-Clause */
/* Copies of events own every string; letters of kinds are checked. */
#include "config.h"

#include "store/event.h"

#include <string.h>

#include "cmocka_setup.h"

static void copying(void **state)
{
	char ticket[] = "T-1", sender[] = "alice", content[] = "text", uid[] = "u", by[] = "bob";
	struct ticket_event event = {
		.ticket = str_of(ticket),
		.seq = 5,
		.kind = EVENT_EDIT,
		.sender_id = str_of(sender),
		.sender_name = {"", 0},
		.content = str_of(content),
		.uid = str_of(uid),
		.deleted_by = str_of(by),
	};
	struct ticket_event *copy = event_copy(&event);

	(void)state;
	assert_non_null(copy);
	memset(ticket, 'x', sizeof(ticket));
	memset(sender, 'x', sizeof(sender));
	memset(content, 'x', sizeof(content));
	memset(uid, 'x', sizeof(uid));
	memset(by, 'x', sizeof(by));
	assert_int_equal(copy->seq, 5);
	assert_int_equal(copy->kind, EVENT_EDIT);
	assert_true(str_eq_c(copy->ticket, "T-1"));
	assert_true(str_eq_c(copy->sender_id, "alice"));
	assert_true(str_eq_c(copy->content, "text"));
	assert_true(str_eq_c(copy->uid, "u"));
	assert_true(str_eq_c(copy->deleted_by, "bob"));
	/* Empty and absent stay two things. */
	assert_non_null(copy->sender_name.p);
	assert_int_equal(copy->sender_name.n, 0);
	assert_null(copy->detail.p);
	assert_int_equal(event_size(copy), sizeof(*copy) + 3 + 5 + 4 + 1 + 3);
	event_copy_free(copy);
	event_copy_free(NULL);
}

static void letters(void **state)
{
	int kinds = 0, message_kinds = 0;

	(void)state;
	for (int letter = -1; letter < 300; letter++) {
		kinds += event_kind_is_known(letter);
		message_kinds += event_message_kind_is_known(letter);
	}
	assert_int_equal(kinds, 5);
	assert_int_equal(message_kinds, 3);
	assert_false(event_message_kind_is_known(MESSAGE_NONE));
	assert_string_equal(event_message_kind_text(MESSAGE_TEXT), "text");
	assert_string_equal(event_message_kind_text(MESSAGE_NOTE), "note");
	assert_string_equal(event_message_kind_text(MESSAGE_SYSTEM), "system");
	assert_string_equal(event_message_kind_text(MESSAGE_NONE), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copying),
		cmocka_unit_test(letters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
