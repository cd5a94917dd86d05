/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Strict UTF-8 (RFC 3629, Unicode 15 table 3-7): no overlong forms, no surrogates, nothing above
 * U+10FFFF, nothing cut short.
 */
#ifndef BELLHOP_BASE_UTF8_H
#define BELLHOP_BASE_UTF8_H

#include "base/str.h"

/* The empty string is valid. NUL is valid UTF-8; utf8_is_text() refuses it. */
bool utf8_is_valid(struct str s);

/* Valid, and without NUL and the control characters C0 and DEL, except \t \n \r. */
bool utf8_is_text(struct str s);

/*
 * The length of s cut down to at most max bytes without cutting a character in two; s must be valid.
 */
size_t utf8_cut(struct str s, size_t max);

#endif
