/* SPDX-License-Identifier: BSD-2-Clause */
/* Which tokens a list of revocations covers. */
#include "config.h"

#include "cmocka_setup.h"

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
	return (struct identity){
		.user_id = str_of(user), .token_id = str_of(jti), .iat_s = iat_s, .via = AUTHN_BEARER};
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_token_is_known_by_its_jti_alone),
		cmocka_unit_test(test_of_a_user_everything_issued_until_then),
		cmocka_unit_test(test_the_later_of_two_counts),
		cmocka_unit_test(test_who_has_no_token_ends_only_what_was_begun_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
