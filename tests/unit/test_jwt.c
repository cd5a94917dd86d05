/* SPDX-License-Identifier: BSD-2-Clause */
/* Tokens, most of them hostile. */
#include "config.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "cmocka_setup.h"
#include "collection.h"
#include "token_craft.h"
#include "web/base64url.h"
#include "web/jwt.h"

#define NOW_S	INT64_C(1795190400)
#define NOW_MS	(NOW_S * 1000)
#define HEADER	"{\"alg\":\"HS256\",\"kid\":\"main\"}"
#define PAYLOAD "{\"sub\":\"anna\",\"exp\":1795190500}"
#define DAY_S	86400

static struct keyring *ring;
static struct jwt_policy policy;

static int set_up(void **state)
{
	(void)state;
	ring = token_craft_ring();
	policy = (struct jwt_policy){.ring = ring, .max_days = 31};
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	keyring_free(ring);
	return 0;
}

/* The result of a token, given as bytes of exactly its length, so that ASan sees an overrun. */
static enum jwt_result verify(struct str token)
{
	struct jwt_claims claims;
	char *exact = malloc(token.n > 0 ? token.n : 1);
	enum jwt_result result;

	assert_non_null(exact);
	if (token.n > 0)
		memcpy(exact, token.p, token.n);
	result = jwt_verify(&policy, (struct str){exact, token.n}, NOW_MS, &claims);
	if (result != JWT_OK) {
		assert_null(claims.json);
		assert_null(claims.tickets);
		assert_null(claims.sub.p);
	}
	jwt_claims_deinit(&claims);
	free(exact);
	return result;
}

/* The result of a header and payload signed with "main". */
static enum jwt_result verify_parts(const char *header, const char *payload)
{
	struct buf token = BUF_INIT;
	enum jwt_result result;

	token_craft(&token, ring, "main", header, payload);
	result = verify(buf_str(&token));
	buf_deinit(&token);
	return result;
}

static enum jwt_result verify_payload(const char *payload)
{
	return verify_parts(HEADER, payload);
}

static void claims_are_read(void **state)
{
	struct jwt_claims claims;
	struct buf token = BUF_INIT;

	(void)state;
	token_craft(
		&token, ring, "ed", "{\"alg\":\"EdDSA\",\"kid\":\"pub\",\"typ\":\"JWT\"}",
		"{\"sub\":\"anna@example.com\",\"name\":\"Anna Z\xc3\xbcrich\",\"role\":\"agent\","
		"\"tickets\":[\"T-1\",\"T-2\"],\"exp\":1795190500,\"iat\":1795190399,"
		"\"nbf\":1795190399.5,\"jti\":\"x1\",\"other\":{\"a\":[null]}}");
	assert_int_equal(jwt_verify(&policy, buf_str(&token), NOW_MS, &claims), JWT_OK);
	assert_true(str_eq_c(claims.sub, "anna@example.com"));
	assert_true(str_eq_c(claims.name, "Anna Z\xc3\xbcrich"));
	assert_true(str_eq_c(claims.jti, "x1"));
	assert_int_equal(claims.role, ROLE_AGENT);
	assert_false(claims.all_tickets);
	assert_int_equal(claims.n_tickets, 2);
	assert_true(str_eq_c(claims.tickets[1], "T-2"));
	assert_int_equal(claims.exp_s, 1795190500);
	assert_int_equal(claims.iat_s, 1795190399);
	jwt_claims_deinit(&claims);

	token_craft(&token, ring, "main", HEADER, PAYLOAD);
	assert_int_equal(jwt_verify(&policy, buf_str(&token), NOW_MS, &claims), JWT_OK);
	assert_int_equal(claims.role, ROLE_REQUESTER);
	assert_null(claims.name.p);
	assert_null(claims.jti.p);
	assert_int_equal(claims.iat_s, -1);
	assert_int_equal(claims.n_tickets, 0);
	assert_false(claims.all_tickets);
	jwt_claims_deinit(&claims);
	jwt_claims_deinit(&claims);
	buf_deinit(&token);
}

