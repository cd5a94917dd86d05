/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers, times and options of the command line. */
#include "config.h"

#include <getopt.h>
#include <string.h>

#include "cli/command.h"
#include "cmocka_setup.h"

enum { OPTION_COUNT = OPTION_LONG };

static const struct command_option options[] = {
	{'n', "dry-run", NULL, "x"},
	{OPTION_COUNT, "count", "N", "x"},
	{0},
};

static int nothing(struct invocation *in)
{
	(void)in;
	return COMMAND_OK;
}

static const struct command command = {
	.name = "test",
	.operands = "",
	.summary = "x",
	.options = options,
	.run = nothing,
};

static void times(void **state)
{
	static const struct {
		const char *text;
		long seconds;
	} rows[] = {
		{"0", 0},
		{"90", 90},
		{"90s", 90},
		{"15m", 900},
		{"1h", 3600},
		{"7d", 604800},
		{"", -1},
		{"h", -1},
		{"-1", -1},
		{"+1", -1},
		{" 1", -1},
		{"1 h", -1},
		{"1w", -1},
		{"1hh", -1},
		{"1.5h", -1},
		{"99999999999999999999", -1},
		{"9223372036854775807d", -1},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++)
		assert_int_equal(command_duration_s(rows[i].text), rows[i].seconds);
}

static void numbers(void **state)
{
	(void)state;
	assert_int_equal(command_number("1", 1, 200), 1);
	assert_int_equal(command_number("200", 1, 200), 200);
	assert_int_equal(command_number("0", 1, 200), -1);
	assert_int_equal(command_number("201", 1, 200), -1);
	assert_int_equal(command_number("", 1, 200), -1);
	assert_int_equal(command_number("-1", 1, 200), -1);
	assert_int_equal(command_number("1x", 1, 200), -1);
	assert_int_equal(command_number("99999999999999999999", 1, 200), -1);
}

/* Starts an invocation of the arguments, the last of them NULL. */
static struct invocation invoke(char **argv)
{
	struct invocation in = {.command = &command, .argv = argv};

	while (argv[in.argc] != NULL)
		in.argc++;
	optind = 0;
	return in;
}

static void options_and_operands(void **state)
{
	char *argv[] = {(char[]){"test"},    (char[]){"T-1"},
			(char[]){"--count"}, (char[]){"5"},
			(char[]){"-n"},	     (char[]){"-c"},
			(char[]){"my.conf"}, (char[]){"--"},
			(char[]){"--text"},  NULL};
	struct invocation in = invoke(argv);

	(void)state;
	assert_int_equal(command_option(&in), OPTION_COUNT);
	assert_string_equal(in.value, "5");
	assert_int_equal(command_option(&in), 'n');
	assert_int_equal(command_option(&in), 0);
	assert_string_equal(in.config_file, "my.conf");
	assert_int_equal(in.argc, 2);
	assert_string_equal(in.argv[0], "T-1");
	assert_string_equal(in.argv[1], "--text");
}

static void wrong_usage(void **state)
{
	char *unknown[] = {(char[]){"test"}, (char[]){"--bogus"}, NULL};
	char *letter[] = {(char[]){"test"}, (char[]){"-x"}, NULL};
	char *without[] = {(char[]){"test"}, (char[]){"--count"}, NULL};
	char **rows[] = {unknown, letter, without};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct invocation in = invoke(rows[i]);

		assert_int_equal(command_option(&in), -1);
		assert_int_equal(in.status, COMMAND_USAGE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times),
		cmocka_unit_test(numbers),
		cmocka_unit_test(options_and_operands),
		cmocka_unit_test(wrong_usage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
