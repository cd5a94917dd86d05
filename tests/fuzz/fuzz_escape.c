/* SPDX-License-Identifier: BSD-2-Clause */
/* Whatever somebody wrote, what is printed is UTF-8 text without control characters. */
#include "config.h"

#include <string.h>

#include "base/utf8.h"
#include "cli/escape.h"
#include "fuzz.h"

static void expect_harmless(const struct buf *out, bool lines)
{
	struct str text = buf_str(out);

	FUZZ_EXPECT(buf_ok(out) && utf8_is_text(text));
	for (size_t i = 0; i < text.n; i++) {
		FUZZ_EXPECT(text.p[i] != '\r');
		FUZZ_EXPECT(lines || text.p[i] != '\n');
		/* C1 in UTF-8 */
		FUZZ_EXPECT(i + 1 >= text.n || text.p[i] != '\xc2' ||
			    (unsigned char)text.p[i + 1] > 0x9f);
		/* every line after the first is indented */
		FUZZ_EXPECT(text.p[i] != '\n' || (i + 1 < text.n && text.p[i + 1] == ' '));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct str text = {(const char *)data, size};
	struct buf out = BUF_INIT;

	escape_text(&out, text, NULL);
	expect_harmless(&out, false);
	buf_reset(&out);
	escape_text(&out, text, "  ");
	expect_harmless(&out, true);
	buf_reset(&out);
	escape_json(&out, text);
	expect_harmless(&out, false);
	buf_deinit(&out);
	return 0;
}