static void headers(void **state)
{
	static const struct {
		const char *header;
		enum jwt_result result;
	} rows[] = {
		{HEADER, JWT_OK},
		{"{\"kid\":\"main\",\"alg\":\"HS256\",\"typ\":\"JWT\",\"jku\":\"https://x\"}",
		 JWT_OK},
		{"{\"alg\":\"none\",\"kid\":\"main\"}", JWT_WRONG_ALG},
		{"{\"alg\":\"None\",\"kid\":\"main\"}", JWT_WRONG_ALG},
		{"{\"alg\":\"\",\"kid\":\"main\"}", JWT_WRONG_ALG},
		{"{\"alg\":\"hs256\",\"kid\":\"main\"}", JWT_WRONG_ALG},
		{"{\"alg\":\"HS512\",\"kid\":\"main\"}", JWT_WRONG_ALG},
		{"{\"alg\":\"EdDSA\",\"kid\":\"main\"}", JWT_WRONG_ALG},
		{"{\"alg\":\"HS256\",\"kid\":\"ed\"}", JWT_WRONG_ALG},
		{"{\"alg\":\"HS256\",\"kid\":\"pub\"}", JWT_WRONG_ALG},
		{"{\"alg\":\"HS256\"}", JWT_BAD_HEADER},
		{"{\"kid\":\"main\"}", JWT_BAD_HEADER},
		{"{\"alg\":\"HS256\",\"kid\":null}", JWT_BAD_HEADER},
		{"{\"alg\":\"HS256\",\"kid\":1}", JWT_BAD_HEADER},
		{"{\"alg\":[\"HS256\"],\"kid\":\"main\"}", JWT_BAD_HEADER},
		{"{\"alg\":\"HS256\",\"kid\":\"main\",\"crit\":[\"exp\"]}", JWT_BAD_HEADER},
		{"{\"alg\":\"HS256\",\"kid\":\"main\",\"crit\":[]}", JWT_BAD_HEADER},
		{"{\"alg\":\"HS256\",\"kid\":\"main\",\"crit\":null}", JWT_BAD_HEADER},
		{"{\"alg\":\"HS256\",\"kid\":\"main\",\"b64\":false,\"crit\":[\"b64\"]}",
		 JWT_BAD_HEADER},
		{"{\"alg\":\"HS256\",\"kid\":\"other\"}", JWT_UNKNOWN_KEY},
		{"{\"alg\":\"HS256\",\"kid\":\"MAIN\"}", JWT_UNKNOWN_KEY},
		{"{\"alg\":\"HS256\",\"kid\":\"\"}", JWT_UNKNOWN_KEY},
		{"{\"alg\":\"HS256\",\"kid\":\"../main\"}", JWT_UNKNOWN_KEY},
		{"{\"alg\":\"HS256\",\"alg\":\"none\",\"kid\":\"main\"}", JWT_MALFORMED},
		{"{\"alg\":\"HS256\",\"kid\":\"main\",\"kid\":\"ed\"}", JWT_MALFORMED},
		{"{\"alg\":\"HS256\",\"\\u0061lg\":\"none\",\"kid\":\"main\"}", JWT_MALFORMED},
		{"[\"HS256\",\"main\"]", JWT_MALFORMED},
		{"\"HS256\"", JWT_MALFORMED},
		{"null", JWT_MALFORMED},
		{"{\"alg\":\"HS256\",\"kid\":\"main\"} x", JWT_MALFORMED},
		{"{\"alg\":\"HS256\",\"kid\":\"main\"", JWT_MALFORMED},
		{"{\"alg\":\"HS256\",\"kid\":\"ma\xffin\"}", JWT_MALFORMED},
		{"{\"alg\":\"HS256\",\"kid\":\"main\\u0000\"}", JWT_MALFORMED},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++)
		assert_int_equal(verify_parts(rows[i].header, PAYLOAD), rows[i].result);
}

