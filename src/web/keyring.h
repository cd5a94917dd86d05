/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The keys that tokens are verified with, found by their kid. A key carries
 * its algorithm: nothing in a token can choose another one. Key material lies
 * in locked memory and is wiped when freed. libsodium must be initialised.
 */
#ifndef BELLHOP_WEB_KEYRING_H
#define BELLHOP_WEB_KEYRING_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/str.h"

#define KEYRING_KID_MAX	   64
#define KEYRING_SECRET_MIN 32 /* bytes of an HS256 secret */

enum keyring_alg { KEYRING_HS256, KEYRING_EDDSA };

struct keyring;	    /* a set of keys */
struct keyring_key; /* one of them */

/* Where keys come from; NULL or "" where not configured. */
struct keyring_source {
	const char *key_file; /* one key… */
	const char *kid;      /* …and its kid */
	const char *keys_dir; /* every regular file is a key; kid = its name less .key or .pem */
};

/*
 * Loads all keys. A file with -----BEGIN PUBLIC KEY----- (SPKI) or
 * -----BEGIN PRIVATE KEY----- (PKCS#8) is an Ed25519 key (RFC 8410); any
 * other is an HS256 secret of at least 32 bytes, less one line end at its
 * end. Refused are files that secret_load() refuses (readable by others), a
 * kid that comes twice, and a directory without a key; names that begin with
 * a dot are skipped. Where no source is configured the ring is empty. Returns
 * the ring, owned by the caller, or NULL with one line in *error (no secrets).
 */
struct keyring *keyring_load(const struct keyring_source *source, struct buf *error);

/* An empty ring, for tests and for keys that do not come from files; NULL: out of memory. */
struct keyring *keyring_new(void);

/* Wipes and frees; NULL is accepted. */
void keyring_free(struct keyring *ring);

/*
 * Adds the contents of a key file under a kid (1 to 64 of A-Z a-z 0-9 . _ -).
 * Returns 0, or -1 with a reason in *error.
 */
int keyring_add(struct keyring *ring, struct str kid, struct str contents, struct buf *error);

/* The key of that kid, or NULL. */
const struct keyring_key *keyring_find(const struct keyring *ring, struct str kid);

/* Number of keys. */
size_t keyring_count(const struct keyring *ring);

enum keyring_alg keyring_key_alg(const struct keyring_key *key);

/* "HS256" or "EdDSA", as the header parameter alg spells it (RFC 7518, RFC 8037). */
const char *keyring_key_alg_text(const struct keyring_key *key);

/*
 * Whether signature is that key's over text (RFC 7515, section 5.2; RFC 8037,
 * section 3.1). Compares in constant time; a signature of the wrong length is
 * no signature.
 */
bool keyring_key_verify(const struct keyring_key *key, struct str text, struct str signature);

/* Longest signature that keyring_key_sign() makes, in bytes. */
#define KEYRING_SIGNATURE_MAX 64

/*
 * Signs text; the signature's length goes to *n_r. Returns 0, or -1 for a
 * public key, which cannot sign.
 */
int keyring_key_sign(const struct keyring_key *key, struct str text,
		     unsigned char signature[KEYRING_SIGNATURE_MAX], size_t *n_r);

#endif /* BELLHOP_WEB_KEYRING_H */
