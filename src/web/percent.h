/* SPDX-License-Identifier: BSD-2-Clause */
/* Percent-decoding of URI parts (RFC 3986, section 2.1). */
#ifndef BELLHOP_WEB_PERCENT_H
#define BELLHOP_WEB_PERCENT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

/*
 * Decodes text into the cap bytes at out, '+' as a space where plus_is_space,
 * and stores the length in *n_r. The result may hold any byte, NUL included.
 * Returns 0, or -1 where a % is not followed by two hexadecimal digits or the
 * result does not fit.
 */
int percent_decode(struct str text, bool plus_is_space, char *out, size_t cap, size_t *n_r);

#endif /* BELLHOP_WEB_PERCENT_H */