static void claims_of_the_wrong_form(void **state)
{
	static const char *const bad[] = {
		"{\"exp\":1795190500}",
		"{\"sub\":\"anna\"}",
		"{\"sub\":null,\"exp\":1795190500}",
		"{\"sub\":17,\"exp\":1795190500}",
		"{\"sub\":\"\",\"exp\":1795190500}",
		"{\"sub\":\"a b\",\"exp\":1795190500}",
		"{\"sub\":\"a/b\",\"exp\":1795190500}",
		"{\"sub\":\"anna\",\"exp\":\"1795190500\"}",
		"{\"sub\":\"anna\",\"exp\":null}",
		"{\"sub\":\"anna\",\"exp\":true}",
		"{\"sub\":\"anna\",\"exp\":-1}",
		"{\"sub\":\"anna\",\"exp\":-0}",
		"{\"sub\":\"anna\",\"exp\":-0.5}",
		"{\"sub\":\"anna\",\"exp\":1.7951905e9}",
		"{\"sub\":\"anna\",\"exp\":1795190500.5e0}",
		"{\"sub\":\"anna\",\"exp\":1e400}",
		"{\"sub\":\"anna\",\"exp\":9223372036854775808}",
		"{\"sub\":\"anna\",\"exp\":18446744075504742116}",
		"{\"sub\":\"anna\",\"exp\":1000000000001}",
		"{\"sub\":\"anna\",\"exp\":1795190500,\"nbf\":\"0\"}",
		"{\"sub\":\"anna\",\"exp\":1795190500,\"nbf\":null}",
		"{\"sub\":\"anna\",\"exp\":1795190500,\"iat\":[]}",
		"{\"sub\":\"anna\",\"exp\":1795190500,\"iat\":{}}",
		"{\"sub\":\"anna\",\"exp\":1795190500,\"iss\":1}",
		"{\"sub\":\"anna\",\"exp\":1795190500,\"iss\":null}",
		"{\"sub\":\"anna\",\"exp\":1795190500,\"aud\":1}",
		"{\"sub\":\"anna\",\"exp\":1795190500,\"aud\":{}}",
		"{\"sub\":\"anna\",\"exp\":1795190500,\"aud\":[\"a\",1]}",
		"{\"sub\":\"anna\",\"exp\":1795190500,\"jti\":1}",
		"{\"sub\":\"anna\",\"exp\":1795190500,\"jti\":\"\"}",
		"{\"sub\":\"anna\",\"exp\":1795190500,\"jti\":\"a\\nb\"}",
		"{\"sub\":\"anna\",\"exp\":1795190500,\"name\":1}",
		"{\"sub\":\"anna\",\"exp\":1795190500,\"name\":\"\"}",
		"{\"sub\":\"anna\",\"exp\":1795190500,\"name\":\"a\\nb\"}",
		"{\"sub\":\"anna\",\"exp\":1795190500,\"role\":\"root\"}",
		"{\"sub\":\"anna\",\"exp\":1795190500,\"role\":\"Admin\"}",
		"{\"sub\":\"anna\",\"exp\":1795190500,\"role\":\"\"}",
		"{\"sub\":\"anna\",\"exp\":1795190500,\"role\":null}",
		"{\"sub\":\"anna\",\"exp\":1795190500,\"role\":[\"admin\"]}",
		"{\"sub\":\"anna\",\"exp\":1795190500,\"tickets\":\"T-1\"}",
		"{\"sub\":\"anna\",\"exp\":1795190500,\"tickets\":\"\"}",
		"{\"sub\":\"anna\",\"exp\":1795190500,\"tickets\":null}",
		"{\"sub\":\"anna\",\"exp\":1795190500,\"tickets\":true}",
		"{\"sub\":\"anna\",\"exp\":1795190500,\"tickets\":{\"T-1\":1}}",
		"{\"sub\":\"anna\",\"exp\":1795190500,\"tickets\":[\"*\"]}",
		"{\"sub\":\"anna\",\"exp\":1795190500,\"tickets\":[\"T-1\",1]}",
		"{\"sub\":\"anna\",\"exp\":1795190500,\"tickets\":[\"T-1\",\"\"]}",
		"{\"sub\":\"anna\",\"exp\":1795190500,\"tickets\":[\".x\"]}",
		"{\"sub\":\"anna\",\"exp\":1795190500,\"tickets\":[[\"T-1\"]]}",
	};
	static const char *const malformed[] = {
		"{\"sub\":\"anna\",\"sub\":\"admin\",\"exp\":1795190500}",
		"{\"sub\":\"anna\",\"exp\":1795190500,\"role\":\"agent\",\"role\":\"admin\"}",
		"{\"sub\":\"anna\",\"exp\":1795190500,\"x\":{\"y\":1,\"y\":2}}",
		"[]",
		"\"anna\"",
		"{\"sub\":\"anna\",\"exp\":NaN}",
		"{\"sub\":\"anna\",\"exp\":1795190500}{}",
		"{\"sub\":\"anna\\ud800\",\"exp\":1795190500}",
	};

	(void)state;
	assert_int_equal(verify_payload(PAYLOAD), JWT_OK);
	for (size_t i = 0; i < LENGTH(bad); i++)
		assert_int_equal(verify_payload(bad[i]), JWT_BAD_CLAIMS);
	for (size_t i = 0; i < LENGTH(malformed); i++)
		assert_int_equal(verify_payload(malformed[i]), JWT_MALFORMED);
}

