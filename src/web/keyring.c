/* SPDX-License-Identifier: BSD-2-Clause */
/* The keys that tokens are verified with. */
#include "config.h"

#include "web/keyring.h"

#include <dirent.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/secret.h"
#include "web/ids.h"

#define PEM_BEGIN     "-----BEGIN "
#define PUBLIC_BEGIN  "-----BEGIN PUBLIC KEY-----"
#define PUBLIC_END    "-----END PUBLIC KEY-----"
#define PRIVATE_BEGIN "-----BEGIN PRIVATE KEY-----"
#define PRIVATE_END   "-----END PRIVATE KEY-----"

struct keyring_key {
	char kid[KEYRING_KID_MAX + 1];
	enum keyring_alg alg;
	struct secret secret; /* HS256: the key; EdDSA: libsodium's secret key, or none */
	unsigned char public_key[crypto_sign_PUBLICKEYBYTES];
};

struct keyring {
	struct keyring_key **keys;
	size_t n;
};

/* ---- one key ---- */

static void free_key(struct keyring_key *key)
{
	if (key == NULL)
		return;
	secret_wipe(&key->secret);
	free(key);
}

/* The base64 between two PEM lines, decoded. Returns its length, or 0 where there is none. */
static size_t decode_pem(struct str pem, const char *begin, const char *end, unsigned char *der,
			 size_t cap)
{
	const char *text, *stop;
	size_t n = 0;

	pem.p += strlen(begin);
	pem.n -= strlen(begin);
	text = pem.p;
	stop = memmem(pem.p, pem.n, end, strlen(end));
	if (stop == NULL || sodium_base642bin(der, cap, text, (size_t)(stop - text), " \t\r\n", &n,
					      NULL, sodium_base64_VARIANT_ORIGINAL) != 0)
		return 0;
	return n;
}

/* SubjectPublicKeyInfo of an Ed25519 key: a fixed prefix and the key (RFC 8410, section 4). */
static int load_public(struct keyring_key *key, struct str pem)
{
	static const unsigned char prefix[] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
					       0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
	unsigned char der[sizeof(prefix) + crypto_sign_PUBLICKEYBYTES];

	if (decode_pem(pem, PUBLIC_BEGIN, PUBLIC_END, der, sizeof(der)) != sizeof(der) ||
	    memcmp(der, prefix, sizeof(prefix)) != 0)
		return -1;
	memcpy(key->public_key, der + sizeof(prefix), sizeof(key->public_key));
	return 0;
}

/* PrivateKeyInfo of an Ed25519 key: a fixed prefix and the seed (RFC 8410, section 7). */
static int load_private(struct keyring_key *key, struct str pem)
{
	static const unsigned char prefix[] = {0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06,
					       0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20};
	unsigned char der[sizeof(prefix) + crypto_sign_SEEDBYTES];
	unsigned char secret[crypto_sign_SECRETKEYBYTES];
	int result = -1;

	if (decode_pem(pem, PRIVATE_BEGIN, PRIVATE_END, der, sizeof(der)) == sizeof(der) &&
	    memcmp(der, prefix, sizeof(prefix)) == 0) {
		crypto_sign_seed_keypair(key->public_key, secret, der + sizeof(prefix));
		result = secret_copy(secret, sizeof(secret), &key->secret);
	}
	sodium_memzero(der, sizeof(der));
	sodium_memzero(secret, sizeof(secret));
	return result;
}

/* Fills alg and material from the contents of a key file. Returns NULL, or what is wrong. */
static const char *load_material(struct keyring_key *key, struct str contents)
{
	if (str_starts(contents, STR(PUBLIC_BEGIN))) {
		key->alg = KEYRING_EDDSA;
		return load_public(key, contents) == 0 ? NULL : "not an Ed25519 public key";
	}
	if (str_starts(contents, STR(PRIVATE_BEGIN))) {
		key->alg = KEYRING_EDDSA;
		return load_private(key, contents) == 0 ? NULL : "not an Ed25519 private key";
	}
	/* Of another kind, or with text before it: a public key must never be taken for a secret. */
	if (contents.n > 0 && memmem(contents.p, contents.n, PEM_BEGIN, strlen(PEM_BEGIN)) != NULL)
		return "a PEM file that does not begin with PUBLIC KEY or PRIVATE KEY";
	if (contents.n < KEYRING_SECRET_MIN)
		return "an HS256 key needs at least 32 bytes";
	key->alg = KEYRING_HS256;
	return secret_copy(contents.p, contents.n, &key->secret) == 0 ? NULL : "out of memory";
}

enum keyring_alg keyring_key_alg(const struct keyring_key *key)
{
	return key->alg;
}

const char *keyring_key_alg_text(const struct keyring_key *key)
{
	return key->alg == KEYRING_HS256 ? "HS256" : "EdDSA";
}

/* HMAC-SHA-256 with a key of any length (RFC 7518, section 3.2). */
static void hs256(const struct keyring_key *key, struct str text,
		  unsigned char mac[crypto_auth_hmacsha256_BYTES])
{
	crypto_auth_hmacsha256_state state;

	crypto_auth_hmacsha256_init(&state, key->secret.data, key->secret.len);
	crypto_auth_hmacsha256_update(&state, (const unsigned char *)text.p, text.n);
	crypto_auth_hmacsha256_final(&state, mac);
	sodium_memzero(&state, sizeof(state));
}

