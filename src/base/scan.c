/* SPDX-License-Identifier: BSD-2-Clause */
/* The cursor over wire data. */
#include "config.h"

#include "base/scan.h"

void scan_init(struct scan *s, const void *bytes, size_t n)
{
	s->p = bytes;
	s->left = n;
}

int scan_skip(struct scan *s, size_t n)
{
	if (n > s->left)
		return -1;
	if (n > 0) {
		s->p += n;
		s->left -= n;
	}
	return 0;
}

int scan_take(struct scan *s, size_t n, struct str *bytes_r)
{
	const unsigned char *p = s->p;

	if (scan_skip(s, n) < 0)
		return -1;
	bytes_r->p = (const char *)p;
	bytes_r->n = n;
	return 0;
}

int scan_u8(struct scan *s, uint8_t *value_r)
{
	const unsigned char *p = s->p;

	if (scan_skip(s, 1) < 0)
		return -1;
	*value_r = p[0];
	return 0;
}

int scan_u16be(struct scan *s, uint16_t *value_r)
{
	const unsigned char *p = s->p;

	if (scan_skip(s, 2) < 0)
		return -1;
	*value_r = (uint16_t)(p[0] << 8 | p[1]);
	return 0;
}

int scan_u32be(struct scan *s, uint32_t *value_r)
{
	const unsigned char *p = s->p;

	if (scan_skip(s, 4) < 0)
		return -1;
	*value_r = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
	return 0;
}
