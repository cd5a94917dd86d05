/* SPDX-License-Identifier: BSD-2-Clause */
/* Strict UTF-8, by the table of well-formed byte sequences. */
#include "config.h"

#include "base/utf8.h"

static bool is_tail(unsigned char c)
{
	return c >= 0x80 && c <= 0xBF;
}

/* The length of the well-formed character at p, or 0. */
static size_t char_length(const unsigned char *p, size_t left)
{
	/* The range of the second byte is what excludes overlong forms, surrogates and the rest. */
	unsigned char low = 0x80, high = 0xBF;

	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xC2 && p[0] <= 0xDF)
		return left >= 2 && is_tail(p[1]) ? 2 : 0;
	if (p[0] >= 0xE0 && p[0] <= 0xEF) {
		if (p[0] == 0xE0)
			low = 0xA0;
		if (p[0] == 0xED)
			high = 0x9F;
		return left >= 3 && p[1] >= low && p[1] <= high && is_tail(p[2]) ? 3 : 0;
	}
	if (p[0] >= 0xF0 && p[0] <= 0xF4) {
		if (p[0] == 0xF0)
			low = 0x90;
		if (p[0] == 0xF4)
			high = 0x8F;
		return left >= 4 && p[1] >= low && p[1] <= high && is_tail(p[2]) && is_tail(p[3])
			       ? 4
			       : 0;
	}
	return 0;
}

bool utf8_is_valid(struct str s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	size_t at = 0;

	while (at < s.n) {
		size_t n = char_length(p + at, s.n - at);

		if (n == 0)
			return false;
		at += n;
	}
	return true;
}

bool utf8_is_text(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7F)
			return false;
	}
	return utf8_is_valid(s);
}

size_t utf8_cut(struct str s, size_t max)
{
	size_t n = max;

	if (s.n <= max)
		return s.n;
	while (n > 0 && is_tail((unsigned char)s.p[n]))
		n--;
	return n;
}