bool keyring_key_verify(const struct keyring_key *key, struct str text, struct str signature)
{
	const unsigned char *bytes = (const unsigned char *)signature.p;
	unsigned char mac[crypto_auth_hmacsha256_BYTES];

	if (key->alg == KEYRING_EDDSA)
		return signature.n == crypto_sign_BYTES &&
		       crypto_sign_verify_detached(bytes, (const unsigned char *)text.p, text.n,
						   key->public_key) == 0;
	if (signature.n != sizeof(mac))
		return false;
	hs256(key, text, mac);
	return sodium_memcmp(mac, bytes, sizeof(mac)) == 0;
}

int keyring_key_sign(const struct keyring_key *key, struct str text,
		     unsigned char signature[KEYRING_SIGNATURE_MAX], size_t *n_r)
{
	_Static_assert(crypto_sign_BYTES <= KEYRING_SIGNATURE_MAX, "room for EdDSA");
	_Static_assert(crypto_auth_hmacsha256_BYTES <= KEYRING_SIGNATURE_MAX, "room for HS256");

	if (key->secret.data == NULL)
		return -1;
	if (key->alg == KEYRING_HS256) {
		hs256(key, text, signature);
		*n_r = crypto_auth_hmacsha256_BYTES;
	} else {
		crypto_sign_detached(signature, NULL, (const unsigned char *)text.p, text.n,
				     key->secret.data);
		*n_r = crypto_sign_BYTES;
	}
	return 0;
}

/* ---- the ring ---- */

struct keyring *keyring_new(void)
{
	return calloc(1, sizeof(struct keyring));
}

void keyring_free(struct keyring *ring)
{
	if (ring == NULL)
		return;
	for (size_t i = 0; i < ring->n; i++)
		free_key(ring->keys[i]);
	free(ring->keys);
	free(ring);
}

const struct keyring_key *keyring_find(const struct keyring *ring, struct str kid)
{
	for (size_t i = 0; i < ring->n; i++) {
		if (str_eq_c(kid, ring->keys[i]->kid))
			return ring->keys[i];
	}
	return NULL;
}

size_t keyring_count(const struct keyring *ring)
{
	return ring->n;
}

/* Puts a key that is complete into the ring, which then owns it. */
static int append(struct keyring *ring, struct keyring_key *key)
{
	struct keyring_key **keys =
		reallocarray(ring->keys, ring->n + 1, sizeof(struct keyring_key *));

	if (keys == NULL)
		return -1;
	ring->keys = keys;
	ring->keys[ring->n++] = key;
	return 0;
}

int keyring_add(struct keyring *ring, struct str kid, struct str contents, struct buf *error)
{
	struct keyring_key *key = NULL;
	const char *reason = NULL;

	if (!ids_is_request(kid))
		reason = "a kid has 1 to 64 of A-Z a-z 0-9 . _ -";
	else if (keyring_find(ring, kid) != NULL)
		reason = "there is a key of that kid already";
	else if ((key = calloc(1, sizeof(*key))) == NULL)
		reason = "out of memory";
	if (reason == NULL) {
		memcpy(key->kid, kid.p, kid.n);
		reason = load_material(key, contents);
	}
	if (reason == NULL && append(ring, key) != 0)
		reason = "out of memory";
	if (reason == NULL)
		return 0;
	free_key(key);
	buf_printf(error, "could not use key %.*s: %s\n", STR_ARG(kid), reason);
	return -1;
}

static int add_file(struct keyring *ring, const char *path, struct str kid, struct buf *error)
{
	struct secret file = {0};
	int result;

	if (secret_load(path, 1, &file, error) != 0)
		return -1;
	result = keyring_add(ring, kid, (struct str){(const char *)file.data, file.len}, error);
	secret_wipe(&file);
	return result;
}

/* A file's name less the endings that key files have. */
static struct str kid_of(const char *name)
{
	struct str kid = str_of(name);

	if (str_ends(kid, STR(".key")) || str_ends(kid, STR(".pem")))
		kid.n -= 4;
	return kid;
}

/* Adds a directory entry if it is a regular file, or a link to one. */
static int add_entry(struct keyring *ring, const char *dir, const char *name, struct buf *error)
{
	struct stat st;
	char *path = NULL;
	int result = -1;

	if (name[0] == '.')
		return 0;
	if (asprintf(&path, "%s/%s", dir, name) < 0) {
		buf_puts(error, "could not read keys: out of memory\n");
		return -1;
	}
	if (stat(path, &st) != 0)
		buf_printf(error, "could not open %s: %s\n", path, strerror(errno));
	else if (!S_ISREG(st.st_mode))
		result = 0;
	else
		result = add_file(ring, path, kid_of(name), error);
	free(path);
	return result;
}

static int add_directory(struct keyring *ring, const char *dir, struct buf *error)
{
	DIR *stream = opendir(dir);
	const struct dirent *entry;
	size_t before = ring->n;
	int result = 0;

	if (stream == NULL) {
		buf_printf(error, "could not open %s: %s\n", dir, strerror(errno));
		return -1;
	}
	while (result == 0 && (entry = readdir(stream)) != NULL)
		result = add_entry(ring, dir, entry->d_name, error);
	closedir(stream);
	if (result == 0 && ring->n == before) {
		buf_printf(error, "could not find a key in %s\n", dir);
		return -1;
	}
	return result;
}

static bool is_set(const char *text)
{
	return text != NULL && text[0] != '\0';
}

struct keyring *keyring_load(const struct keyring_source *source, struct buf *error)
{
	struct keyring *ring = keyring_new();

	if (ring == NULL) {
		buf_puts(error, "could not read keys: out of memory\n");
		return NULL;
	}
	if (is_set(source->key_file) &&
	    add_file(ring, source->key_file, str_of(source->kid), error) != 0)
		goto fail;
	if (is_set(source->keys_dir) && add_directory(ring, source->keys_dir, error) != 0)
		goto fail;
	return ring;
fail:
	keyring_free(ring);
	return NULL;
}
