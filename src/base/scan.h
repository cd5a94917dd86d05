/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The cursor through which wire data is walked, and the only one: it owns the pointer and what is
 * left, so that no parser does arithmetic with lengths that a peer sent. A failed call leaves the
 * cursor where it was.
 */
#ifndef BELLHOP_BASE_SCAN_H
#define BELLHOP_BASE_SCAN_H

#include "base/str.h"

struct scan {
	const unsigned char *p;
	size_t left;
};

/* Starts at the n bytes at `bytes`, which must outlive the cursor and all that is taken from it. */
void scan_init(struct scan *s, const void *bytes, size_t n);

/* Network byte order. 0, or -1 when fewer bytes are left than asked for. */
int scan_u8(struct scan *s, uint8_t *value_r);
int scan_u16be(struct scan *s, uint16_t *value_r);
int scan_u32be(struct scan *s, uint32_t *value_r);

/* The next n bytes, borrowed. */
int scan_take(struct scan *s, size_t n, struct str *bytes_r);

int scan_skip(struct scan *s, size_t n);

#endif
