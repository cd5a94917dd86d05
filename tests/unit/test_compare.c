/* SPDX-License-Identifier: BSD-2-Clause */
/* A stream's event may be behind an edit, never behind a deletion, and differ in nothing else. */
#include "config.h"

#include "store/compare.h"

#include "cmocka_setup.h"

static struct ticket_event message(void)
{
	return (struct ticket_event){
		.ticket = STR("T-1"),
		.seq = 5,
		.n = 4,
		.n_public = 3,
		.prev_public = 3,
		.rev = 1,
		.kind = EVENT_MESSAGE,
		.message_kind = MESSAGE_TEXT,
		.is_public = true,
		.sender_id = STR("ann"),
		.uid = STR("u"),
		.content = STR("text"),
		.sent_at_ms = 1000,
	};
}

static void same(void **state)
{
	struct ticket_event a = message(), b = message();

	(void)state;
	assert_null(compare_event(&a, &b));
}

static void every_field(void **state)
{
	struct ticket_event a = message(), b;

	(void)state;
	b = message(), b.n_public = 2;
	assert_string_equal(compare_event(&a, &b), "n_public");
	b = message(), b.sender_name = STR("");
	assert_string_equal(compare_event(&a, &b), "sender_name");
	b = message(), b.kind = EVENT_EDIT;
	assert_string_equal(compare_event(&a, &b), "kind");
	b = message(), b.is_public = false;
	assert_string_equal(compare_event(&a, &b), "public");
	b = message(), b.content = STR("texT");
	assert_string_equal(compare_event(&a, &b), "content");
}

static void edits(void **state)
{
	struct ticket_event older = message(), newer = message();

	(void)state;
	newer.rev = 2;
	newer.content = STR("edited");
	newer.edited_at_ms = 2000;
	assert_null(compare_event(&older, &newer));
	assert_string_equal(compare_event(&newer, &older), "rev");
	older.rev = 2;
	older.content = newer.content;
	assert_string_equal(compare_event(&older, &newer), "edited_at");
}

static void deletions(void **state)
{
	struct ticket_event stream = message(), record = message();

	(void)state;
	record.deleted_at_ms = 2000;
	record.deleted_by = STR("bob");
	record.content = (struct str){0};
	assert_string_equal(compare_event(&stream, &record), "deleted_at");
	stream.deleted_at_ms = 2000;
	assert_string_equal(compare_event(&stream, &record), "deleted_by");
	stream.deleted_by = STR("bob");
	assert_string_equal(compare_event(&stream, &record), "content, which was deleted");
	stream.content = (struct str){0};
	assert_null(compare_event(&stream, &record));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same),
		cmocka_unit_test(every_field),
		cmocka_unit_test(edits),
		cmocka_unit_test(deletions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
