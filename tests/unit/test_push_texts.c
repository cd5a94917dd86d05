/* SPDX-License-Identifier: BSD-2-Clause */
/* Texts as they come in: opened, told as absent where they cannot be, and not at all without memory. */
#include "config.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmocka_setup.h"
#include "exhausted.h"
#include "push/texts.h"
#include "seal_ring.h"

static struct ticket_event event = {
	.ticket = STR("T-1"),
	.epoch = 1,
	.seq = 1,
	.kind = EVENT_MESSAGE,
	.sender_id = STR("ann"),
	.uid = STR("uid-1"),
};
static struct buf sealed;
static struct texts *texts;
static int log_end;

static int setup(void **state)
{
	const struct seal_place place = seal_place_of(&event);
	struct seal *seal = seal_ring_new();
	int ends[2];

	(void)state;
	buf_reset(&sealed);
	assert_int_equal(seal_put(seal, &place, STR("hello"), &sealed), 0);
	event.content = buf_str(&sealed);
	texts = texts_new();
	assert_non_null(texts);
	texts_set_keys(texts, seal);
	assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	log_end = ends[0];
	log_redirect(ends[1]);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	log_redirect(STDERR_FILENO);
	texts_free(texts);
	buf_deinit(&sealed);
	return 0;
}

/* What was logged since the last call; "" if nothing. */
static const char *logged(void)
{
	static char text[1024];
	ssize_t n = read(log_end, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void they_are_opened(void **state)
{
	struct ticket_event opened;
	struct str text;

	(void)state;
	assert_int_equal(texts_open(texts, &event, &opened), 0);
	assert_true(str_eq_c(opened.content, "hello"));
	assert_true(str_eq_c(opened.uid, "uid-1"));
	assert_int_equal(texts_open_text(texts, &(struct seal_place){0}, 1, STR("plain"), &text),
			 0);
	assert_true(str_eq_c(text, "plain"));
	assert_string_equal(logged(), "");
}

static void who_lacks_the_key_tells_nothing_and_says_so_once(void **state)
{
	struct ticket_event opened;

	(void)state;
	texts_set_keys(texts, seal_ring_new());
	assert_int_equal(texts_open(texts, &event, &opened), 0);
	assert_null(opened.content.p);
	assert_non_null(strstr(logged(), "its key is not in BELLHOP_SEAL_KEYS_FILE"));
	assert_int_equal(texts_open(texts, &event, &opened), 0);
	assert_string_equal(logged(), "");
}

/* It is not that the text cannot be read. */
static void without_memory_it_is_not_told(void **state)
{
	struct ticket_event opened;
	struct str text;

	(void)state;
	exhausted_after = 0;
	assert_int_equal(texts_open(texts, &event, &opened), -1);
	assert_int_equal(texts_open_text(texts, &(struct seal_place){0}, 1, event.content, &text),
			 -1);
	exhausted_after = -1;
	assert_int_equal(texts_open(texts, &event, &opened), 0);
	assert_true(str_eq_c(opened.content, "hello"));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(they_are_opened),
		TEST(who_lacks_the_key_tells_nothing_and_says_so_once),
		TEST(without_memory_it_is_not_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
