/* SPDX-License-Identifier: BSD-2-Clause */
/* What the api says of a fresh token is what push reads, and nothing odd is read. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "chat/renewal.h"
#include "cmocka_setup.h"
#include "web/json_read.h"

static int read_text(struct str text, struct json_read **json_r, struct renewal *renewal_r)
{
	struct json_read_error error;

	assert_int_equal(json_read(text, json_r, &error), JSON_READ_OK);
	return renewal_read(json_read_root(*json_r), renewal_r);
}

/* Words the identity, reads it, and makes an identity of that. */
static void there_and_back(const struct identity *fresh, struct identity *back_r)
{
	struct buf text = BUF_INIT;
	struct json_read *json;
	struct renewal renewal;

	renewal_put(&text, fresh, STR("old"));
	assert_true(buf_ok(&text));
	assert_int_equal(read_text(buf_str(&text), &json, &renewal), 0);
	assert_true(str_eq_c(renewal.replaced, "old"));
	assert_int_equal(authn_identity_of(&renewal.claims, AUTHN_COOKIE, back_r), 0);
	renewal_deinit(&renewal);
	json_read_free(json);
	buf_deinit(&text);
}

static void what_a_token_said_comes_back_whole(void **state)
{
	const struct str tickets[] = {STR("T-1"), STR("T-2")};
	const struct identity fresh = {
		.user_id = STR("anna"),
		.name = STR("Anna \"\xc3\xa4\" B"),
		.token_id = STR("a jti, \\ with all sorts"),
		.role = ROLE_AGENT,
		.tickets = tickets,
		.n_tickets = 2,
		.exp_ms = INT64_C(1795190500000),
		.iat_s = 1795190300,
	};
	struct identity back;

	(void)state;
	there_and_back(&fresh, &back);
	assert_true(str_eq(back.user_id, fresh.user_id));
	assert_true(str_eq(back.name, fresh.name));
	assert_true(str_eq(back.token_id, fresh.token_id));
	assert_int_equal(back.via, AUTHN_COOKIE);
	assert_int_equal(back.role, ROLE_AGENT);
	assert_int_equal(back.exp_ms, fresh.exp_ms);
	assert_int_equal(back.iat_s, fresh.iat_s);
	assert_true(authn_identity_grants(&back, STR("T-1")));
	assert_true(authn_identity_grants(&back, STR("T-2")));
	assert_false(authn_identity_grants(&back, STR("T-")));
	authn_identity_deinit(&back);
	authn_identity_deinit(&back);
}

static void what_it_did_not_say_stays_unsaid(void **state)
{
	const struct identity fresh = {
		.user_id = STR("anna"),
		.token_id = STR("\xc2\xa7_-34567890123456789012345678901234567890123"),
		.role = ROLE_REQUESTER,
		.exp_ms = 1000,
		.iat_s = -1,
	};
	struct identity every = fresh, back;

	(void)state;
	there_and_back(&fresh, &back);
	assert_null(back.name.p);
	assert_true(str_eq(back.token_id, fresh.token_id));
	assert_int_equal(back.iat_s, -1);
	assert_false(authn_identity_grants(&back, STR("T-1")));
	authn_identity_deinit(&back);
	every.all_tickets = true;
	there_and_back(&every, &back);
	assert_true(authn_identity_grants(&back, STR("T-1")));
	authn_identity_deinit(&back);
}

/* A token says no more than fits into it, and so does what is said of it. */
static void the_longest_is_no_longer_than_a_token(void **state)
{
	struct str tickets[800];
	struct identity fresh = {
		.user_id = STR("a234567890123456789012345678901234567890123456789012345678901234"),
		.token_id = STR("j"),
		.role = ROLE_REQUESTER,
		.tickets = tickets,
		.n_tickets = 800,
		.exp_ms = INT64_C(1795190500000),
		.iat_s = -1,
	};
	struct buf text = BUF_INIT;
	struct identity back;

	(void)state;
	/* ["T-123",…]: some 6,400 bytes, of which base64url makes more than 8 KiB. */
	for (size_t i = 0; i < fresh.n_tickets; i++)
		tickets[i] = STR("T-123");
	there_and_back(&fresh, &back);
	assert_int_equal(back.n_tickets, fresh.n_tickets);
	authn_identity_deinit(&back);
	renewal_put(&text, &fresh, fresh.token_id);
	assert_true(text.len <= JWT_BYTES_MAX);
	buf_deinit(&text);
}

#define GOOD_USER    "\"user_id\":\"anna\""
#define GOOD_IDS     "\"replaced\":\"a\",\"token_id\":\"b\""
#define GOOD_NAME    "\"name\":null"
#define GOOD_ROLE    "\"role\":\"agent\""
#define GOOD_TICKETS "\"tickets\":[\"T-1\"]"
#define GOOD_TIMES   "\"exp\":5,\"iat\":null"
#define ALL(user, ids, name, role, tickets, times) \
	"{" user "," ids "," name "," role "," tickets "," times "}"

