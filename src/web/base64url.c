/* SPDX-License-Identifier: BSD-2-Clause */
/* base64url without padding, over libsodium's codec. */
#include "config.h"

#include "web/base64url.h"

#include <sodium.h>

/* Bytes encoded at a time: a multiple of three, so that the pieces join without a seam. */
#define PIECE 384

void base64url_encode(struct buf *out, const void *p, size_t n)
{
	const unsigned char *bytes = p;
	char text[sodium_base64_ENCODED_LEN(PIECE, sodium_base64_VARIANT_URLSAFE_NO_PADDING)];

	while (n > 0) {
		size_t piece = n < PIECE ? n : PIECE;

		sodium_bin2base64(text, sizeof(text), bytes, piece,
				  sodium_base64_VARIANT_URLSAFE_NO_PADDING);
		buf_put(out, text, BASE64URL_LEN(piece));
		bytes += piece;
		n -= piece;
	}
	sodium_memzero(text, sizeof(text));
}

/* libsodium 1.0.18 takes every byte from 0x80 on for an underscore where char is signed. */
static bool is_ascii(struct str text)
{
	for (size_t i = 0; i < text.n; i++) {
		if ((unsigned char)text.p[i] >= 0x80)
			return false;
	}
	return true;
}

int base64url_decode(struct str text, unsigned char *out, size_t cap, size_t *n_r)
{
	if (text.n == 0) {
		*n_r = 0;
		return 0;
	}
	if (!is_ascii(text))
		return -1;
	/* No characters to ignore and no end pointer: all of the text must be taken. */
	return sodium_base642bin(out, cap, text.p, text.n, NULL, n_r, NULL,
				 sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}