/* A payload with these times relative to now; INT64_MIN leaves one out. */
static enum jwt_result verify_times(int64_t exp_s, int64_t nbf_s, int64_t iat_s)
{
	struct buf payload = BUF_INIT;
	enum jwt_result result;

	buf_printf(&payload, "{\"sub\":\"anna\",\"exp\":%" PRId64, NOW_S + exp_s);
	if (nbf_s != INT64_MIN)
		buf_printf(&payload, ",\"nbf\":%" PRId64, NOW_S + nbf_s);
	if (iat_s != INT64_MIN)
		buf_printf(&payload, ",\"iat\":%" PRId64, NOW_S + iat_s);
	buf_putc(&payload, '}');
	result = verify_payload(buf_cstr(&payload));
	buf_deinit(&payload);
	return result;
}

static void times_at_their_edges(void **state)
{
	const int64_t none = INT64_MIN;

	(void)state;
	assert_int_equal(verify_times(1, none, none), JWT_OK);
	assert_int_equal(verify_times(0, none, none), JWT_OK);
	assert_int_equal(verify_times(-29, none, none), JWT_OK);
	assert_int_equal(verify_times(-30, none, none), JWT_EXPIRED);
	assert_int_equal(verify_times(-NOW_S, none, none), JWT_EXPIRED);
	assert_int_equal(verify_times(100, 30, none), JWT_OK);
	assert_int_equal(verify_times(100, 31, none), JWT_NOT_YET);
	assert_int_equal(verify_times(100, none, 30), JWT_OK);
	assert_int_equal(verify_times(100, none, 31), JWT_NOT_YET);
	assert_int_equal(verify_times(100, -1000000, -1000000), JWT_OK);
	assert_int_equal(verify_times(31 * DAY_S + 30, none, none), JWT_OK);
	assert_int_equal(verify_times(31 * DAY_S + 31, none, none), JWT_TOO_LONG_LIVED);
	assert_int_equal(verify_times(INT64_C(900000000000), none, none), JWT_TOO_LONG_LIVED);
	policy.max_days = 0;
	assert_int_equal(verify_times(INT64_C(900000000000), none, none), JWT_OK);
	policy.max_days = 31;
}

