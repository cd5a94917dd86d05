/* SPDX-License-Identifier: BSD-2-Clause */
/* Which tokens a list of revocations covers. */
#include "config.h"

#include <endian.h>
#include <stdio.h>
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
		assert_true(n < EXHAUSTED_MAX);
		assert_false(revocations_cover(all, &revoked, 0));
		exhausted_after = n;
		status = revocations_add_token(all, STR("token-1"));
		exhausted_after = -1;
	}
	assert_true(revocations_cover(all, &revoked, 0));
	revocations_free(all);
}

/* ---- the record's answers ---- */

/* A list of so many tokens, "<name>0" and so on, that end then; PostgreSQL's own time of now. */
static PGresult *answer_of(const char *name, int count, int64_t end_us, int64_t now_us)
{
	PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
	PGresAttDesc attributes[7] = {0};
	char column[] = "c";

	assert_non_null(result);
	for (size_t i = 0; i < LENGTH(attributes); i++)
		attributes[i] = (PGresAttDesc){.name = column, .format = 1};
	assert_int_equal(PQsetResultAttrs(result, LENGTH(attributes), attributes), 1);
	for (int row = 0; row < count || row == 0; row++) {
		const uint64_t numbers[] = {htobe64(1), htobe64((uint64_t)now_us),
					    htobe64((uint64_t)row + 1), htobe64((uint64_t)end_us)};
		char jti[32];
		const struct {
			const void *bytes;
			int length;
		} values[] = {
			{&numbers[0], 8},
			{&numbers[1], 8},
			{&numbers[2], count > 0 ? 8 : -1},
			{jti, count > 0 ? snprintf(jti, sizeof(jti), "%s%d", name, row) : -1},
			{NULL, -1},
			{&numbers[1], count > 0 ? 8 : -1},
			{&numbers[3], count > 0 && end_us != INT64_MAX ? 8 : -1},
		};

		for (int i = 0; i < (int)LENGTH(values); i++)
			assert_int_equal(PQsetvalue(result, row, i,
						    (char *)(uintptr_t)values[i].bytes,
						    values[i].length),
					 1);
	}
	return result;
}

static enum revocations_taken take(struct revocations *all, PGresult *answer)
{
	bool has_grown;
	enum revocations_taken taken = revocations_take(all, answer, &has_grown);

	PQclear(answer);
	return taken;
}

static bool covers(const struct revocations *all, const char *jti)
{
	const struct identity who = token_of("bob", jti, 5000);

	return revocations_cover(all, &who, 0);
}

static void test_what_is_over_is_forgotten(void **state)
{
	enum { END = 1000000 };
	struct revocations *all = made();

	(void)state;
	assert_int_equal(take(all, answer_of("a", 5, END, 1)), REVOCATIONS_ALL);
	assert_int_equal(take(all, answer_of("b", 5, INT64_MAX, 1)), REVOCATIONS_ALL);
	assert_int_equal(take(all, answer_of("c", 5, 2 * END, 1)), REVOCATIONS_ALL);
	/* Once more, until later. */
	assert_int_equal(take(all, answer_of("a", 1, 2 * END, 1)), REVOCATIONS_ALL);
	assert_int_equal(take(all, answer_of("", 0, 0, END)), REVOCATIONS_ALL);
	assert_true(covers(all, "a1"));
	assert_int_equal(take(all, answer_of("", 0, 0, END + 1)), REVOCATIONS_ALL);
	assert_true(covers(all, "a0"));
	assert_false(covers(all, "a1"));
	assert_false(covers(all, "a4"));
	assert_true(covers(all, "b4"));
	assert_true(covers(all, "c4"));
	assert_int_equal(take(all, answer_of("", 0, 0, INT64_MAX / 4)), REVOCATIONS_ALL);
	assert_false(covers(all, "a0"));
	assert_false(covers(all, "c4"));
	/* Those without an end, and those of which none was told. */
	assert_true(covers(all, "b0"));
	assert_true(covers(all, "token-1"));
	revocations_free(all);
}

static void test_it_is_forgotten_bit_by_bit_and_not_before_all_is_there(void **state)
{
	struct revocations *all = revocations_new();
	int left = RECORD_REVOKE_LIMIT + 500, turns = 0;

	(void)state;
	assert_non_null(all);
	assert_int_equal(take(all, answer_of("a", RECORD_REVOKE_LIMIT, 10, 20)), REVOCATIONS_MORE);
	assert_true(covers(all, "a0"));
	assert_int_equal(take(all, answer_of("b", 500, 10, 5)), REVOCATIONS_ALL);
	while (left > 0) {
		assert_int_equal(take(all, answer_of("", 0, 0, 20)), REVOCATIONS_ALL);
		left = 0;
		for (int i = 0; i < RECORD_REVOKE_LIMIT; i++) {
			char jti[2][16];

			snprintf(jti[0], sizeof(jti[0]), "a%d", i);
			snprintf(jti[1], sizeof(jti[1]), "b%d", i);
			left += covers(all, jti[0]) + covers(all, jti[1]);
		}
		turns++;
		assert_true(left == 0 || turns < 4);
	}
	assert_true(turns > 1);
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
		cmocka_unit_test(test_what_is_over_is_forgotten),
		cmocka_unit_test(test_it_is_forgotten_bit_by_bit_and_not_before_all_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
