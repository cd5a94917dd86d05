/* SPDX-License-Identifier: BSD-2-Clause */
/* The check of UTF-8 against a decoder that goes by the numbers of code points (RFC 3629, section 4). */
#include "config.h"

#include "base/utf8.h"
#include "fuzz.h"

/* The code point at p and its bytes; 0 where there is none. */
static size_t decode(const uint8_t *p, size_t left, uint32_t *code_r)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t n = p[0] < 0x80	     ? 1
		   : p[0] >> 5 == 6  ? 2
		   : p[0] >> 4 == 14 ? 3
		   : p[0] >> 3 == 30 ? 4
				     : 0;
	uint32_t code = n == 1 ? p[0] : p[0] & (0x7fU >> n);

	if (n == 0 || n > left)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if (p[i] >> 6 != 2)
			return 0;
		code = code << 6 | (p[i] & 0x3f);
	}
	if (code < least[n] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 0;
	*code_r = code;
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct str s = {(const char *)data, size};
	bool is_valid = true, is_text = true;
	uint32_t code = 0;

	for (size_t at = 0; at < size && is_valid;) {
		size_t n = decode(data + at, size - at, &code);

		is_valid = n > 0;
		if (code == 0x7f || (code < 0x20 && code != '\t' && code != '\n' && code != '\r'))
			is_text = false;
		at += n;
	}
	FUZZ_EXPECT(utf8_is_valid(s) == is_valid);
	FUZZ_EXPECT(utf8_is_text(s) == (is_valid && is_text));
	for (size_t max = 0; is_valid && max <= size; max++) {
		size_t n = utf8_cut(s, max);

		FUZZ_EXPECT(n <= max && max - n < 4 && utf8_is_valid((struct str){s.p, n}));
	}
	return 0;
}
