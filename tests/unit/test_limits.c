/* SPDX-License-Identifier: BSD-2-Clause */
/* Which limit a call falls under, and what answers say of it. */
#include "config.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "chat/limits.h"
#include "cmocka_setup.h"

#define SECOND INT64_C(1000000)

static struct limits load(const char *sends, const char *calls, const char *is_dry_run)
{
	struct buf report = BUF_INIT;
	struct limits limits;
	struct conf *conf;

	setenv("BELLHOP_LIMIT_SENDS", sends, 1);
	setenv("BELLHOP_LIMIT_CALLS", calls, 1);
	setenv("BELLHOP_LIMIT_DRY_RUN", is_dry_run, 1);
	conf = conf_load("/dev/null", &report);
	assert_non_null(conf);
	limits_load(conf, &limits);
	conf_free(conf);
	buf_deinit(&report);
	return limits;
}

static void services_are_exempt(void **state)
{
	static const enum role limited[] = {ROLE_REQUESTER, ROLE_AGENT, ROLE_ADMIN};
	const struct limits limits = load("", "", "");
	struct identity who = {.role = ROLE_SERVICE};

	(void)state;
	assert_false(limits_apply(&limits, LIMITS_SENDS, &who));
	assert_false(limits_apply(&limits, LIMITS_CALLS, &who));
	for (size_t i = 0; i < LENGTH(limited); i++) {
		who.role = limited[i];
		assert_true(limits_apply(&limits, LIMITS_SENDS, &who));
		assert_true(limits_apply(&limits, LIMITS_CALLS, &who));
		assert_false(limits_apply(&limits, LIMITS_NONE, &who));
	}
}

static void each_can_be_off(void **state)
{
	const struct identity who = {.role = ROLE_AGENT};
	struct limits limits = load("0", "1/1", "");

	(void)state;
	assert_false(limits_apply(&limits, LIMITS_SENDS, &who));
	assert_true(limits_apply(&limits, LIMITS_CALLS, &who));
	limits = load("1/1", "0", "");
	assert_true(limits_apply(&limits, LIMITS_SENDS, &who));
	assert_false(limits_apply(&limits, LIMITS_CALLS, &who));
}

static void answers_tell_of_it(void **state)
{
	const struct limits limits = load("", "", "");
	struct limits_verdict verdict;

	(void)state;
	limits_judge(&limits, LIMITS_SENDS, SECOND / 2, &verdict);
	assert_false(verdict.is_refused);
	assert_string_equal(verdict.lines, "RateLimit-Policy: \"sends\";q=20;w=10\r\n"
					   "RateLimit: \"sends\";r=19;t=1\r\n");
	limits_judge(&limits, LIMITS_CALLS, 83333, &verdict);
	assert_false(verdict.is_refused);
	assert_string_equal(verdict.lines, "RateLimit-Policy: \"calls\";q=120;w=10\r\n"
					   "RateLimit: \"calls\";r=119;t=1\r\n");
}

static void refusals_say_when(void **state)
{
	static const struct {
		const char *sends;
		int64_t answer;
		int retry_after_s;
		const char *lines, *detail;
	} rows[] = {
		{"20/10", -1, 1,
		 "RateLimit-Policy: \"sends\";q=20;w=10\r\nRateLimit: \"sends\";r=0;t=1\r\n",
		 "more than 20 sends in 10 s"},
		{"1/60", -60 * SECOND, 60,
		 "RateLimit-Policy: \"sends\";q=1;w=60\r\nRateLimit: \"sends\";r=0;t=60\r\n",
		 "more than 1 sends in 60 s"},
		{"1/60", -59 * SECOND - 1, 60,
		 "RateLimit-Policy: \"sends\";q=1;w=60\r\nRateLimit: \"sends\";r=0;t=60\r\n",
		 "more than 1 sends in 60 s"},
		{"1000000/86400", -86400, 1,
		 "RateLimit-Policy: \"sends\";q=1000000;w=86400\r\nRateLimit: \"sends\";r=0;t=1\r\n",
		 "more than 1000000 sends in 86400 s"},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		const struct limits limits = load(rows[i].sends, "", "");
		struct limits_verdict verdict;

		limits_judge(&limits, LIMITS_SENDS, rows[i].answer, &verdict);
		assert_true(verdict.is_refused && !verdict.would_be_refused);
		assert_int_equal(verdict.retry_after_s, rows[i].retry_after_s);
		assert_string_equal(verdict.lines, rows[i].lines);
		assert_string_equal(verdict.detail, rows[i].detail);
	}
}

static void a_dry_run_refuses_nothing(void **state)
{
	const struct limits limits = load("", "", "yes");
	struct limits_verdict verdict;

	(void)state;
	limits_judge(&limits, LIMITS_SENDS, -1, &verdict);
	assert_true(!verdict.is_refused && verdict.would_be_refused);
	assert_string_equal(verdict.lines, "RateLimit-Policy: \"sends\";q=20;w=10\r\n"
					   "RateLimit: \"sends\";r=0;t=1\r\n");
	limits_judge(&limits, LIMITS_SENDS, 1, &verdict);
	assert_true(!verdict.is_refused && !verdict.would_be_refused);
}

/* What was logged since the last call; "" if nothing. */
static const char *logged(int fd)
{
	static char text[1024];
	ssize_t n = read(fd, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void the_log_is_kept_short(void **state)
{
	const struct log_ctx ctx = {.user = STR("ann")};
	const struct limits_verdict good = {0}, bad = {.would_be_refused = true};
	struct limits_log log = {0};
	const char *line;
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	log_redirect(ends[1]);
	limits_log_verdict(&log, &good, LIMITS_CALLS, &ctx, 4000);
	assert_string_equal(logged(ends[0]), "");
	limits_log_verdict(&log, &bad, LIMITS_CALLS, &ctx, 5000);
	line = logged(ends[0]);
	assert_non_null(strstr(line, "a limit would have refused this call"));
	assert_non_null(strstr(line, "policy=calls"));
	assert_non_null(strstr(line, "unsaid=0"));
	assert_non_null(strstr(line, "user=ann"));
	for (int64_t ms = 5000; ms < 6000; ms += 100)
		limits_log_verdict(&log, &bad, LIMITS_SENDS, &ctx, ms);
	assert_string_equal(logged(ends[0]), "");
	limits_log_verdict(&log, &bad, LIMITS_SENDS, &ctx, 6000);
	line = logged(ends[0]);
	assert_non_null(strstr(line, "policy=sends"));
	assert_non_null(strstr(line, "unsaid=10"));
	limits_log_verdict(&log, &bad, LIMITS_SENDS, &ctx, 9000);
	assert_non_null(strstr(logged(ends[0]), "unsaid=0"));
	log_redirect(STDERR_FILENO);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(services_are_exempt),
		cmocka_unit_test(each_can_be_off),
		cmocka_unit_test(answers_tell_of_it),
		cmocka_unit_test(refusals_say_when),
		cmocka_unit_test(a_dry_run_refuses_nothing),
		cmocka_unit_test(the_log_is_kept_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
