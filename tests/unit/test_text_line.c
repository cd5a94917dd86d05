/* SPDX-License-Identifier: BSD-2-Clause */
/* The texts of rows in a copy: what is written is read again, to the byte, and nothing else is taken. */
#include "config.h"

#include "cli/text_line.h"

#include <string.h>

#include "cmocka_setup.h"
#include "seal_ring.h"

#define HEAD "{\"ticket_id\": \"T-1\", \"uid\": \"uid-1\", \"sender_id\": \"bob\""

static const struct seal_place place = {
	{"T-1", 3},
	{"uid-1", 5},
	{"bob", 3},
};

static struct seal *ring, *other_ring;

static int setup(void **state)
{
	(void)state;
	ring = seal_ring_new();
	other_ring = seal_ring_new();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	seal_free(ring);
	seal_free(other_ring);
	return 0;
}

/* What is wrong with a line; NULL where it is taken, and stands in `out`. */
static const char *take(const struct seal *seal, struct str line, struct buf *out)
{
	struct json_read_error error;
	struct json_read *json;
	const char *fault;

	assert_int_equal(json_read(line, &json, &error), JSON_READ_OK);
	out->len = 0;
	fault = text_line_take(seal, json_read_root(json), line, out);
	json_read_free(json);
	assert_true(buf_ok(out));
	return fault;
}

static void assert_text(const struct buf *out, const char *expected)
{
	assert_string_equal(buf_cstr((struct buf *)out), expected);
}

static void takes_as_it_is(const struct seal *seal, const char *line)
{
	struct buf out = BUF_INIT;

	assert_null(take(seal, str_of(line), &out));
	assert_text(&out, line);
	buf_deinit(&out);
}

static void refuses(const struct seal *seal, const char *line, const char *reason)
{
	struct buf out = BUF_INIT;
	const char *fault = take(seal, str_of(line), &out);

	assert_non_null(fault);
	assert_non_null(strstr(fault, reason));
	assert_int_equal(out.len, 0);
	buf_deinit(&out);
}

/* A sealed line, as export writes it. */
static void put_sealed(struct buf *line, const char *text)
{
	struct buf sealed = BUF_INIT;

	assert_int_equal(seal_put(ring, &place, str_of(text), &sealed), 0);
	line->len = 0;
	text_line_put(line, STR(HEAD "}"), buf_str(&sealed));
	assert_true(buf_ok(line));
	buf_deinit(&sealed);
}

static void plain_texts_are_written(void **state)
{
	struct buf out = BUF_INIT;

	(void)state;
	text_line_put(&out, STR("{\"seq\": 1}"), STR("a \"b\"\n\xf0\x9f\x94\x91"));
	assert_text(&out, "{\"seq\": 1, \"content\": \"a \\\"b\\\"\\n\xf0\x9f\x94\x91\"}");
	buf_deinit(&out);
}

/* Of every length modulo three, so with every padding. */
static void sealed_texts_come_back(void **state)
{
	struct buf line = BUF_INIT;

	(void)state;
	for (size_t n = 1; n < 8; n++) {
		put_sealed(&line, &"1234567"[7 - n]);
		takes_as_it_is(ring, buf_cstr(&line));
		refuses(NULL, buf_cstr(&line), "key that is not in");
		refuses(other_ring, buf_cstr(&line), "key that is not in");
	}
	buf_deinit(&line);
}

static void no_part_of_a_sealed_text_is_one(void **state)
{
	struct buf line = BUF_INIT, cut = BUF_INIT;
	const char *begin, *end;

	(void)state;
	put_sealed(&line, "text");
	begin = strstr(buf_cstr(&line), "\"sealed\": \"") + strlen("\"sealed\": \"");
	end = strchr(begin, '"');
	for (const char *p = begin; p < end; p++) {
		cut.len = 0;
		buf_put(&cut, line.data, (size_t)(p - line.data));
		buf_puts(&cut, "\"}");
		refuses(ring, buf_cstr(&cut), "sealed text");
	}
	buf_deinit(&line);
	buf_deinit(&cut);
}