static void issuer_and_audience(void **state)
{
	static const struct {
		const char *issuer, *audience, *claims;
		enum jwt_result result;
	} rows[] = {
		{NULL, NULL, "", JWT_OK},
		{"", "", ",\"iss\":\"any\",\"aud\":[]", JWT_OK},
		{"desk", NULL, ",\"iss\":\"desk\"", JWT_OK},
		{"desk", NULL, ",\"iss\":\"desk2\"", JWT_WRONG_ISSUER},
		{"desk", NULL, ",\"iss\":\"\"", JWT_WRONG_ISSUER},
		{"desk", NULL, "", JWT_WRONG_ISSUER},
		{NULL, "chat", ",\"aud\":\"chat\"", JWT_OK},
		{NULL, "chat", ",\"aud\":[\"a\",\"chat\"]", JWT_OK},
		{NULL, "chat", ",\"aud\":[\"a\"]", JWT_WRONG_AUDIENCE},
		{NULL, "chat", ",\"aud\":[]", JWT_WRONG_AUDIENCE},
		{NULL, "chat", ",\"aud\":\"Chat\"", JWT_WRONG_AUDIENCE},
		{NULL, "chat", "", JWT_WRONG_AUDIENCE},
		{NULL, "chat", ",\"aud\":[\"chat\",1]", JWT_BAD_CLAIMS},
		/* The members after aud are not its elements. */
		{NULL, "chat", ",\"aud\":\"x\",\"b\":\"chat\"", JWT_WRONG_AUDIENCE},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct buf payload = BUF_INIT;

		buf_printf(&payload, "{\"sub\":\"anna\",\"exp\":1795190500%s}", rows[i].claims);
		policy.issuer = rows[i].issuer;
		policy.audience = rows[i].audience;
		assert_int_equal(verify_payload(buf_cstr(&payload)), rows[i].result);
		buf_deinit(&payload);
	}
}

/* Every cut of a good token, and every byte of it changed, is refused. */
static void every_cut_and_change(void **state)
{
	struct buf token = BUF_INIT;

	(void)state;
	token_craft(&token, ring, "main", HEADER, PAYLOAD);
	for (size_t n = 0; n < token.len; n++) {
		assert_int_not_equal(verify((struct str){token.data, n}), JWT_OK);
		token.data[n] = (char)(token.data[n] ^ 1);
		assert_int_not_equal(verify(buf_str(&token)), JWT_OK);
		token.data[n] = (char)(token.data[n] ^ 1);
	}
	assert_int_equal(verify(buf_str(&token)), JWT_OK);
	buf_deinit(&token);
}

/* Things put into a good token at any place: white space, padding, dots, NUL. */
static void every_insertion(void **state)
{
	static const char inserted[] = {' ', '\t', '\n', '\r', '=', '.', '\0', '%', 'A'};
	struct buf token = BUF_INIT, other = BUF_INIT;

	(void)state;
	token_craft(&token, ring, "main", HEADER, PAYLOAD);
	for (size_t i = 0; i < sizeof(inserted); i++) {
		for (size_t at = 0; at <= token.len; at++) {
			buf_reset(&other);
			buf_put(&other, token.data, at);
			buf_putc(&other, inserted[i]);
			buf_put(&other, token.data + at, token.len - at);
			assert_int_not_equal(verify(buf_str(&other)), JWT_OK);
		}
	}
	buf_deinit(&token);
	buf_deinit(&other);
}

