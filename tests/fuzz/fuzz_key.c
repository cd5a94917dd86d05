/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes as a key file: what is taken can sign and verify, or only verify; what is not has a reason. */
#include "config.h"

#include <sodium.h>
#include <string.h>

#include "fuzz.h"
#include "web/keyring.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct str contents = {(const char *)data, size}, text = STR("text");
	unsigned char signature[KEYRING_SIGNATURE_MAX] = {0};
	struct buf error = BUF_INIT;
	const struct keyring_key *key;
	struct keyring *ring;
	size_t n;

	FUZZ_EXPECT(sodium_init() >= 0);
	ring = keyring_new();
	FUZZ_EXPECT(ring != NULL);
	if (keyring_add(ring, STR("kid"), contents, &error) == 0) {
		key = keyring_find(ring, STR("kid"));
		FUZZ_EXPECT(key != NULL && keyring_count(ring) == 1);
		FUZZ_EXPECT(keyring_key_alg(key) != KEYRING_HS256 || size >= KEYRING_SECRET_MIN);
		if (keyring_key_sign(key, text, signature, &n) == 0) {
			struct str s = {(const char *)signature, n};

			FUZZ_EXPECT(keyring_key_verify(key, text, s));
			FUZZ_EXPECT(!keyring_key_verify(key, STR("else"), s));
			FUZZ_EXPECT(!keyring_key_verify(key, text, (struct str){s.p, n - 1}));
		} else {
			FUZZ_EXPECT(keyring_key_alg(key) == KEYRING_EDDSA);
		}
	} else {
		FUZZ_EXPECT(error.len > 0 && keyring_count(ring) == 0);
		/* No secret in what is logged: nothing of the file is long enough to be found there. */
		FUZZ_EXPECT(size < 16 || memmem(error.data, error.len, data, size) == NULL);
	}
	keyring_free(ring);
	buf_deinit(&error);
	return 0;
}
