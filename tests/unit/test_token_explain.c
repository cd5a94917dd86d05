/* SPDX-License-Identifier: BSD-2-Clause */
/* What `bellhop token --explain` says, and what it must never say. */
#include "config.h"

#include <sodium.h>
#include <string.h>

#include "cli/token_explain.h"
#include "cmocka_setup.h"

#define SECRET "CHANGE_ME_CHANGE_ME_CHANGE_ME_CHANGE_ME"

enum { NOW_S = 1800000000 };

static struct keyring *make_ring(void)
{
	struct keyring *ring = keyring_new();
	struct buf error = BUF_INIT;

	assert_non_null(ring);
	assert_int_equal(keyring_add(ring, STR("main"), STR(SECRET), &error), 0);
	buf_deinit(&error);
	return ring;
}

/* Signs the payload, explains it at NOW_S and looks for a text in the explanation. */
static enum jwt_result explain(const char *payload, const char *expected)
{
	struct keyring *ring = make_ring();
	struct jwt_policy policy = {.ring = ring, .max_days = 31};
	struct buf token = BUF_INIT;
	struct buf text = BUF_INIT;
	enum jwt_result result;

	assert_int_equal(
		jwt_sign(keyring_find(ring, STR("main")), STR("main"), str_of(payload), &token), 0);
	result = token_explain(buf_str(&token), &policy, INT64_C(1000) * NOW_S, &text);
	assert_non_null(strstr(buf_cstr(&text), expected));
	assert_null(strstr(buf_cstr(&text), "CHANGE_ME"));
	buf_deinit(&token);
	buf_deinit(&text);
	keyring_free(ring);
	return result;
}

static void a_good_token(void **state)
{
	static const char payload[] = "{\"sub\":\"a-7\",\"name\":\"Alice\",\"role\":\"agent\","
				      "\"tickets\":[\"T-1\",\"T-2\"],\"iat\":1799999940,"
				      "\"exp\":1800007200}";

	(void)state;
	assert_int_equal(explain(payload, "accepted  yes\n"), JWT_OK);
	explain(payload, "user      a-7\nname      Alice\nrole      agent\n");
	explain(payload, "tickets   T-1 T-2 and those that the user participates in\n");
	explain(payload, "issued    2027-01-15T07:59:00.000Z (60 seconds ago)\n");
	explain(payload, "expires   2027-01-15T10:00:00.000Z (in 2 hours)\n");
	explain(payload, "header    {\"alg\":\"HS256\"");
}

static void tickets(void **state)
{
	(void)state;
	explain("{\"sub\":\"a\",\"exp\":1800000060,\"tickets\":\"*\"}", "tickets   all\n");
	explain("{\"sub\":\"a\",\"exp\":1800000060}", "tickets   those that the user participates");
	explain("{\"sub\":\"a\",\"exp\":1800000060,\"role\":\"service\"}",
		"tickets   all, by its role\n");
}

static void bad_tokens(void **state)
{
	(void)state;
	assert_int_equal(explain("{\"sub\":\"a\",\"exp\":1799990000}", "accepted  no: "),
			 JWT_EXPIRED);
	explain("{\"sub\":\"a\",\"exp\":1799990000}", "(2 hours ago)");
	assert_int_equal(explain("{\"exp\":1800000060}", "accepted  no: "), JWT_BAD_CLAIMS);
	assert_int_equal(explain("{\"sub\":\"a\",\"exp\":\"soon\"}", "expires   not a time\n"),
			 JWT_BAD_CLAIMS);
	assert_int_equal(explain("{\"sub\":\"a\\u001b\",\"exp\":1800000060}", "user      a\\x1b\n"),
			 JWT_BAD_CLAIMS);
}

static void what_is_no_token(void **state)
{
	static const char *const rows[] = {"", "a", "a.b", "a.b.c", "....", "eyJh.eyJh.eyJh"};
	struct keyring *ring = make_ring();
	struct jwt_policy policy = {.ring = ring};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct buf text = BUF_INIT;

		assert_int_not_equal(token_explain(str_of(rows[i]), &policy, 0, &text), JWT_OK);
		assert_int_not_equal(token_explain(str_of(rows[i]), NULL, 0, &text), JWT_OK);
		assert_non_null(strstr(buf_cstr(&text), "accepted  no: "));
		buf_deinit(&text);
	}
	keyring_free(ring);
}

static void spans(void **state)
{
	static const struct {
		int64_t seconds;
		const char *text;
	} rows[] = {
		{0, "0 seconds"},      {1, "1 second"},	  {119, "119 seconds"}, {120, "2 minutes"},
		{7199, "119 minutes"}, {7200, "2 hours"}, {172799, "47 hours"}, {172800, "2 days"},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct buf out = BUF_INIT;

		token_explain_span(&out, rows[i].seconds);
		assert_string_equal(buf_cstr(&out), rows[i].text);
		buf_deinit(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_token), cmocka_unit_test(tickets),
		cmocka_unit_test(bad_tokens),	cmocka_unit_test(what_is_no_token),
		cmocka_unit_test(spans),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