static void shapes(void **state)
{
	static const char *const rows[] = {"",
					   ".",
					   "..",
					   "...",
					   "a",
					   "a.b",
					   "a.b.c",
					   ".b.c",
					   "a..c",
					   "e30..",
					   "e30.e30",
					   "e30.e30.",
					   "e30.e30.e30.e30.e30",
					   "eyJhbGciOiJub25lIn0.e30."};
	struct buf token = BUF_INIT;

	(void)state;
	assert_int_equal(verify((struct str){NULL, 0}), JWT_MALFORMED);
	for (size_t i = 0; i < LENGTH(rows); i++)
		assert_int_not_equal(verify(str_of(rows[i])), JWT_OK);

	/* alg none as its authors meant it: no signature at all */
	base64url_encode(&token, "{\"alg\":\"none\",\"kid\":\"main\"}", 27);
	buf_putc(&token, '.');
	base64url_encode(&token, PAYLOAD, strlen(PAYLOAD));
	buf_putc(&token, '.');
	assert_int_equal(verify(buf_str(&token)), JWT_WRONG_ALG);
	buf_reset(&token);
	base64url_encode(&token, HEADER, strlen(HEADER));
	buf_putc(&token, '.');
	base64url_encode(&token, PAYLOAD, strlen(PAYLOAD));
	buf_putc(&token, '.');
	assert_int_equal(verify(buf_str(&token)), JWT_BAD_SIGNATURE);
	buf_deinit(&token);
}

/* The public key's text as an HS256 secret: what the key is decides, not the token. */
static void algorithm_confusion(void **state)
{
	struct keyring *attacker = keyring_new();
	struct buf token = BUF_INIT, error = BUF_INIT;
	unsigned char raw[64];
	size_t n;

	(void)state;
	assert_non_null(attacker);
	assert_int_equal(sodium_base642bin(raw, sizeof(raw),
					   "GFnuRAllhM3+hUG6wWfcO5bIUIaqMLa2ywxcOK1wMWbh", 44, NULL,
					   &n, NULL, sodium_base64_VARIANT_ORIGINAL),
			 0);
	assert_int_equal(
		keyring_add(attacker, STR("pub"), (struct str){(const char *)raw, n}, &error), 0);
	token_craft(&token, attacker, "pub", "{\"alg\":\"HS256\",\"kid\":\"pub\"}", PAYLOAD);
	assert_int_equal(verify(buf_str(&token)), JWT_WRONG_ALG);
	token_craft(&token, attacker, "pub", "{\"alg\":\"EdDSA\",\"kid\":\"pub\"}", PAYLOAD);
	assert_int_equal(verify(buf_str(&token)), JWT_BAD_SIGNATURE);
	/* a genuine key under another's name */
	token_craft(&token, ring, "ed", "{\"alg\":\"EdDSA\",\"kid\":\"main\"}", PAYLOAD);
	assert_int_equal(verify(buf_str(&token)), JWT_WRONG_ALG);
	keyring_free(attacker);
	buf_deinit(&token);
	buf_deinit(&error);
}

static void size(void **state)
{
	struct buf payload = BUF_INIT, token = BUF_INIT;
	size_t limit;

	(void)state;
	/* 38 + 1 + … + 1 + 43 characters; grow the payload until the token is just within 8 KiB */
	for (limit = 6000; limit < 6200; limit++) {
		buf_reset(&payload);
		buf_puts(&payload, "{\"sub\":\"anna\",\"exp\":1795190500,\"pad\":\"");
		while (payload.len < limit)
			buf_putc(&payload, 'x');
		buf_puts(&payload, "\"}");
		token_craft(&token, ring, "main", HEADER, buf_cstr(&payload));
		assert_int_equal(verify(buf_str(&token)),
				 token.len <= JWT_BYTES_MAX ? JWT_OK : JWT_MALFORMED);
	}
	assert_true(token.len > JWT_BYTES_MAX);
	buf_deinit(&payload);
	buf_deinit(&token);
}

/* Genuineness is decided before time: a forged token is never called expired. */
static void expired_is_said_of_genuine_tokens_only(void **state)
{
	struct buf token = BUF_INIT;

	(void)state;
	token_craft(&token, ring, "main", HEADER, "{\"sub\":\"anna\",\"exp\":1}");
	assert_int_equal(verify(buf_str(&token)), JWT_EXPIRED);
	token.data[token.len - 3] ^= 2;
	assert_int_equal(verify(buf_str(&token)), JWT_BAD_SIGNATURE);
	buf_deinit(&token);
}

