/* SPDX-License-Identifier: BSD-2-Clause */
/* Options, settings at start, reload: what every daemon does alike. */
#include "config.h"

#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/startup.h"
#include "cmocka_setup.h"
#include "tempdir.h"

static struct tempdir dir;
static char conf_path[128];
static bool check_fails;

static int check(const struct conf *conf, struct buf *error)
{
	(void)conf;
	if (!check_fails)
		return 0;
	buf_puts(error, "could not load the keys: none there\n");
	return -1;
}

static const struct startup_program program = {.name = "bellhop-test", .check = check};

static void write_conf(const char *text)
{
	snprintf(conf_path, sizeof(conf_path), "%s",
		 tempdir_file(&dir, "conf", text, strlen(text), 0600));
}

static int setup(void **state)
{
	(void)state;
	clearenv();
	check_fails = false;
	opterr = 0;
	tempdir_init(&dir);
	write_conf("BELLHOP_LOG_LEVEL=error\nBELLHOP_API_WORKERS=3\n");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	log_redirect(STDERR_FILENO);
	tempdir_deinit(&dir);
	return 0;
}

/* Starts with up to two arguments, output thrown away. */
static int begin(const char *first, const char *second, struct startup *st)
{
	char *argv[] = {(char *)"bellhop-test", (char *)first, (char *)second, NULL};
	int argc = 1 + (first != NULL) + (second != NULL);
	int out = dup(STDOUT_FILENO), err = dup(STDERR_FILENO);
	int null = open("/dev/null", O_WRONLY);
	int status;

	fflush(NULL);
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	status = startup_begin(&program, argc, argv, st);
	fflush(NULL);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	close(null);
	close(out);
	close(err);
	return status;
}

static void exit_statuses(void **state)
{
	struct startup st;

	(void)state;
	assert_int_equal(begin("--help", NULL, &st), 0);
	assert_int_equal(begin("-h", NULL, &st), 0);
	assert_int_equal(begin("--version", NULL, &st), 0);
	assert_int_equal(begin("-V", NULL, &st), 0);
	assert_int_equal(begin("--no-such-option", NULL, &st), 2);
	assert_int_equal(begin("-c", NULL, &st), 2);
	assert_int_equal(begin("stray", NULL, &st), 2);
	assert_int_equal(begin("-c", "/nonexistent/file", &st), 1);
	assert_null(st.conf);
}

static void testing_the_settings(void **state)
{
	char option[160];
	struct startup st;

	(void)state;
	snprintf(option, sizeof(option), "-c%s", conf_path);
	assert_int_equal(begin("-t", option, &st), 0);
	check_fails = true;
	assert_int_equal(begin("-t", option, &st), 1);
	assert_int_equal(begin("-c", conf_path, &st), 1);
	check_fails = false;
	write_conf("BELLHOP_API_WORKERS=none\n");
	assert_int_equal(begin("--test-config", option, &st), 1);
	assert_null(st.conf);
}

static void going_on(void **state)
{
	struct sigaction action;
	struct startup st;

	(void)state;
	assert_int_equal(begin("-c", conf_path, &st), STARTUP_GO_ON);
	assert_true(conf_int(st.conf, CONF_API_WORKERS) == 3);
	assert_false(log_enabled(LOG_LEVEL_WARN));
	assert_int_equal(sigaction(SIGPIPE, NULL, &action), 0);
	assert_true(action.sa_handler == SIG_IGN);
	startup_end(&st);
	startup_end(&st);
}

static void reloading(void **state)
{
	int null = open("/dev/null", O_WRONLY);
	struct conf *old = NULL, *before;
	struct startup st;

	(void)state;
	assert_int_equal(begin("-c", conf_path, &st), STARTUP_GO_ON);
	log_redirect(null);
	before = st.conf;
	write_conf("BELLHOP_LOG_LEVEL=debug\nBELLHOP_API_WORKERS=4\n");
	assert_int_equal(startup_reload(&st, &old), 0);
	assert_ptr_equal(old, before);
	assert_true(log_enabled(LOG_LEVEL_DEBUG));
	assert_true(conf_int(st.conf, CONF_API_WORKERS) == 3);
	conf_free(old);

	/* A bad file, or one that the program does not like, changes nothing. */
	before = st.conf;
	write_conf("BELLHOP_LOG_LEVEL=loud\n");
	assert_int_equal(startup_reload(&st, &old), -1);
	write_conf("BELLHOP_LOG_LEVEL=error\n");
	check_fails = true;
	assert_int_equal(startup_reload(&st, &old), -1);
	assert_ptr_equal(st.conf, before);
	assert_true(log_enabled(LOG_LEVEL_DEBUG));
	startup_end(&st);
	close(null);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(exit_statuses),
		TEST(testing_the_settings),
		TEST(going_on),
		TEST(reloading),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