/* Nothing may stand beside it, whose text opens all the same. */
static void base64_is_written_in_one_way(void **state)
{
	static const char *const texts[] = {"1", "12", "123"};
	static const char *const strays[] = {"=", "==",	  " ", "\\n",	 "!",
					     "A", "AQ==", "-", "\\u00e9"};
	struct buf line = BUF_INIT, other = BUF_INIT;

	(void)state;
	for (size_t t = 0; t < LENGTH(texts); t++) {
		put_sealed(&line, texts[t]);
		for (size_t i = 0; i < LENGTH(strays); i++) {
			other.len = 0;
			buf_put(&other, line.data, line.len - strlen("\"}"));
			buf_printf(&other, "%s\"}", strays[i]);
			refuses(ring, buf_cstr(&other), "sealed");
			other.len = 0;
			buf_printf(&other, HEAD ", \"sealed\": \"%s%s", strays[i],
				   strstr(buf_cstr(&line), "\"sealed\": \"") +
					   strlen("\"sealed\": \""));
			refuses(ring, buf_cstr(&other), "sealed");
		}
	}
	refuses(ring, HEAD ", \"sealed\": \"\"}", "member sealed is no sealed text");
	buf_deinit(&line);
	buf_deinit(&other);
}

static void a_plain_text_is_sealed_and_its_row_kept(void **state)
{
	static const char row[] = HEAD
		", \"rev\": 2, \"note\": false, \"own\": true, \"role\": null, "
		"\"name\": \"\\\"\\u00e9\", \"content\": \"text\"}";
	struct buf out = BUF_INIT, expected = BUF_INIT, sealed = BUF_INIT;

	(void)state;
	assert_null(take(ring, str_of(row), &out));
	assert_int_equal(seal_put(ring, &place, STR("text"), &sealed), 0);
	text_line_put(
		&expected,
		STR("{\"ticket_id\":\"T-1\",\"uid\":\"uid-1\",\"sender_id\":\"bob\",\"rev\":2,"
		    "\"note\":false,\"own\":true,\"role\":null,\"name\":\"\\\"\xc3\xa9\"}"),
		buf_str(&sealed));
	assert_text(&out, buf_cstr(&expected));
	takes_as_it_is(ring, buf_cstr(&out));
	takes_as_it_is(NULL, row);
	buf_deinit(&out);
	buf_deinit(&expected);
	buf_deinit(&sealed);
}

static void rows_without_a_text_stay(void **state)
{
	(void)state;
	takes_as_it_is(ring, HEAD "}");
	takes_as_it_is(ring, HEAD ", \"content\": null}");
	takes_as_it_is(ring, "{\"type\": \"ticket\", \"of\": {\"more\": [1]}}");
}

static void what_cannot_be_stored_is_refused(void **state)
{
	(void)state;
	refuses(NULL, HEAD ", \"content\": \"a\", \"sealed\": \"AQ==\"}", "text twice");
	refuses(NULL, HEAD ", \"content\": \"\\u0001a\"}", "control character");
	refuses(ring, HEAD ", \"content\": \"\\u0001a\"}", "control character");
	refuses(ring, HEAD ", \"content\": \"a\", \"more\": [1]}", "member of members");
	refuses(ring, HEAD ", \"content\": \"a\", \"more\": {}}", "member of members");
	refuses(ring, "{\"ticket_id\": \"T-1\", \"uid\": \"u\", \"content\": \"a\"}", "whose text");
	refuses(ring, "{\"ticket_id\": \"T-1\", \"sender_id\": \"b\", \"content\": \"a\"}",
		"whose text");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_texts_are_written),
		cmocka_unit_test(sealed_texts_come_back),
		cmocka_unit_test(no_part_of_a_sealed_text_is_one),
		cmocka_unit_test(base64_is_written_in_one_way),
		cmocka_unit_test(a_plain_text_is_sealed_and_its_row_kept),
		cmocka_unit_test(rows_without_a_text_stay),
		cmocka_unit_test(what_cannot_be_stored_is_refused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