static void signing_and_explaining(void **state)
{
	static const char *const kids[] = {"main", "ed"};
	struct buf token = BUF_INIT, header = BUF_INIT, payload = BUF_INIT;

	(void)state;
	for (size_t i = 0; i < LENGTH(kids); i++) {
		struct str kid = str_of(kids[i]);

		buf_reset(&token);
		buf_reset(&header);
		buf_reset(&payload);
		assert_int_equal(jwt_sign(keyring_find(ring, kid), kid, STR(PAYLOAD), &token), 0);
		assert_int_equal(verify(buf_str(&token)), JWT_OK);
		assert_int_equal(jwt_decode(buf_str(&token), &header, &payload), 0);
		assert_string_equal(buf_cstr(&payload), PAYLOAD);
		assert_non_null(strstr(buf_cstr(&header), kids[i]));
	}
	assert_int_equal(jwt_sign(keyring_find(ring, STR("pub")), STR("pub"), STR(PAYLOAD), &token),
			 -1);
	assert_int_equal(jwt_decode(STR("a.b"), &header, &payload), -1);
	assert_int_equal(jwt_decode(STR("W10.e30.x"), &header, &payload), -1);
	assert_int_equal(jwt_decode(STR("e30.W10.x"), &header, &payload), -1);
	buf_deinit(&token);
	buf_deinit(&header);
	buf_deinit(&payload);
}

static void every_result_has_a_text(void **state)
{
	(void)state;
	for (int i = JWT_OK; i <= JWT_NO_MEMORY; i++)
		assert_string_not_equal(jwt_result_text((enum jwt_result)i), "unknown");
}

/* Puts what %NAME% stands for into a text. */
static void fill(struct buf *out, struct str text)
{
	const int64_t hour = 3600, day = 86400;
	struct str part;

	for (bool is_name = false; str_split(&text, '%', &part); is_name = !is_name) {
		if (!is_name)
			buf_put_str(out, part);
		else if (str_eq(part, STR("KID")))
			buf_puts(out, "main");
		else if (str_eq(part, STR("FAR")))
			buf_put_i64(out, NOW_S + 40 * day);
		else if (str_eq(part, STR("NOW")))
			buf_put_i64(out, NOW_S);
		else
			buf_put_i64(out, str_eq(part, STR("EXP")) ? NOW_S + hour : NOW_S - hour);
	}
}

static void expect_outcome(const struct collection_row *row, void *arg)
{
	struct buf header = BUF_INIT, payload = BUF_INIT;
	enum jwt_result result;

	(void)arg;
	fill(&header, row->fields[0]);
	fill(&payload, row->fields[1]);
	/* One with a NUL is for the integration test: tokens are crafted from strings here. */
	if (memchr(row->fields[1].p, '\0', row->fields[1].n) == NULL) {
		result = verify_parts(buf_cstr(&header), buf_cstr(&payload));
		if ((result == JWT_OK) != str_eq(row->outcome, STR("ok")) ||
		    (result == JWT_EXPIRED) != str_eq(row->outcome, STR("token_expired")))
			fail_msg("line %d: %s", row->line, jwt_result_text(result));
	}
	buf_deinit(&header);
	buf_deinit(&payload);
}

static void the_collection(void **state)
{
	(void)state;
	collection_each("jwt.txt", expect_outcome, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(claims_are_read),
		TEST(headers),
		TEST(claims_of_the_wrong_form),
		TEST(times_at_their_edges),
		TEST(issuer_and_audience),
		TEST(every_cut_and_change),
		TEST(every_insertion),
		TEST(shapes),
		TEST(algorithm_confusion),
		TEST(size),
		TEST(expired_is_said_of_genuine_tokens_only),
		TEST(signing_and_explaining),
		TEST(every_result_has_a_text),
		TEST(the_collection),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
