/* SPDX-License-Identifier: BSD-2-Clause */
/* A token's end is announced once and then comes, whatever becomes of the clock. */
#include "config.h"

#include <event2/event.h>

#include "base/clock.h"
#include "cmocka_setup.h"
#include "push/expiry.h"
#include "web/jwt.h"

enum { SHORT_MS = 30 };

struct owner {
	struct event_base *base;
	struct expiry *expiry;
	int64_t left_ms; /* as it was told last */
	int soon, over;
	int64_t watches_next; /* when it is told that it is soon */
};

static void on_soon(void *arg, int64_t left_ms)
{
	struct owner *owner = arg;

	owner->soon++;
	owner->left_ms = left_ms;
	if (owner->watches_next != 0)
		expiry_watch(owner->expiry, owner->watches_next);
	owner->watches_next = 0;
}

static void on_over(void *arg)
{
	((struct owner *)arg)->over++;
}

static void on_failed(void *arg)
{
	(void)arg;
	fail();
}

static const struct expiry_ops ops = {.soon = on_soon, .over = on_over, .failed = on_failed};

static int set_up(void **state)
{
	static struct owner owner;

	owner = (struct owner){.base = event_base_new()};
	owner.expiry = expiry_new(owner.base, &ops, &owner);
	assert_non_null(owner.expiry);
	*state = &owner;
	return 0;
}

static int tear_down(void **state)
{
	struct owner *owner = *state;

	expiry_free(owner->expiry);
	event_base_free(owner->base);
	return 0;
}

static void watch(struct owner *owner, int64_t in_ms)
{
	expiry_watch(owner->expiry, clock_real_ms() + in_ms);
}

/* Until nothing is left to wait for. */
static void run(struct owner *owner)
{
	assert_int_equal(event_base_loop(owner->base, 0), 1);
}

static void one_that_is_near_is_told_at_once(void **state)
{
	struct owner *owner = *state;

	watch(owner, SHORT_MS);
	assert_int_equal(owner->soon, 1);
	assert_in_range(owner->left_ms, 1, SHORT_MS);
	assert_int_equal(owner->over, 0);
	run(owner);
	assert_int_equal(owner->soon, 1);
	assert_int_equal(owner->over, 1);
}

static void one_that_is_far_is_told_when_it_is_near(void **state)
{
	struct owner *owner = *state;

	watch(owner, EXPIRY_SOON_MS + SHORT_MS);
	assert_int_equal(owner->soon, 0);
	/* What comes next is the end of the test. */
	owner->watches_next = clock_real_ms() - 1;
	run(owner);
	assert_int_equal(owner->soon, 1);
	assert_in_range(owner->left_ms, EXPIRY_SOON_MS - 1000, EXPIRY_SOON_MS);
	assert_int_equal(owner->over, 1);
}

static void one_that_is_past_is_over_at_once(void **state)
{
	struct owner *owner = *state;

	watch(owner, 0);
	assert_int_equal(owner->soon, 0);
	assert_int_equal(owner->over, 1);
	run(owner);
	assert_int_equal(owner->over, 1);
}

static void another_one_takes_its_place(void **state)
{
	struct owner *owner = *state;

	watch(owner, SHORT_MS);
	watch(owner, EXPIRY_SOON_MS * 2);
	assert_int_equal(owner->soon, 1);
	watch(owner, 2 * SHORT_MS);
	assert_int_equal(owner->soon, 2);
	run(owner);
	assert_int_equal(owner->over, 1);
	expiry_watch(owner->expiry, 0);
	run(owner);
	assert_int_equal(owner->soon + owner->over, 3);
}

static void a_clock_that_was_set_back_gives_more_time(void **state)
{
	struct owner *owner = *state;

	watch(owner, SHORT_MS);
	clock_shift_ms(-SHORT_MS);
	run(owner);
	assert_int_equal(owner->soon, 1);
	assert_int_equal(owner->over, 1);
	clock_shift_ms(SHORT_MS);
}

static void nothing_is_told_once_it_was_stopped(void **state)
{
	struct owner *owner = *state;

	watch(owner, SHORT_MS);
	expiry_stop(owner->expiry);
	run(owner);
	assert_int_equal(owner->over, 0);
}

static void the_leeway_is_the_end_of_what_began_in_it(void **state)
{
	const int64_t now_ms = clock_real_ms(), leeway_ms = JWT_LEEWAY_S * INT64_C(1000);

	(void)state;
	assert_int_equal(expiry_end_ms(0, true), 0);
	assert_int_equal(expiry_end_ms(0, false), 0);
	assert_int_equal(expiry_end_ms(now_ms + 60000, true), now_ms + 60000);
	assert_int_equal(expiry_end_ms(now_ms - 5000, true), now_ms - 5000 + leeway_ms);
	assert_int_equal(expiry_end_ms(now_ms + 60000, false), now_ms + 60000 + leeway_ms);
	assert_int_equal(expiry_end_ms(now_ms - 5000, false), now_ms - 5000 + leeway_ms);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_that_is_near_is_told_at_once),
		TEST(one_that_is_far_is_told_when_it_is_near),
		TEST(one_that_is_past_is_over_at_once),
		TEST(another_one_takes_its_place),
		TEST(a_clock_that_was_set_back_gives_more_time),
		TEST(nothing_is_told_once_it_was_stopped),
		TEST(the_leeway_is_the_end_of_what_began_in_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
