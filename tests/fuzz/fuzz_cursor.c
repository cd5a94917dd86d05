/* SPDX-License-Identifier: BSD-2-Clause */
/* A cursor, of either form, is valid exactly if printing it gives the text back. */
#include "config.h"

#include "fuzz.h"
#include "web/cursor.h"

static void check_any(struct str text)
{
	struct buf printed = BUF_INIT;
	struct cursor_any any;

	cursor_any_parse(text, &any);
	FUZZ_EXPECT((any.form == CURSOR_ONE) == cursor_parse(text).valid);
	if (any.form == CURSOR_MANY) {
		FUZZ_EXPECT(any.epoch >= 1 && any.n <= CURSOR_PLACES_MAX);
		for (size_t i = 0; i < any.n; i++) {
			FUZZ_EXPECT(any.places[i].seq >= 0);
			FUZZ_EXPECT(cursor_any_find(&any, any.places[i].key) == &any.places[i]);
		}
		cursor_put_places(&printed, any.epoch, any.places, any.n);
		FUZZ_EXPECT(str_eq(buf_str(&printed), text));
	}
	buf_deinit(&printed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct str text = {(const char *)data, size};
	struct cursor cursor = cursor_parse(text);
	char printed[CURSOR_TEXT_SIZE];

	if (cursor.valid) {
		FUZZ_EXPECT(cursor.epoch >= 1 && cursor.seq >= 0);
		FUZZ_EXPECT(str_eq(cursor_format(cursor.epoch, cursor.seq, printed), text));
	} else {
		FUZZ_EXPECT(cursor.epoch == 0 && cursor.seq == 0);
	}
	check_any(text);
	return 0;
}
