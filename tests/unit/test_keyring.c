/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys: where they come from, what they sign, and what they refuse. */
#include "config.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmocka_setup.h"
#include "tempdir.h"
#include "token_craft.h"
#include "web/base64url.h"
#include "web/keyring.h"

static const struct keyring_key *add(struct keyring *ring, const char *kid, struct str contents)
{
	struct buf error = BUF_INIT;
	int result = keyring_add(ring, str_of(kid), contents, &error);

	assert_int_equal(result == 0, error.len == 0);
	buf_deinit(&error);
	return result == 0 ? keyring_find(ring, str_of(kid)) : NULL;
}

/* RFC 7515, appendix A.1: HS256. */
static void rfc7515_a1(void **state)
{
	const struct str text =
		STR("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"
		    "."
		    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGF"
		    "tcGxlLmNvbS9pc19yb290Ijp0cnVlfQ");
	const struct str expected = STR("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
	unsigned char secret[64], signature[KEYRING_SIGNATURE_MAX];
	struct keyring *ring = keyring_new();
	const struct keyring_key *key;
	struct buf encoded = BUF_INIT;
	size_t n;

	(void)state;
	assert_non_null(ring);
	assert_int_equal(
		base64url_decode(STR("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75"
				     "aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"),
				 secret, sizeof(secret), &n),
		0);
	key = add(ring, "a1", (struct str){(const char *)secret, n});
	assert_non_null(key);
	assert_int_equal(keyring_key_alg(key), KEYRING_HS256);
	assert_int_equal(keyring_key_sign(key, text, signature, &n), 0);
	base64url_encode(&encoded, signature, n);
	assert_true(str_eq(buf_str(&encoded), expected));
	assert_true(keyring_key_verify(key, text, (struct str){(const char *)signature, n}));
	buf_deinit(&encoded);
	keyring_free(ring);
}

/* A PEM of DER bytes that are a prefix and 32 bytes in base64url. */
static void put_pem(struct buf *out, const char *label, const char *der_prefix, size_t n_prefix,
		    struct str key)
{
	unsigned char der[64];
	char text[128];
	size_t n;

	memcpy(der, der_prefix, n_prefix);
	assert_int_equal(base64url_decode(key, der + n_prefix, 32, &n), 0);
	sodium_bin2base64(text, sizeof(text), der, n_prefix + n, sodium_base64_VARIANT_ORIGINAL);
	buf_printf(out, "-----BEGIN %s-----\n%s\n-----END %s-----\n", label, text, label);
}

/* RFC 8037, appendix A.4 and A.5: EdDSA with the key of A.1. */
static void rfc8037_a4(void **state)
{
	const struct str text = STR("eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc");
	const struct str expected =
		STR("hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg"
		    "5BhVsPt9g7sVvpAr_MuM0KAg");
	unsigned char signature[KEYRING_SIGNATURE_MAX];
	const struct keyring_key *private_key, *public_key;
	struct keyring *ring = keyring_new();
	struct buf pem = BUF_INIT;
	size_t n;

	(void)state;
	assert_non_null(ring);
	put_pem(&pem, "PRIVATE KEY",
		"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20", 16,
		STR("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"));
	private_key = add(ring, "private", buf_str(&pem));
	buf_reset(&pem);
	put_pem(&pem, "PUBLIC KEY", "\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00", 12,
		STR("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"));
	public_key = add(ring, "public", buf_str(&pem));
	assert_non_null(private_key);
	assert_non_null(public_key);
	assert_string_equal(keyring_key_alg_text(public_key), "EdDSA");

	assert_int_equal(keyring_key_sign(private_key, text, signature, &n), 0);
	buf_reset(&pem);
	base64url_encode(&pem, signature, n);
	assert_true(str_eq(buf_str(&pem), expected));
	assert_true(keyring_key_verify(public_key, text, (struct str){(const char *)signature, n}));
	assert_true(
		keyring_key_verify(private_key, text, (struct str){(const char *)signature, n}));
	assert_int_equal(keyring_key_sign(public_key, text, signature, &n), -1);
	buf_deinit(&pem);
	keyring_free(ring);
}

/* Any bit of text or signature flipped, and any other length, is refused. */
static void forgeries(void **state)
{
	static const char *const kids[] = {"main", "ed"};
	struct keyring *ring = token_craft_ring();

	(void)state;
	for (size_t k = 0; k < LENGTH(kids); k++) {
		const struct keyring_key *key = keyring_find(ring, str_of(kids[k]));
		unsigned char signature[KEYRING_SIGNATURE_MAX + 1] = {0};
		struct str s = {(const char *)signature, 0};
		char text[] = "some text";

		assert_int_equal(keyring_key_sign(key, str_of(text), signature, &s.n), 0);
		assert_true(keyring_key_verify(key, str_of(text), s));
		for (size_t bit = 0; bit < s.n * 8; bit++) {
			signature[bit / 8] ^= (unsigned char)(1 << bit % 8);
			assert_false(keyring_key_verify(key, str_of(text), s));
			signature[bit / 8] ^= (unsigned char)(1 << bit % 8);
		}
		text[0] ^= 1;
		assert_false(keyring_key_verify(key, str_of(text), s));
		text[0] ^= 1;
		for (size_t n = 0; n <= s.n + 1; n++)
			assert_int_equal(
				keyring_key_verify(key, str_of(text), (struct str){s.p, n}),
				n == s.n);
	}
	keyring_free(ring);
}

static void bad_material(void **state)
{
	static const struct str rows[] = {
		{"", 0},
		{"thirty-one bytes are too short.", 31},
		{"-----BEGIN PUBLIC KEY-----", 26},
		{"-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n", 52},
		{"-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----\n", 69},
		{"-----BEGIN PUBLIC KEY-----\n!!!!\n-----END PUBLIC KEY-----\n", 57},
		/* X25519 instead of Ed25519: 2b656e */
		{"-----BEGIN PUBLIC KEY-----\n"
		 "MCowBQYDK2VuAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n"
		 "-----END PUBLIC KEY-----\n",
		 113},
		/* a public key behind a comment: its bytes would be everybody's secret */
		{"Public-Key: (256 bit)\n-----BEGIN PUBLIC KEY-----\n"
		 "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n",
		 110},
		{"-----BEGIN RSA PUBLIC KEY-----\nMCowBQYDK2VwAyEAMCowBQYDK2VwAyEA\n", 64},
	};
	struct keyring *ring = keyring_new();

	(void)state;
	assert_non_null(ring);
	for (size_t i = 0; i < LENGTH(rows); i++)
		assert_null(add(ring, "k", rows[i]));
	assert_int_equal(keyring_count(ring), 0);
	assert_non_null(add(ring, "k", STR("thirty-two bytes are long enough")));
	assert_null(add(ring, "k", STR("thirty-two bytes are long enough")));
	assert_null(add(ring, "", STR("thirty-two bytes are long enough")));
	assert_null(add(ring, "a b", STR("thirty-two bytes are long enough")));
	assert_int_equal(keyring_count(ring), 1);
	assert_null(keyring_find(ring, STR("")));
	assert_null(keyring_find(ring, STR("K")));
	assert_null(keyring_find(ring, (struct str){"k\0", 2}));
	keyring_free(ring);
	keyring_free(NULL);
}

static size_t load(const char *key_file, const char *kid, const char *dir, struct keyring **ring_r)
{
	const struct keyring_source source = {key_file, kid, dir};
	struct buf error = BUF_INIT;
	size_t n = 0;

	*ring_r = keyring_load(&source, &error);
	if (*ring_r == NULL) {
		assert_true(error.len > 0);
		assert_null(strstr(buf_cstr(&error), "CHANGE_ME"));
	} else {
		assert_int_equal(error.len, 0);
		n = keyring_count(*ring_r);
	}
	buf_deinit(&error);
	return n;
}

static void files_and_directories(void **state)
{
	struct tempdir dir, other;
	struct keyring *ring;
	const struct keyring_key *key;
	unsigned char mine[KEYRING_SIGNATURE_MAX], theirs[KEYRING_SIGNATURE_MAX];
	char *extra;
	size_t n;

	(void)state;
	tempdir_init(&dir);
	tempdir_init(&other);
	tempdir_file(&dir, "main.key", TOKEN_CRAFT_SECRET "\n", sizeof(TOKEN_CRAFT_SECRET), 0600);
	tempdir_file(&dir, "ed.pem", token_craft_private_pem, strlen(token_craft_private_pem),
		     0600);
	tempdir_file(&dir, "pub", token_craft_public_pem, strlen(token_craft_public_pem), 0640);
	tempdir_file(&dir, ".main.key.swp", "rubbish", 7, 0644);
	extra = strdup(
		tempdir_file(&other, "x", TOKEN_CRAFT_SECRET, strlen(TOKEN_CRAFT_SECRET), 0600));

	assert_int_equal(load(extra, "next", dir.path, &ring), 4);
	assert_non_null(keyring_find(ring, STR("next")));
	assert_int_equal(keyring_key_alg(keyring_find(ring, STR("ed"))), KEYRING_EDDSA);
	assert_int_equal(keyring_key_alg(keyring_find(ring, STR("pub"))), KEYRING_EDDSA);
	key = keyring_find(ring, STR("main"));
	assert_non_null(key);
	/* The newline at the end of main.key is not part of the key. */
	assert_int_equal(keyring_key_sign(key, STR("t"), mine, &n), 0);
	key = keyring_find(ring, STR("next"));
	assert_int_equal(keyring_key_sign(key, STR("t"), theirs, &n), 0);
	assert_memory_equal(mine, theirs, n);
	keyring_free(ring);

	/* a kid twice; a file that others may read; a file that is not there; an empty directory */
	assert_int_equal(load(extra, "main", dir.path, &ring), 0);
	assert_null(ring);
	tempdir_file(&dir, "open.key", TOKEN_CRAFT_SECRET, strlen(TOKEN_CRAFT_SECRET), 0644);
	assert_int_equal(load(NULL, NULL, dir.path, &ring), 0);
	assert_null(ring);
	assert_int_equal(load("/nonexistent/key", "main", NULL, &ring), 0);
	assert_null(ring);
	assert_int_equal(load(NULL, NULL, "/nonexistent", &ring), 0);
	assert_null(ring);
	unlink(extra);
	assert_int_equal(load(NULL, NULL, other.path, &ring), 0);
	assert_null(ring);
	/* Nothing configured is an empty ring: it is for the program to say whether that will do. */
	assert_int_equal(load("", "main", "", &ring), 0);
	assert_non_null(ring);
	keyring_free(ring);
	free(extra);
	tempdir_deinit(&dir);
	tempdir_deinit(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc7515_a1),
		cmocka_unit_test(rfc8037_a4),
		cmocka_unit_test(forgeries),
		cmocka_unit_test(bad_material),
		cmocka_unit_test(files_and_directories),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
