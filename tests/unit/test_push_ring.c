/* SPDX-License-Identifier: BSD-2-Clause */
/* The newest events of a ticket and their frames. */
#include "config.h"

#include <string.h>

#include "cmocka_setup.h"
#include "push/ring.h"
#include "push_events.h"

static void only_the_next_event_is_taken(void **state)
{
	struct push_events ticket = {.epoch = 1};
	struct ring *ring = ring_new(4, 1 << 20);
	struct ticket_event first = push_events_next(&ticket, false);
	struct ticket_event second = push_events_next(&ticket, false);

	(void)state;
	assert_non_null(ring);
	assert_int_equal(ring_first(ring), 1);
	assert_int_equal(ring_last(ring), 0);
	assert_int_equal(ring_append(ring, &second), -1);
	assert_int_equal(ring_append(ring, &first), 0);
	assert_int_equal(ring_append(ring, &first), -1);
	assert_int_equal(ring_append(ring, &second), 0);
	assert_int_equal(ring_last(ring), 2);
	assert_null(ring_find(ring, 0));
	assert_null(ring_find(ring, 3));
	assert_int_equal(ring_find(ring, 1)->seq, 1);
	ring_free(ring);
}

static void the_oldest_leave_first(void **state)
{
	struct push_events ticket = {.epoch = 1};
	struct ring *ring = ring_new(100, 1 << 20);

	(void)state;
	assert_non_null(ring);
	for (int64_t seq = 1; seq <= 1000; seq++) {
		struct ticket_event event = push_events_next(&ticket, false);

		assert_int_equal(ring_append(ring, &event), 0);
		assert_int_equal(ring_first(ring), seq <= 100 ? 1 : seq - 99);
		for (int64_t held = ring_first(ring); held <= seq; held++)
			assert_int_equal(ring_find(ring, held)->seq, held);
	}
	ring_restart(ring, 5000);
	assert_int_equal(ring_first(ring), 5001);
	assert_null(ring_find(ring, 1000));
	ring_free(ring);
}

static void bytes_are_bounded_but_the_newest_stays(void **state)
{
	static char text[5000];
	struct push_events ticket = {.epoch = 1};
	struct ring *ring = ring_new(100, 20000);

	(void)state;
	assert_non_null(ring);
	memset(text, 'x', sizeof(text));
	for (int i = 0; i < 20; i++) {
		struct ticket_event event = push_events_next(&ticket, false);

		event.content = (struct str){text, sizeof(text)};
		assert_int_equal(ring_append(ring, &event), 0);
		assert_non_null(ring_frame(ring, event.seq, MESSAGE_FOR_STAFF));
		assert_non_null(ring_frame(ring, event.seq, MESSAGE_FOR_PUBLIC));
	}
	assert_true(ring_last(ring) - ring_first(ring) < 4);
	assert_non_null(ring_find(ring, 20));
	ring_free(ring);
}

static void a_frame_is_made_once_for_each_viewer(void **state)
{
	struct push_events ticket = {.epoch = 3};
	struct ring *ring = ring_new(8, 1 << 20);
	struct ticket_event note = push_events_next(&ticket, true);
	struct ticket_event message = push_events_next(&ticket, false);
	struct frame *staff, *public;

	(void)state;
	assert_non_null(ring);
	assert_int_equal(ring_append(ring, &note), 0);
	assert_int_equal(ring_append(ring, &message), 0);
	staff = ring_frame(ring, 2, MESSAGE_FOR_STAFF);
	public = ring_frame(ring, 2, MESSAGE_FOR_PUBLIC);
	assert_ptr_equal(staff, ring_frame(ring, 2, MESSAGE_FOR_STAFF));
	assert_ptr_equal(public, ring_frame(ring, 2, MESSAGE_FOR_PUBLIC));
	assert_ptr_not_equal(staff, public);
	assert_true(str_eq_c(frame_id(staff), "3.2"));
	assert_string_equal(staff->event, "message");
	assert_non_null(memmem(staff->bytes, staff->len, "\"prev\":1", 8));
	assert_non_null(memmem(public->bytes, public->len, "\"prev\":0", 8));
	assert_non_null(memmem(public->bytes, public->len, "\"n\":1", 5));
	/* The parts that a long poll takes are those of the whole. */
	assert_int_equal(frame_data(staff).p[0], '{');
	assert_int_equal(frame_data(staff).p[frame_data(staff).n - 1], '}');
	assert_memory_equal(staff->bytes + staff->data_at + staff->data_len, "\n\n", 2);
	ring_free(ring);
}

static bool tells(struct frame *frame, const char *text)
{
	assert_non_null(frame);
	return memmem(frame->bytes, frame->len, text, strlen(text)) != NULL;
}

static void a_deletion_takes_the_content_out(void **state)
{
	struct push_events ticket = {.epoch = 1};
	struct ring *ring = ring_new(16, 1 << 20);
	struct ticket_event events[4];

	(void)state;
	assert_non_null(ring);
	events[0] = push_events_next(&ticket, false);
	events[1] = push_events_next(&ticket, false);
	events[2] = push_events_next(&ticket, false);
	events[2].kind = EVENT_EDIT;
	events[2].target = 1;
	events[2].rev = 2;
	events[2].content = STR("an edited text");
	events[3] = events[2];
	events[3].kind = EVENT_DELETE;
	events[3].seq = 4;
	events[3].content = (struct str){0};
	events[3].deleted_at_ms = 5;
	events[3].deleted_by = STR("ann");
	for (int i = 0; i < 3; i++) {
		assert_int_equal(ring_append(ring, &events[i]), 0);
		assert_true(tells(ring_frame(ring, i + 1, MESSAGE_FOR_STAFF), "text\""));
	}
	assert_int_equal(ring_append(ring, &events[3]), 0);
	for (int seq = 1; seq <= 4; seq++) {
		struct frame *frame = ring_frame(ring, seq, MESSAGE_FOR_STAFF);

		assert_int_equal(tells(frame, "some text"), seq == 2);
		assert_false(tells(frame, "an edited text"));
		assert_int_equal(tells(frame, "\"deleted_by\":\"ann\""), seq != 2);
		assert_int_equal(tells(frame, "\"rev\":2"), seq != 2);
	}
	ring_free(ring);
}

/* Events 1 to 4, of which 3 is an edit of 1: once 1 is erased no place but the record knows its text. */
static void what_tells_an_erased_text_is_let_go_of(void **state)
{
	struct push_events ticket = {.epoch = 1};
	struct ring *ring = ring_new(16, 1 << 20);

	(void)state;
	assert_non_null(ring);
	for (int i = 0; i < 4; i++) {
		struct ticket_event event = push_events_next(&ticket, false);

		if (event.seq == 3) {
			event.kind = EVENT_EDIT;
			event.target = 1;
		}
		assert_int_equal(ring_append(ring, &event), 0);
	}
	ring_forget(ring, 1);
	assert_int_equal(ring_first(ring), 1);
	ring_forget(ring, 2);
	assert_int_equal(ring_first(ring), 4);
	ring_forget(ring, 9);
	assert_int_equal(ring_first(ring), 5);
	assert_int_equal(ring_last(ring), 4);
	ring_free(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_the_next_event_is_taken),
		cmocka_unit_test(the_oldest_leave_first),
		cmocka_unit_test(bytes_are_bounded_but_the_newest_stays),
		cmocka_unit_test(a_frame_is_made_once_for_each_viewer),
		cmocka_unit_test(a_deletion_takes_the_content_out),
		cmocka_unit_test(what_tells_an_erased_text_is_let_go_of),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
