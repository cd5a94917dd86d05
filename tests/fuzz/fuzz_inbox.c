/* SPDX-License-Identifier: BSD-2-Clause */
/* A place is one exactly if printing it gives the text back; a preview begins its text. */
#include "config.h"

#include <string.h>

#include "base/utf8.h"
#include "chat/inbox.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct str text = {(const char *)data, size};
	struct buf printed = BUF_INIT;
	struct inbox_place place;
	struct str preview = inbox_preview(text);

	FUZZ_EXPECT(preview.p == text.p && preview.n <= text.n);
	FUZZ_EXPECT(!utf8_is_valid(text) || utf8_is_valid(preview));
	FUZZ_EXPECT(preview.n == text.n || preview.n >= INBOX_PREVIEW_MAX);
	if (inbox_place_parse(text, &place) == 0) {
		FUZZ_EXPECT(ids_is_ticket(str_of(place.ticket)));
		inbox_place_put(&printed, place.active_at_us, str_of(place.ticket));
		FUZZ_EXPECT(str_eq(buf_str(&printed), text));
	}
	buf_deinit(&printed);
	return 0;
}
