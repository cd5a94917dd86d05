/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tokens. The first byte chooses how far the rest gets by itself: 't' is a
 * token as a client sends it, which must never verify (nobody who fuzzes has
 * the key); 'h' is a header and 'p' a payload that are signed here, so that
 * what lies behind the signature is reached.
 */
#include "config.h"

#include <sodium.h>

#include "fuzz.h"
#include "web/base64url.h"
#include "web/jwt.h"

#define NOW_MS	INT64_C(1795190400000)
#define SECRET	STR("CHANGE_ME-CHANGE_ME-CHANGE_ME-CHANGE_ME")
#define HEADER	STR("{\"alg\":\"HS256\",\"kid\":\"main\"}")
#define PAYLOAD STR("{\"sub\":\"anna\",\"exp\":1795190500}")

static struct keyring *ring;

static void make_ring(void)
{
	struct buf error = BUF_INIT;

	FUZZ_EXPECT(sodium_init() >= 0);
	ring = keyring_new();
	FUZZ_EXPECT(ring != NULL);
	FUZZ_EXPECT(keyring_add(ring, STR("main"), SECRET, &error) == 0);
	buf_deinit(&error);
}

static void sign(struct str header, struct str payload, struct buf *token)
{
	unsigned char signature[KEYRING_SIGNATURE_MAX];
	size_t n;

	base64url_encode(token, header.p, header.n);
	buf_putc(token, '.');
	base64url_encode(token, payload.p, payload.n);
	FUZZ_EXPECT(keyring_key_sign(keyring_find(ring, STR("main")), buf_str(token), signature,
				     &n) == 0);
	buf_putc(token, '.');
	base64url_encode(token, signature, n);
}

/* What a token that was believed must look like. */
static void expect_sound(const struct jwt_claims *claims)
{
	FUZZ_EXPECT(ids_is_user(claims->sub));
	FUZZ_EXPECT(claims->name.p == NULL || ids_is_name(claims->name));
	FUZZ_EXPECT(claims->jti.p == NULL || ids_is_jti(claims->jti));
	FUZZ_EXPECT(claims->exp_s * 1000 + JWT_LEEWAY_S * 1000 > NOW_MS);
	FUZZ_EXPECT(!claims->all_tickets || claims->n_tickets == 0);
	for (size_t i = 0; i < claims->n_tickets; i++)
		FUZZ_EXPECT(ids_is_ticket(claims->tickets[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct jwt_policy policy = {.max_days = 31};
	struct str rest = {(const char *)data + 1, size - 1};
	struct buf token = BUF_INIT, header = BUF_INIT, payload = BUF_INIT;
	struct jwt_claims claims;
	enum jwt_result result;

	if (size == 0)
		return 0;
	if (ring == NULL)
		make_ring();
	policy.ring = ring;
	if (data[0] == 'h')
		sign(rest, PAYLOAD, &token);
	else if (data[0] == 'p')
		sign(HEADER, rest, &token);
	else
		buf_put_str(&token, rest);

	result = jwt_verify(&policy, buf_str(&token), NOW_MS, &claims);
	if (result == JWT_OK) {
		FUZZ_EXPECT(data[0] == 'h' || data[0] == 'p');
		FUZZ_EXPECT(jwt_decode(buf_str(&token), &header, &payload) == 0);
		expect_sound(&claims);
	} else {
		FUZZ_EXPECT(claims.json == NULL && claims.tickets == NULL && claims.sub.p == NULL);
		(void)jwt_decode(buf_str(&token), &header, &payload);
	}
	jwt_claims_deinit(&claims);
	buf_deinit(&token);
	buf_deinit(&header);
	buf_deinit(&payload);
	return 0;
}
