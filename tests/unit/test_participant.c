/* SPDX-License-Identifier: BSD-2-Clause */
/* What a participant event says of whom, and that nothing odd says anything. */
#include "config.h"

#include "chat/participant.h"
#include "cmocka_setup.h"

static struct ticket_event event_of(struct str detail)
{
	return (struct ticket_event){.seq = 1, .kind = EVENT_PARTICIPANT, .detail = detail};
}

static void test_reads_what_it_says(void **state)
{
	struct ticket_event event =
		event_of(STR("{\"user_id\" : \"bob@x.y\", \"role\" : \"agent\"}"));
	struct participant_change change;

	(void)state;
	assert_int_equal(participant_parse(&event, &change), 0);
	assert_string_equal(change.user, "bob@x.y");
	assert_string_equal(change.role, "agent");
	assert_false(change.is_removed);
	assert_false(participant_removes(&event, STR("bob@x.y")));

	event = event_of(STR("{\"user_id\":\"bob@x.y\",\"role\":\"removed\",\"more\":[1]}"));
	assert_int_equal(participant_parse(&event, &change), 0);
	assert_true(change.is_removed);
	assert_true(participant_removes(&event, STR("bob@x.y")));
	assert_false(participant_removes(&event, STR("bob@x")));
	assert_false(participant_removes(&event, STR("bob@x.yz")));
}

static void test_odd_details_say_nothing(void **state)
{
	static const char *const details[] = {
		"",
		"{",
		"[]",
		"null",
		"{}",
		"{\"user_id\":\"bob\"}",
		"{\"role\":\"removed\"}",
		"{\"user_id\":1,\"role\":\"removed\"}",
		"{\"user_id\":\"bob\",\"role\":null}",
		"{\"user_id\":\"\",\"role\":\"removed\"}",
		"{\"user_id\":\"bob\",\"role\":\"\"}",
		"{\"user_id\":\"bob\",\"role\":\"a-role-that-is-too-long\"}",
		("{\"user_id\":\"12345678901234567890123456789012345678901234567890123456789012345\","
		 "\"role\":\"removed\"}"),
	};
	struct participant_change change;

	(void)state;
	for (size_t i = 0; i < sizeof(details) / sizeof(details[0]); i++) {
		struct ticket_event event = event_of(str_of(details[i]));

		if (participant_parse(&event, &change) == 0)
			fail_msg("%s", details[i]);
		assert_false(participant_removes(&event, STR("bob")));
	}
}

static void test_other_events_say_nothing(void **state)
{
	struct ticket_event event = event_of(STR("{\"user_id\":\"bob\",\"role\":\"removed\"}"));

	(void)state;
	event.kind = EVENT_TICKET;
	assert_false(participant_removes(&event, STR("bob")));
	event = event_of((struct str){0});
	assert_false(participant_removes(&event, STR("bob")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_what_it_says),
		cmocka_unit_test(test_odd_details_say_nothing),
		cmocka_unit_test(test_other_events_say_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
