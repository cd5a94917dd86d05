/* SPDX-License-Identifier: BSD-2-Clause */
/* Prints the table of settings for tests/lint/settings: NAME|default|readers and flags|help. */
#include "config.h"

#include <stdio.h>

#include "base/conf_table.h"

static void print_flag(const struct conf_item *item, enum conf_flag flag, const char *name)
{
	if ((item->flags & flag) != 0)
		printf("%s ", name);
}

int main(void)
{
	for (int key = 0; key < CONF_COUNT; key++) {
		const struct conf_item *item = conf_table_item((enum conf_key)key);

		printf("%s|%s|", item->name, item->fallback);
		print_flag(item, CONF_BY_API, "api");
		print_flag(item, CONF_BY_PUSH, "push");
		print_flag(item, CONF_BY_ARCHIVE, "archive");
		print_flag(item, CONF_BY_COMMAND, "command");
		print_flag(item, CONF_RELOADABLE, "reloadable");
		printf("|%s\n", item->help);
	}
	return 0;
}