static void what_is_odd_is_refused(void **state)
{
	static const char *const odd[] = {
		"[]",
		"{}",
		ALL("\"x\":1", GOOD_IDS, GOOD_NAME, GOOD_ROLE, GOOD_TICKETS, GOOD_TIMES),
		ALL("\"user_id\":\"a b\"", GOOD_IDS, GOOD_NAME, GOOD_ROLE, GOOD_TICKETS,
		    GOOD_TIMES),
		ALL("\"user_id\":1", GOOD_IDS, GOOD_NAME, GOOD_ROLE, GOOD_TICKETS, GOOD_TIMES),
		ALL(GOOD_USER, "\"replaced\":\"a\"", GOOD_NAME, GOOD_ROLE, GOOD_TICKETS,
		    GOOD_TIMES),
		ALL(GOOD_USER, "\"token_id\":\"a\"", GOOD_NAME, GOOD_ROLE, GOOD_TICKETS,
		    GOOD_TIMES),
		ALL(GOOD_USER, "\"replaced\":\"\",\"token_id\":\"b\"", GOOD_NAME, GOOD_ROLE,
		    GOOD_TICKETS, GOOD_TIMES),
		ALL(GOOD_USER, "\"replaced\":\"\xc2\xa7\",\"token_id\":\"b\"", GOOD_NAME, GOOD_ROLE,
		    GOOD_TICKETS, GOOD_TIMES),
		ALL(GOOD_USER, GOOD_IDS, "\"name\":\"\"", GOOD_ROLE, GOOD_TICKETS, GOOD_TIMES),
		ALL(GOOD_USER, GOOD_IDS, "\"name\":[]", GOOD_ROLE, GOOD_TICKETS, GOOD_TIMES),
		ALL(GOOD_USER, GOOD_IDS, "\"x\":1", GOOD_ROLE, GOOD_TICKETS, GOOD_TIMES),
		ALL(GOOD_USER, GOOD_IDS, GOOD_NAME, "\"role\":\"root\"", GOOD_TICKETS, GOOD_TIMES),
		ALL(GOOD_USER, GOOD_IDS, GOOD_NAME, "\"role\":null", GOOD_TICKETS, GOOD_TIMES),
		ALL(GOOD_USER, GOOD_IDS, GOOD_NAME, GOOD_ROLE, "\"tickets\":\"T-1\"", GOOD_TIMES),
		ALL(GOOD_USER, GOOD_IDS, GOOD_NAME, GOOD_ROLE, "\"tickets\":{\"T-1\":1}",
		    GOOD_TIMES),
		ALL(GOOD_USER, GOOD_IDS, GOOD_NAME, GOOD_ROLE, "\"tickets\":[\"T-1\",\"*\"]",
		    GOOD_TIMES),
		ALL(GOOD_USER, GOOD_IDS, GOOD_NAME, GOOD_ROLE, "\"tickets\":[1]", GOOD_TIMES),
		ALL(GOOD_USER, GOOD_IDS, GOOD_NAME, GOOD_ROLE, GOOD_TICKETS, "\"exp\":5"),
		ALL(GOOD_USER, GOOD_IDS, GOOD_NAME, GOOD_ROLE, GOOD_TICKETS, "\"iat\":5"),
		ALL(GOOD_USER, GOOD_IDS, GOOD_NAME, GOOD_ROLE, GOOD_TICKETS,
		    "\"exp\":0,\"iat\":null"),
		ALL(GOOD_USER, GOOD_IDS, GOOD_NAME, GOOD_ROLE, GOOD_TICKETS,
		    "\"exp\":null,\"iat\":null"),
		ALL(GOOD_USER, GOOD_IDS, GOOD_NAME, GOOD_ROLE, GOOD_TICKETS,
		    "\"exp\":1000000000001,\"iat\":null"),
		ALL(GOOD_USER, GOOD_IDS, GOOD_NAME, GOOD_ROLE, GOOD_TICKETS,
		    "\"exp\":5,\"iat\":-1"),
	};
	struct renewal renewal;
	struct json_read *json;

	(void)state;
	assert_int_equal(read_text(STR(ALL(GOOD_USER, GOOD_IDS, GOOD_NAME, GOOD_ROLE, GOOD_TICKETS,
					   GOOD_TIMES)),
				   &json, &renewal),
			 0);
	renewal_deinit(&renewal);
	renewal_deinit(&renewal);
	json_read_free(json);
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		if (read_text(str_of(odd[i]), &json, &renewal) == 0)
			fail_msg("%s", odd[i]);
		json_read_free(json);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_token_said_comes_back_whole),
		cmocka_unit_test(what_it_did_not_say_stays_unsaid),
		cmocka_unit_test(the_longest_is_no_longer_than_a_token),
		cmocka_unit_test(what_is_odd_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
