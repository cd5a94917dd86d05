/* SPDX-License-Identifier: BSD-2-Clause */
/* A cursor is valid exactly if printing it gives the text back. */
#include "config.h"

#include "fuzz.h"
#include "web/cursor.h"

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
	return 0;
}
