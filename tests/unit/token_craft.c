/* SPDX-License-Identifier: BSD-2-Clause */
/* Tokens for tests. */
#include "config.h"

#include "token_craft.h"

#include "cmocka_setup.h"
#include "web/base64url.h"

const char token_craft_public_pem[] =
	"-----BEGIN PUBLIC KEY-----\n"
	"MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n"
	"-----END PUBLIC KEY-----\n";

const char token_craft_private_pem[] =
	"-----BEGIN PRIVATE KEY-----\n"
	"MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n"
	"-----END PRIVATE KEY-----\n";

struct keyring *token_craft_ring(void)
{
	struct keyring *ring = keyring_new();
	struct buf error = BUF_INIT;

	assert_non_null(ring);
	assert_int_equal(keyring_add(ring, STR("main"), STR(TOKEN_CRAFT_SECRET), &error), 0);
	assert_int_equal(keyring_add(ring, STR("ed"), str_of(token_craft_private_pem), &error), 0);
	assert_int_equal(keyring_add(ring, STR("pub"), str_of(token_craft_public_pem), &error), 0);
	buf_deinit(&error);
	return ring;
}

void token_craft(struct buf *out, const struct keyring *ring, const char *kid, const char *header,
		 const char *payload)
{
	unsigned char signature[KEYRING_SIGNATURE_MAX];
	size_t n;

	buf_reset(out);
	base64url_encode(out, header, str_of(header).n);
	buf_putc(out, '.');
	base64url_encode(out, payload, str_of(payload).n);
	assert_int_equal(
		keyring_key_sign(keyring_find(ring, str_of(kid)), buf_str(out), signature, &n), 0);
	buf_putc(out, '.');
	base64url_encode(out, signature, n);
	assert_true(buf_ok(out));
}
