/* SPDX-License-Identifier: BSD-2-Clause */
/* The board of store health, with the clock moved by hand. */
#include "config.h"

#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "cmocka_setup.h"
#include "store/mode.h"

static int setup(void **state)
{
	*state = mode_new();
	return *state != NULL ? 0 : -1;
}

static int teardown(void **state)
{
	mode_free(*state);
	return 0;
}

static void test_begins_full(void **state)
{
	assert_int_equal(mode_now(*state), MODE_FULL);
	assert_true(mode_ask(*state, MODE_REDIS));
	assert_true(mode_ask(*state, MODE_POSTGRES));
	assert_false(mode_succeeded(*state, MODE_REDIS));
}

static void test_first_failure_marks_away(void **state)
{
	assert_true(mode_failed(*state, MODE_REDIS));
	assert_false(mode_failed(*state, MODE_REDIS));
	assert_int_equal(mode_now(*state), MODE_NO_REDIS);
	assert_false(mode_is_up(*state, MODE_REDIS));
	assert_true(mode_is_up(*state, MODE_POSTGRES));
	assert_false(mode_ask(*state, MODE_REDIS));
	assert_true(mode_ask(*state, MODE_POSTGRES));
}

static void test_one_probes_each_half_second(void **state)
{
	mode_failed(*state, MODE_REDIS);
	clock_shift_ms(MODE_PROBE_MS - 20);
	assert_false(mode_probe_is_due(*state, MODE_REDIS));
	assert_false(mode_ask(*state, MODE_REDIS));
	clock_shift_ms(40);
	assert_true(mode_probe_is_due(*state, MODE_REDIS));
	assert_true(mode_ask(*state, MODE_REDIS));
	assert_false(mode_ask(*state, MODE_REDIS));
	assert_false(mode_probe_is_due(*state, MODE_REDIS));
	/* The prober died without a word: the next one's turn comes all the same. */
	clock_shift_ms(MODE_PROBE_MS + 20);
	assert_true(mode_ask(*state, MODE_REDIS));
}

static void test_two_successes_a_second_apart_bring_it_back(void **state)
{
	mode_failed(*state, MODE_POSTGRES);
	assert_int_equal(mode_now(*state), MODE_NO_POSTGRES);
	clock_shift_ms(600);
	assert_false(mode_succeeded(*state, MODE_POSTGRES));
	clock_shift_ms(600);
	assert_false(mode_succeeded(*state, MODE_POSTGRES));
	assert_int_equal(mode_now(*state), MODE_NO_POSTGRES);
	clock_shift_ms(600);
	assert_true(mode_succeeded(*state, MODE_POSTGRES));
	assert_int_equal(mode_now(*state), MODE_FULL);
	assert_false(mode_succeeded(*state, MODE_POSTGRES));
}

static void test_a_failure_between_starts_anew(void **state)
{
	mode_failed(*state, MODE_REDIS);
	assert_false(mode_succeeded(*state, MODE_REDIS));
	clock_shift_ms(900);
	assert_false(mode_failed(*state, MODE_REDIS));
	clock_shift_ms(900);
	assert_false(mode_succeeded(*state, MODE_REDIS));
	clock_shift_ms(900);
	assert_false(mode_succeeded(*state, MODE_REDIS));
	clock_shift_ms(200);
	assert_true(mode_succeeded(*state, MODE_REDIS));
}

static void test_a_former_outage_does_not_count(void **state)
{
	mode_failed(*state, MODE_REDIS);
	mode_succeeded(*state, MODE_REDIS);
	clock_shift_ms(1100);
	assert_true(mode_succeeded(*state, MODE_REDIS));
	assert_true(mode_failed(*state, MODE_REDIS));
	assert_false(mode_succeeded(*state, MODE_REDIS));
	assert_int_equal(mode_now(*state), MODE_NO_REDIS);
}

static void test_unswept_is_no_redis(void **state)
{
	mode_set_swept(*state, false);
	assert_int_equal(mode_now(*state), MODE_NO_REDIS);
	assert_true(mode_ask(*state, MODE_REDIS));
	mode_failed(*state, MODE_POSTGRES);
	assert_int_equal(mode_now(*state), MODE_DOWN);
	mode_set_swept(*state, true);
	assert_int_equal(mode_now(*state), MODE_NO_POSTGRES);
}

static void test_texts(void **state)
{
	(void)state;
	assert_string_equal(mode_text(MODE_FULL), "full");
	assert_string_equal(mode_text(MODE_NO_REDIS), "no-redis");
	assert_string_equal(mode_text(MODE_NO_POSTGRES), "no-postgres");
	assert_string_equal(mode_text(MODE_DOWN), "down");
}

/* Of eight processes that see a probe due, exactly one is sent. */
static void test_processes_share_it(void **state)
{
	struct mode_board *board = *state;
	int gate[2], sent = 0;

	assert_int_equal(pipe(gate), 0);
	mode_failed(board, MODE_REDIS);
	clock_shift_ms(MODE_PROBE_MS + 1);
	for (int i = 0; i < 8; i++) {
		pid_t pid = fork();
		char byte;

		assert_int_not_equal(pid, -1);
		if (pid == 0) {
			close(gate[1]);
			/* All start when the gate closes. */
			while (read(gate[0], &byte, 1) > 0)
				continue;
			_exit(mode_ask(board, MODE_REDIS) ? 1 : 0);
		}
	}
	close(gate[0]);
	close(gate[1]);
	for (int i = 0; i < 8; i++) {
		int status;

		assert_true(wait(&status) > 0);
		assert_true(WIFEXITED(status));
		sent += WEXITSTATUS(status);
	}
	assert_int_equal(sent, 1);
	assert_false(mode_ask(board, MODE_REDIS));
}

static void test_what_was_not_pushed_is_remembered(void **state)
{
	int64_t before = clock_mono_ms(), after;

	assert_false(mode_is_unpushed_since(*state, 3, 0));
	mode_note_unpushed(*state, 3);
	assert_true(mode_is_unpushed_since(*state, 3, before));
	assert_true(mode_is_unpushed_since(*state, 3 + MODE_PARTITIONS, before));
	assert_false(mode_is_unpushed_since(*state, 4, 0));
	after = clock_mono_ms() + 1;
	assert_false(mode_is_unpushed_since(*state, 3, after));
	clock_shift_ms(1000);
	mode_note_unpushed(*state, 3);
	assert_true(mode_is_unpushed_since(*state, 3, after));
	/* It is no outage. */
	assert_int_equal(mode_now(*state), MODE_FULL);
}

static void test_a_board_knows_its_age(void **state)
{
	assert_true(mode_is_new_since(*state, clock_mono_ms() - 10000));
	assert_false(mode_is_new_since(*state, clock_mono_ms() + 1));
}

int main(void)
{
#define BOARD_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		BOARD_TEST(test_begins_full),
		BOARD_TEST(test_first_failure_marks_away),
		BOARD_TEST(test_one_probes_each_half_second),
		BOARD_TEST(test_two_successes_a_second_apart_bring_it_back),
		BOARD_TEST(test_a_failure_between_starts_anew),
		BOARD_TEST(test_a_former_outage_does_not_count),
		BOARD_TEST(test_unswept_is_no_redis),
		BOARD_TEST(test_what_was_not_pushed_is_remembered),
		BOARD_TEST(test_a_board_knows_its_age),
		cmocka_unit_test(test_texts),
		BOARD_TEST(test_processes_share_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
