/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A list of tickets as it comes in a query: ids with commas between them. Kept in ascending order of
 * the keys that the tickets have in cursors, each ticket once.
 */
#ifndef BELLHOP_WEB_TICKET_LIST_H
#define BELLHOP_WEB_TICKET_LIST_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "web/ids.h"

struct ticket_list_item {
	uint64_t key; /* cursor_key() */
	char id[IDS_TICKET_MAX + 1];
};

struct ticket_list {
	struct ticket_list_item *items;
	size_t n;
};

enum ticket_list_result {
	TICKET_LIST_OK,
	TICKET_LIST_BAD,      /* an id is ill-formed, or there is none between two commas */
	TICKET_LIST_TOO_MANY, /* more than max different ones */
	TICKET_LIST_MEMORY
};

/*
 * Reads the text; an empty one is no ticket. TICKET_LIST_OK: the caller owns the list until
 * ticket_list_deinit(); else it needs none, but tolerates it.
 */
enum ticket_list_result ticket_list_parse(struct str text, size_t max, struct ticket_list *list_r);

void ticket_list_deinit(struct ticket_list *list);

#endif
