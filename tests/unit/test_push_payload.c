/* SPDX-License-Identifier: BSD-2-Clause */
/* What is published, read strictly. */
#include "config.h"

#include <string.h>

#include "cmocka_setup.h"
#include "push/payload.h"

static struct payload parsed(const char *text)
{
	struct payload p;

	assert_int_equal(payload_parse(str_of(text), &p), 0);
	return p;
}

static void assert_text(struct str s, const char *text)
{
	assert_true(str_eq_c(s, text));
}

static void test_typing(void **state)
{
	struct payload p = parsed(
		"{\"event\":\"typing-start\",\"user_id\":\"ann\",\"name\":\"Ann\",\"ms\":8000}");

	(void)state;
	assert_int_equal(p.kind, PAYLOAD_TYPING_START);
	assert_text(p.user, "ann");
	assert_text(p.name, "Ann");
	assert_int_equal(p.ms, 8000);
	payload_deinit(&p);
	p = parsed("{\"event\":\"typing-stop\",\"user_id\":\"ann\",\"name\":\"\",\"x\":[1]}");
	assert_int_equal(p.kind, PAYLOAD_TYPING_STOP);
	assert_int_equal(p.name.n, 0);
	payload_deinit(&p);
}

static void test_read(void **state)
{
	struct payload p = parsed("{\"event\":\"message-read\",\"user_id\":\"ann\",\"seq\":58,"
				  "\"public_seq\":0,\"at_ms\":1790000000000}");

	(void)state;
	assert_int_equal(p.kind, PAYLOAD_READ);
	assert_int_equal(p.seq, 58);
	assert_int_equal(p.public_seq, 0);
	assert_int_equal(p.at_ms, 1790000000000);
	payload_deinit(&p);
}

static void test_presence(void **state)
{
	struct payload p = parsed(
		"{\"event\":\"here\",\"user_id\":\"ann\",\"status\":\"away\",\"last_seen_ms\":null}");

	(void)state;
	assert_int_equal(p.kind, PAYLOAD_HERE);
	assert_int_equal(p.status, PRESENCE_AWAY);
	payload_deinit(&p);
	p = parsed("{\"event\":\"presence\",\"user_id\":\"ann\",\"status\":\"offline\","
		   "\"last_seen_ms\":1790000000000}");
	assert_int_equal(p.kind, PAYLOAD_PRESENCE);
	assert_int_equal(p.status, PRESENCE_OFFLINE);
	assert_int_equal(p.seen_ms, 1790000000000);
	payload_deinit(&p);
}

static void test_renewed(void **state)
{
	struct payload p = parsed("{\"event\":\"renewed\",\"user_id\":\"ann\",\"replaced\":\"a\","
				  "\"token_id\":\"b\",\"name\":null,\"role\":\"agent\","
				  "\"tickets\":[\"T-1\"],\"exp\":1790000000,\"iat\":null}");

	(void)state;
	assert_int_equal(p.kind, PAYLOAD_RENEWED);
	assert_text(p.user, "ann");
	assert_text(p.renewal.replaced, "a");
	assert_text(p.renewal.claims.jti, "b");
	assert_text(p.renewal.claims.tickets[0], "T-1");
	payload_deinit(&p);
	assert_null(p.renewal.claims.tickets);
}

static void test_inbox(void **state)
{
	struct payload p = parsed("{\"epoch\":2,\"ticket_id\":\"T-1\",\"seq\":7,\"public\":true}");

	(void)state;
	assert_int_equal(p.kind, PAYLOAD_INBOX);
	assert_text(p.ticket, "T-1");
	assert_int_equal(p.epoch, 2);
	assert_int_equal(p.seq, 7);
	assert_true(p.is_public);
	payload_deinit(&p);
}

static void test_anything_odd_is_refused(void **state)
{
	static const char *const odd[] = {
		"",
		"[]",
		"1",
		"{}",
		"{\"event\":1,\"user_id\":\"ann\"}",
		"{\"event\":\"hello\",\"user_id\":\"ann\"}",
		"{\"event\":\"here\",\"status\":\"online\"}",
		"{\"event\":\"here\",\"user_id\":\"ann\"}",
		"{\"event\":\"here\",\"user_id\":\"a b\",\"status\":\"online\"}",
		"{\"event\":\"here\",\"user_id\":\"ann\",\"status\":\"unknown\"}",
		"{\"event\":\"presence\",\"user_id\":\"ann\",\"status\":\"offline\",\"last_seen_ms\":-1}",
		"{\"event\":\"typing-start\",\"user_id\":\"ann\",\"ms\":0}",
		"{\"event\":\"typing-start\",\"user_id\":\"ann\",\"ms\":60001}",
		"{\"event\":\"typing-stop\",\"user_id\":\"ann\",\"name\":\"\\n\"}",
		"{\"event\":\"typing-stop\",\"user_id\":\"ann\",\"name\":1}",
		"{\"event\":\"message-read\",\"user_id\":\"ann\",\"seq\":0,\"public_seq\":0,\"at_ms\":1}",
		"{\"event\":\"message-read\",\"user_id\":\"ann\",\"seq\":3,\"public_seq\":4,\"at_ms\":1}",
		"{\"event\":\"renewed\",\"user_id\":\"ann\"}",
		"{\"epoch\":0,\"ticket_id\":\"T-1\",\"seq\":7,\"public\":true}",
		"{\"epoch\":1,\"ticket_id\":\".T\",\"seq\":7,\"public\":true}",
		"{\"epoch\":1,\"ticket_id\":\"T-1\",\"seq\":7,\"public\":1}",
		"{\"epoch\":1,\"ticket_id\":\"T-1\",\"seq\":7}",
	};
	struct payload p;

	(void)state;
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		assert_int_equal(payload_parse(str_of(odd[i]), &p), -1);
}

/* However it is cut, it is refused and nothing is left behind. */
static void test_cut_anywhere(void **state)
{
	static const char text[] =
		"{\"event\":\"presence\",\"user_id\":\"ann\",\"status\":\"away\"}";
	struct payload p;

	(void)state;
	for (size_t n = 0; n < strlen(text); n++)
		assert_int_equal(payload_parse((struct str){text, n}, &p), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_typing),	     cmocka_unit_test(test_read),
		cmocka_unit_test(test_presence),     cmocka_unit_test(test_renewed),
		cmocka_unit_test(test_inbox),	     cmocka_unit_test(test_anything_odd_is_refused),
		cmocka_unit_test(test_cut_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
