/* SPDX-License-Identifier: BSD-2-Clause */
/* Escaping for terminals. */
#include "config.h"

#include "cli/escape.h"

#include "base/utf8.h"

/* One character: how many bytes it takes, and its code point, or -1 for a byte that is no UTF-8. */
struct character {
	size_t n;
	int32_t code;
};

static struct character next_character(struct str text)
{
	const unsigned char *p = (const unsigned char *)text.p;
	struct character c = {.n = 1, .code = p[0]};

	if (p[0] < 0x80)
		return c;
	c.n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	if (c.n > text.n || !utf8_is_valid((struct str){.p = text.p, .n = c.n}))
		return (struct character){.n = 1, .code = -1};
	c.code = p[0] & (0x7f >> c.n);
	for (size_t i = 1; i < c.n; i++)
		c.code = c.code << 6 | (p[i] & 0x3f);
	return c;
}

/* Does this character act on the terminal instead of being seen? */
static bool is_active(int32_t code)
{
	return code < 0x20 || (code >= 0x7f && code <= 0x9f) || code == 0x061c || code == 0x200e ||
	       code == 0x200f || (code >= 0x202a && code <= 0x202e) ||
	       (code >= 0x2066 && code <= 0x2069);
}

void escape_text(struct buf *out, struct str text, const char *indent)
{
	while (text.n > 0) {
		struct character c = next_character(text);

		if (c.code == '\n' && indent != NULL) {
			buf_putc(out, '\n');
			buf_puts(out, indent);
		} else if (c.code == -1 || (c.code < 0x80 && c.code != '\t' && is_active(c.code))) {
			buf_printf(out, "\\x%02x", (unsigned char)text.p[0]);
		} else if (c.code != '\t' && is_active(c.code)) {
			buf_printf(out, "\\u%04x", (unsigned int)c.code);
		} else {
			buf_put(out, text.p, c.n);
		}
		text.p += c.n;
		text.n -= c.n;
	}
}

void escape_json(struct buf *out, struct str json)
{
	while (json.n > 0) {
		struct character c = next_character(json);

		if (c.code == -1)
			buf_puts(out, "\\ufffd");
		else if (c.code < 0x20)
			buf_putc(out, ' ');
		else if (is_active(c.code))
			buf_printf(out, "\\u%04x", (unsigned int)c.code);
		else
			buf_put(out, json.p, c.n);
		json.p += c.n;
		json.n -= c.n;
	}
}
