/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * base64url as JOSE uses it (RFC 4648 section 5, RFC 7515 section 2): no
 * padding, no white space, no line breaks, unused trailing bits zero. There
 * is exactly one accepted text for a sequence of bytes.
 */
#ifndef BELLHOP_WEB_BASE64URL_H
#define BELLHOP_WEB_BASE64URL_H

#include <stddef.h>

#include "base/buf.h"
#include "base/str.h"

/* Characters that n bytes encode to, without a terminator. */
#define BASE64URL_LEN(n) (((n)*4 + 2) / 3)

/* Appends the encoding of the n bytes at p; failure is sticky in out. */
void base64url_encode(struct buf *out, const void *p, size_t n);

/*
 * Decodes into the cap bytes at out and stores the number of bytes in *n_r.
 * Returns 0, or -1 where the text is not canonical base64url or does not fit;
 * the contents of out are then unspecified.
 */
int base64url_decode(struct str text, unsigned char *out, size_t cap, size_t *n_r);

#endif /* BELLHOP_WEB_BASE64URL_H */
