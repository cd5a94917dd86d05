/* SPDX-License-Identifier: BSD-2-Clause */
/* Places in the list of conversations, previews, and what an inbox event says. */
#include "config.h"

#include "chat/inbox.h"

#include <string.h>

#include "cmocka_setup.h"
#include "web/base64url.h"
#include "web/json_write.h"

static void places_come_back(void **state)
{
	static const struct {
		int64_t at_us;
		const char *ticket;
	} rows[] = {
		{0, "T-1"},
		{-1, "a"},
		{1795252348046164,
		 "0123456789012345678901234567890123456789012345678901234567890123"},
		{INT64_C(-62135596800000000), "A.b_c-d"},
		{INT64_C(253402300799999999), "9"},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct buf text = BUF_INIT;
		struct inbox_place place;

		inbox_place_put(&text, rows[i].at_us, str_of(rows[i].ticket));
		assert_true(buf_ok(&text));
		assert_int_equal(inbox_place_parse(buf_str(&text), &place), 0);
		assert_int_equal(place.active_at_us, rows[i].at_us);
		assert_string_equal(place.ticket, rows[i].ticket);
		/* Cut anywhere it is none, or another one. */
		for (size_t n = 0; n < text.len; n++) {
			if (inbox_place_parse((struct str){text.data, n}, &place) == 0)
				assert_string_not_equal(place.ticket, rows[i].ticket);
		}
		buf_deinit(&text);
	}
}

static void no_places(void **state)
{
	static const char *const rows[] = {
		"",
		":",
		"1",
		"1:",
		":T",
		"01:T",
		"+1:T",
		"1 :T",
		"1:.T",
		"1:T T",
		"1:T/1",
		"x:T",
		"1::T",
		"1:T\n",
		"9223372036854775807:T",
		"-9223372036854775808:T",
		"1:01234567890123456789012345678901234567890123456789012345678901234",
	};
	struct inbox_place place;

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct buf text = BUF_INIT;

		base64url_encode(&text, rows[i], strlen(rows[i]));
		if (inbox_place_parse(buf_str(&text), &place) == 0)
			fail_msg("%s", rows[i]);
		buf_deinit(&text);
	}
	assert_int_equal(inbox_place_parse(STR("MTpU="), &place), -1);
	assert_int_equal(inbox_place_parse((struct str){NULL, 0}, &place), -1);
}

static void previews(void **state)
{
	char text[1024];
	struct str preview;

	(void)state;
	assert_true(str_eq_c(inbox_preview(STR("hello")), "hello"));
	assert_null(inbox_preview((struct str){NULL, 0}).p);
	memset(text, 'x', sizeof(text));
	assert_int_equal(inbox_preview((struct str){text, 120}).n, 120);
	assert_int_equal(inbox_preview((struct str){text, 121}).n, 120);
	/* Characters of two to four bytes are counted as one, and never cut. */
	for (size_t i = 0; i + 4 <= sizeof(text); i += 4)
		memcpy(text + i, "\xF0\x9F\x94\x94", 4);
	assert_int_equal(inbox_preview((struct str){text, sizeof(text)}).n, 480);
	assert_int_equal(inbox_preview((struct str){text, 480}).n, 480);
	memcpy(text, "\xC3\xA4\xE2\x82\xAC", 5);
	memset(text + 5, 'x', sizeof(text) - 5);
	preview = inbox_preview((struct str){text, sizeof(text)});
	assert_int_equal(preview.n, 5 + 118);
}

static void news(void **state)
{
	struct inbox_news news = {
		.ticket = STR("T-1"),
		.newest_seq = 7,
		.unread = 2,
		.content = STR("hi \"x\""),
		.sender_id = STR("alice"),
		.active_at_ms = 1795186800123,
	};
	struct buf text = BUF_INIT;
	struct json_write j;

	(void)state;
	json_write_init(&j, &text);
	inbox_news_json(&j, &news);
	assert_int_equal(json_write_finish(&j), 0);
	assert_string_equal(buf_cstr(&text), "{\"ticket_id\":\"T-1\",\"newest_seq\":7,\"unread\":2,"
					     "\"preview\":\"hi \\\"x\\\"\",\"sender_id\":\"alice\","
					     "\"at\":\"2026-11-20T15:00:00.123Z\"}");
	news.content = news.sender_id = (struct str){NULL, 0};
	buf_reset(&text);
	json_write_init(&j, &text);
	inbox_news_json(&j, &news);
	assert_int_equal(json_write_finish(&j), 0);
	assert_non_null(strstr(buf_cstr(&text), "\"preview\":null,\"sender_id\":null"));
	buf_deinit(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(places_come_back),
		cmocka_unit_test(no_places),
		cmocka_unit_test(previews),
		cmocka_unit_test(news),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
