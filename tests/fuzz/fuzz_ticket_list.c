/* SPDX-License-Identifier: BSD-2-Clause */
/* Whatever comes as a list of tickets is refused, or one of different well-formed ids in order. */
#include "config.h"

#include <string.h>

#include "fuzz.h"
#include "web/cursor.h"
#include "web/ticket_list.h"

enum { MAX = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct str text = {(const char *)data, size};
	struct ticket_list list;

	if (ticket_list_parse(text, MAX, &list) != TICKET_LIST_OK) {
		FUZZ_EXPECT(list.n == 0 && list.items == NULL);
		return 0;
	}
	FUZZ_EXPECT(list.n <= MAX && (list.n > 0) == (size > 0));
	for (size_t i = 0; i < list.n; i++) {
		const struct str id = str_of(list.items[i].id);

		FUZZ_EXPECT(ids_is_ticket(id) && list.items[i].key == cursor_key(id));
		FUZZ_EXPECT(i == 0 || list.items[i - 1].key < list.items[i].key);
	}
	ticket_list_deinit(&list);
	return 0;
}
