/* SPDX-License-Identifier: BSD-2-Clause */
/* Percent-decoding of URI parts. */
#include "config.h"

#include "web/percent.h"

#include "base/scan.h"

/* The value of a hexadecimal digit, or -1. */
static int hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* The byte behind a percent sign. */
static int escaped_byte(struct scan *s, uint8_t *byte_r)
{
	uint8_t high, low;

	if (scan_u8(s, &high) != 0 || scan_u8(s, &low) != 0)
		return -1;
	if (hex_value(high) < 0 || hex_value(low) < 0)
		return -1;
	*byte_r = (uint8_t)(hex_value(high) * 16 + hex_value(low));
	return 0;
}

int percent_decode(struct str text, bool plus_is_space, char *out, size_t cap, size_t *n_r)
{
	struct scan s;
	size_t n = 0;
	uint8_t c;

	scan_init(&s, text.p, text.n);
	while (scan_u8(&s, &c) == 0) {
		if (c == '%') {
			if (escaped_byte(&s, &c) != 0)
				return -1;
		} else if (c == '+' && plus_is_space) {
			c = ' ';
		}
		if (n == cap)
			return -1;
		out[n++] = (char)c;
	}
	*n_r = n;
	return 0;
}
