/* SPDX-License-Identifier: BSD-2-Clause */
/* Lists of tickets in queries. */
#include "config.h"

#include "web/ticket_list.h"

#include <stdlib.h>
#include <string.h>

#include "web/cursor.h"

static int compare(const void *a, const void *b)
{
	const struct ticket_list_item *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return strcmp(x->id, y->id);
}

/* Sorts, and leaves each once. */
static void tidy(struct ticket_list *list)
{
	size_t kept = 0;

	if (list->n < 2)
		return;
	qsort(list->items, list->n, sizeof(*list->items), compare);
	for (size_t i = 1; i < list->n; i++) {
		if (compare(&list->items[kept], &list->items[i]) != 0)
			list->items[++kept] = list->items[i];
	}
	list->n = kept + 1;
}

enum ticket_list_result ticket_list_parse(struct str text, size_t max, struct ticket_list *list_r)
{
	struct ticket_list list = {0};
	struct str id;
	size_t room = 1;

	*list_r = list;
	if (text.n == 0)
		return TICKET_LIST_OK;
	for (size_t i = 0; i < text.n; i++)
		room += text.p[i] == ',';
	list.items = calloc(room, sizeof(*list.items));
	if (list.items == NULL)
		return TICKET_LIST_MEMORY;
	while (str_split(&text, ',', &id)) {
		struct ticket_list_item *item = &list.items[list.n++];

		if (!ids_is_ticket(id)) {
			ticket_list_deinit(&list);
			return TICKET_LIST_BAD;
		}
		memcpy(item->id, id.p, id.n);
		item->key = cursor_key(id);
	}
	tidy(&list);
	if (list.n > max) {
		ticket_list_deinit(&list);
		return TICKET_LIST_TOO_MANY;
	}
	*list_r = list;
	return TICKET_LIST_OK;
}

void ticket_list_deinit(struct ticket_list *list)
{
	free(list->items);
	*list = (struct ticket_list){0};
}
