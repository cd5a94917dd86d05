/* SPDX-License-Identifier: BSD-2-Clause */
/* Which tokens a list of revocations covers. */
#include "config.h"

#include <string.h>

#include "cmocka_setup.h"
#include "exhausted.h"

#include "chat/revocations.h"
#include "web/authn.h"

enum { AT_S = 1000 };

static struct revocations *made(void)
{
	struct revocations *all = revocations_new();

	assert_non_null(all);
	assert_int_equal(revocations_add_token(all, STR("token-1")), 0);
	assert_int_equal(revocations_add_user(all, STR("anna"), AT_S * 1000000 + 500000), 0);
	return all;
}

static struct identity token_of(const char *user, const char *jti, int64_t iat_s)
{
	return (struct identity){.user_id = str_of(user),
				 .token_id = str_of(jti),
				 .iat_s = iat_s,
				 .via = AUTHN_BEARER};
}

static void test_a_token_is_known_by_its_jti_alone(void **state)
{
	struct revocations *all = made();
	struct identity revoked = token_of("bob", "token-1", 5000);
	struct identity other = token_of("bob", "token-10", 5000);
	struct identity none = token_of("bob", NULL, 5000);

	(void)state;
	assert_true(revocations_cover(all, &revoked, 0));
	assert_false(revocations_cover(all, &other, 0));
	assert_false(revocations_cover(all, &none, 0));
	revocations_free(all);
}

static void test_of_a_user_everything_issued_until_then(void **state)
{
	static const struct {
		int64_t iat_s;
		bool is_covered;
	} rows[] = {{-1, true}, {0, true}, {AT_S - 1, true}, {AT_S, true}, {AT_S + 1, false}};
	struct revocations *all = made();

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct identity who = token_of("anna", "x", rows[i].iat_s);
		struct identity other = token_of("ann", "x", rows[i].iat_s);

		assert_int_equal(revocations_cover(all, &who, 0), rows[i].is_covered);
		assert_false(revocations_cover(all, &other, 0));
	}
	revocations_free(all);
}

static void test_the_later_of_two_counts(void **state)
{
	struct revocations *all = made();
	struct identity who = token_of("anna", NULL, AT_S + 10);

	(void)state;
	assert_false(revocations_cover(all, &who, 0));
	assert_int_equal(revocations_add_user(all, STR("anna"), (AT_S + 10) * 1000000), 0);
	assert_true(revocations_cover(all, &who, 0));
	assert_int_equal(revocations_add_user(all, STR("anna"), 1), 0);
	assert_true(revocations_cover(all, &who, 0));
	revocations_free(all);
}

static void test_who_has_no_token_ends_only_what_was_begun_before(void **state)
{
	struct revocations *all = made();
	struct identity who = {.user_id = STR("anna"), .iat_s = -1, .via = AUTHN_PARAMS};

	(void)state;
	assert_true(revocations_cover(all, &who, AT_S * 1000000));
	assert_false(revocations_cover(all, &who, (AT_S + 1) * 1000000));
	revocations_free(all);
}

/* A whole copy goes to Redis and comes back; the longest jti, and what stands for one, included. */
static void test_the_copy_has_what_was_put_into_it(void **state)
{
	char longest[IDS_JTI_MAX + 1];
	struct record_revocation put[] = {
		{.jti = STR("token-1"), .at_us = 1},
		{.jti = {longest, IDS_JTI_MAX}, .at_us = 2},
		{.jti = STR("\xc2\xa7"), .at_us = 3},
		{.user = STR("anna"), .at_us = AT_S * 1000000},
	};
	struct revocations *all = revocations_new();
	struct identity who;
	redisReader *reader = redisReaderCreate();
	struct buf command = BUF_INIT;
	redisReply *reply = NULL, copy;

	(void)state;
	assert_non_null(all);
	memset(longest, 'x', IDS_JTI_MAX);
	longest[IDS_JTI_MAX] = '\0';
	assert_int_equal(record_revoke_put_copy(&command, "p:", put, 4, true), 1);
	assert_true(buf_ok(&command));
	assert_int_equal(redisReaderFeed(reader, command.data, command.len), REDIS_OK);
	assert_int_equal(redisReaderGetReply(reader, (void **)&reply), REDIS_OK);
	/* HSET key field value …: what follows is the form of the answer to HGETALL. */
	assert_int_equal(reply->elements, 2 + 2 * 5);
	copy = (redisReply){.type = REDIS_REPLY_ARRAY,
			    .elements = reply->elements - 2,
			    .element = reply->element + 2};
	assert_int_equal(revocations_take_copy(all, &copy), 0);
	who = token_of("bob", longest, 5000);
	assert_true(revocations_cover(all, &who, 0));
	who = token_of("bob", "token-1", 5000);
	assert_true(revocations_cover(all, &who, 0));
	who = token_of("bob", "\xc2\xa7", 5000);
	assert_true(revocations_cover(all, &who, 0));
	who = token_of("anna", "y", AT_S);
	assert_true(revocations_cover(all, &who, 0));
	who = token_of("bob", "y", AT_S);
	assert_false(revocations_cover(all, &who, 0));
	freeReplyObject(reply);
	redisReaderFree(reader);
	buf_deinit(&command);
	revocations_free(all);
}

/* What does not fit is said to be missing, and does not end the process. */
static void test_out_of_memory(void **state)
{
	struct revocations *all = revocations_new();
	const struct identity revoked = token_of("bob", "token-1", 5000);
	int status = -1;

	(void)state;
	assert_non_null(all);
	for (long n = 0; status != 0; n++) {
		assert_false(revocations_cover(all, &revoked, 0));
		exhausted_after = n;
		status = revocations_add_token(all, STR("token-1"));
		exhausted_after = -1;
	}
	assert_true(revocations_cover(all, &revoked, 0));
	revocations_free(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_token_is_known_by_its_jti_alone),
		cmocka_unit_test(test_of_a_user_everything_issued_until_then),
		cmocka_unit_test(test_the_later_of_two_counts),
		cmocka_unit_test(test_who_has_no_token_ends_only_what_was_begun_before),
		cmocka_unit_test(test_the_copy_has_what_was_put_into_it),
		cmocka_unit_test(test_out_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
