/* SPDX-License-Identifier: BSD-2-Clause */
/* The small decoders of text: percent-encoding, base64url, times, lists of origins. */
#include "config.h"

#include <string.h>

#include "base/clock.h"
#include "fuzz.h"
#include "web/base64url.h"
#include "web/origin.h"
#include "web/percent.h"

static void decode_percent(struct str text, char *out)
{
	size_t n, shorter;

	for (int plus = 0; plus <= 1; plus++) {
		if (percent_decode(text, plus != 0, out, text.n, &n) != 0)
			continue;
		FUZZ_EXPECT(n <= text.n);
		FUZZ_EXPECT(n == 0 || percent_decode(text, plus != 0, out, n - 1, &shorter) != 0);
	}
}

/* There is one text for a sequence of bytes. */
static void decode_base64url(struct str text, char *out)
{
	struct buf again = BUF_INIT;
	size_t n;

	if (base64url_decode(text, (unsigned char *)out, text.n, &n) == 0) {
		base64url_encode(&again, out, n);
		FUZZ_EXPECT(str_eq(buf_str(&again), text));
	}
	buf_deinit(&again);
}

static void decode_time(struct str text)
{
	char printed[CLOCK_TEXT_SIZE];
	int64_t ms, again;

	if (clock_parse(text, &ms) != 0)
		return;
	clock_format(ms, printed);
	FUZZ_EXPECT(clock_parse(str_of(printed), &again) == 0);
	/* Years beyond four digits, which an offset can make of the first and the last, are clamped. */
	FUZZ_EXPECT(again == ms || strncmp(printed, "0000", 4) == 0 ||
		    strncmp(printed, "9999", 4) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct str text = {(const char *)data, size};
	struct str list = text, origin;
	char *out = malloc(size + 1);

	FUZZ_EXPECT(out != NULL);
	decode_percent(text, out);
	decode_base64url(text, out);
	decode_time(text);
	str_split(&list, '\n', &origin);
	if (origin_is_listed(list, origin))
		FUZZ_EXPECT(origin.n > 0 && !str_eq(origin, STR("null")) &&
			    memmem(list.p, list.n, origin.p, origin.n) != NULL);
	free(out);
	return 0;
}
