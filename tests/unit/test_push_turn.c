/* SPDX-License-Identifier: BSD-2-Clause */
/* The end of a turn: each job once, what frees last, and writes that wait only under load. */
#include "config.h"

#include <event2/event.h>
#include <stddef.h>

#include "cmocka_setup.h"
#include "push/turn.h"

static char order[16];
static size_t n_order;

struct named {
	struct turn_job job;
	struct turn *turn;
	struct named *asks; /* another job, when it runs */
	char name;
};

static void note(struct turn_job *job)
{
	struct named *named = (struct named *)((char *)job - offsetof(struct named, job));

	order[n_order++] = named->name;
	if (named->asks != NULL)
		turn_ask(named->turn, &named->asks->job);
}

static void on_nothing(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
}

static void jobs_run_once_writes_first(void **state)
{
	struct event_base *base = event_base_new();
	struct turn *turn = turn_new(base);
	struct event *now = event_new(base, -1, 0, on_nothing, NULL);
	struct named bury = {.job = {.run = note}, .turn = turn, .name = 'b'};
	struct named write = {
		.job = {.run = note, .is_paced = true}, .turn = turn, .asks = &bury, .name = 'w'};
	struct named never = {.job = {.run = note}, .turn = turn, .name = 'x'};

	(void)state;
	assert_non_null(base);
	assert_non_null(turn);
	assert_non_null(now);
	turn_ask(turn, &never.job);
	turn_ask(turn, &write.job);
	turn_ask(turn, &write.job);
	turn_cancel(turn, &never.job);
	turn_cancel(turn, &never.job);
	event_active(now, EV_TIMEOUT, 0);
	assert_int_equal(turn_run(turn), 0);
	order[n_order] = '\0';
	assert_string_equal(order, "wb");
	event_free(now);
	turn_free(turn);
	event_base_free(base);
}

static void writes_wait_longer_as_the_load_rises(void **state)
{
	int before = 0;

	(void)state;
	assert_int_equal(turn_pace_ms(0), 0);
	assert_int_equal(turn_pace_ms(60), 0);
	for (int busy = 0; busy <= 200; busy++) {
		assert_true(turn_pace_ms(busy) >= before);
		assert_true(turn_pace_ms(busy) <= TURN_PACE_MAX_MS);
		before = turn_pace_ms(busy);
	}
	assert_int_equal(before, TURN_PACE_MAX_MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jobs_run_once_writes_first),
		cmocka_unit_test(writes_wait_longer_as_the_load_rises),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
