/* SPDX-License-Identifier: BSD-2-Clause */
/* Log lines, read back through a pipe. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yajl/yajl_tree.h>

#include "base/log.h"
#include "cmocka_setup.h"

static int read_end, write_end;
static char line[2 * PIPE_BUF];

static int setup(void **state)
{
	int ends[2];

	(void)state;
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return -1;
	read_end = ends[0];
	write_end = ends[1];
	log_redirect(write_end);
	log_setup("test", LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	log_redirect(STDERR_FILENO);
	close(read_end);
	close(write_end);
	return 0;
}

/* What has been written since the last call; "" if nothing. */
static const char *written(void)
{
	ssize_t n = read(read_end, line, sizeof(line) - 1);

	line[n > 0 ? n : 0] = '\0';
	return line;
}

/* The line behind time, program, pid and level, whose form is checked here. */
static const char *text_after(const char *level)
{
	char mark[32];
	const char *found, *text = written();

	snprintf(mark, sizeof(mark), "] %s: ", level);
	found = strstr(text, mark);
	assert_non_null(found);
	assert_int_equal(text[10], 'T');
	assert_int_equal(text[23], 'Z');
	assert_int_equal(strncmp(text + 24, " test[", 6), 0);
	assert_int_equal(text[strlen(text) - 1], '\n');
	assert_null(memchr(text, '\n', strlen(text) - 1));
	return found + strlen(mark);
}

static void text_lines(void **state)
{
	const struct log_ctx ctx = {.request_id = STR("r1"), .ticket = STR("T-17")};

	(void)state;
	log_info(NULL, "ready");
	assert_string_equal(text_after("info"), "ready\n");
	log_warn(&ctx, "could not send", LOG_STR("reason", "a \"b\" = c"), LOG_INT("n", -3),
		 LOG_S("plain", STR("x/y")), LOG_STR("gone", NULL), LOG_STR("empty", ""));
	assert_string_equal(text_after("warn"),
			    "could not send request_id=r1 ticket=T-17 "
			    "reason=\"a \\\"b\\\" = c\" n=-3 plain=x/y empty=\"\"\n");
}

static void levels(void **state)
{
	(void)state;
	log_debug(NULL, "hidden");
	assert_string_equal(written(), "");
	log_setup("test", LOG_LEVEL_DEBUG, LOG_FORMAT_TEXT);
	log_debug(NULL, "shown", LOG_INT("n", 1));
	assert_string_equal(text_after("debug"), "shown n=1\n");
	log_setup("test", LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
	log_warn(NULL, "hidden");
	assert_string_equal(written(), "");
	log_error(NULL, "shown");
	assert_string_equal(text_after("error"), "shown\n");
}

static void names(void **state)
{
	enum log_level level = LOG_LEVEL_ERROR;
	enum log_format format = LOG_FORMAT_TEXT;

	(void)state;
	assert_int_equal(log_level_parse(STR("debug"), &level), 0);
	assert_int_equal(level, LOG_LEVEL_DEBUG);
	assert_int_equal(log_level_parse(STR("DEBUG"), &level), -1);
	assert_int_equal(log_format_parse(STR("json"), &format), 0);
	assert_int_equal(format, LOG_FORMAT_JSON);
	assert_int_equal(log_format_parse(STR(""), &format), -1);
}

/* No value can begin a line of its own. */
static void forgery(void **state)
{
	(void)state;
	log_info(NULL, "event", LOG_S("name", STR("a\n2026 fake\r\x1b[31m\x7f")));
	assert_string_equal(text_after("info"),
			    "event name=\"a\\n2026 fake\\u000d\\u001b[31m\\u007f\"\n");
	log_info(NULL, "event", LOG_S("name", STR("\xC3\xA9")),
		 LOG_S("csi", STR("\xC2\x9B"
				  "1m")),
		 LOG_S("bad", STR("a\xC3(")));
	assert_string_equal(text_after("info"),
			    "event name=\"\xC3\xA9\" csi=\"\\u009b1m\" bad=\"a\\ufffd(\"\n");
}

static yajl_val parse_json(void)
{
	char error[256] = "";
	yajl_val root = yajl_tree_parse(written(), error, sizeof(error));

	assert_string_equal(error, "");
	assert_true(YAJL_IS_OBJECT(root));
	return root;
}

static const char *json_text(yajl_val root, const char *name)
{
	const char *path[] = {name, NULL};

	return YAJL_GET_STRING(yajl_tree_get(root, path, yajl_t_string));
}

static void json_lines(void **state)
{
	const struct log_ctx ctx = {.user = STR("u\"1"), .peer = STR("p")};
	const char *path[] = {"n", NULL};
	yajl_val root;

	(void)state;
	log_setup("test", LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	log_info(&ctx, "event", LOG_INT("n", INT64_MIN), LOG_S("bytes", STR("\x80\n\\\"\x01")));
	root = parse_json();
	assert_string_equal(json_text(root, "level"), "info");
	assert_string_equal(json_text(root, "program"), "test");
	assert_string_equal(json_text(root, "event"), "event");
	assert_string_equal(json_text(root, "user"), "u\"1");
	assert_string_equal(json_text(root, "bytes"), "\xEF\xBF\xBD\n\\\"\x01");
	assert_true(YAJL_GET_INTEGER(yajl_tree_get(root, path, yajl_t_number)) == INT64_MIN);
	yajl_tree_free(root);
}

/* Long values and many fields: still one line that a pipe takes whole, and still JSON. */
static void long_lines(void **state)
{
	char value[5000];
	struct log_field fields[40];

	(void)state;
	memset(value, '\x01', sizeof(value));
	for (size_t i = 0; i < LENGTH(fields); i++)
		fields[i] = LOG_S("name", ((struct str){value, i * 120}));
	for (size_t n = 0; n <= LENGTH(fields); n++) {
		for (size_t length = 0; length < 1100; length += 37) {
			size_t size;

			value[0] = 'x';
			fields[0].text.n = length;
			log_setup("test", LOG_LEVEL_INFO, LOG_FORMAT_JSON);
			log_write(LOG_LEVEL_INFO, NULL, "event", fields, n);
			yajl_tree_free(parse_json());
			size = strlen(line);
			assert_in_range(size, 20, PIPE_BUF);
			assert_int_equal(line[size - 1], '\n');
			if (n == LENGTH(fields))
				assert_non_null(strstr(line, ",\"cut\":true}"));
		}
	}
}

/* A reader that does not keep up costs lines, never time; what was lost is counted. */
static void full_pipe(void **state)
{
	char drain[4096];
	int lines = 0;

	(void)state;
	while (lines < 100000 && write(write_end, drain, sizeof(drain)) > 0)
		lines++;
	errno = EDOM;
	log_info(NULL, "lost");
	log_info(NULL, "lost");
	assert_int_equal(errno, EDOM);
	while (read(read_end, drain, sizeof(drain)) > 0)
		;
	log_info(NULL, "heard");
	assert_string_equal(text_after("info"), "heard dropped_lines=2\n");
	log_info(NULL, "heard");
	assert_string_equal(text_after("info"), "heard\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(text_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(levels, setup, teardown),
		cmocka_unit_test_setup_teardown(names, setup, teardown),
		cmocka_unit_test_setup_teardown(forgery, setup, teardown),
		cmocka_unit_test_setup_teardown(json_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(long_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(full_pipe, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
