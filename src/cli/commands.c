/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of commands. */
#include "config.h"

#include "cli/commands.h"

#include <string.h>

static const struct command *const commands[] = {
	&cmd_migrate, &cmd_keygen,  &cmd_token, &cmd_check,  &cmd_send,	  &cmd_tail,
	&cmd_hold,    &cmd_release, &cmd_purge, &cmd_export, &cmd_import, &cmd_verify,
	&cmd_rebuild, &cmd_reseal,  &cmd_epoch, &cmd_config, &cmd_help,
};

enum {
	COMMANDS = sizeof(commands) / sizeof(commands[0]),
	NAME_MAX_LENGTH = 16,
	NEAR = 2, /* edits at most between a typing error and what was meant */
};

const struct command *commands_find(const char *name)
{
	for (size_t i = 0; i < COMMANDS; i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

const struct command *commands_at(size_t i)
{
	return i < COMMANDS ? commands[i] : NULL;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Levenshtein's distance, with one row; both words are short. */
static size_t distance(const char *a, const char *b)
{
	size_t row[NAME_MAX_LENGTH + 1];
	size_t b_length = strlen(b);

	for (size_t j = 0; j <= b_length; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1] != '\0'; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b_length; j++) {
			size_t above = row[j];
			size_t change = diagonal + (a[i - 1] != b[j - 1]);

			row[j] = least(change, least(above, row[j - 1]) + 1);
			diagonal = above;
		}
	}
	return row[b_length];
}

const char *commands_suggest(const char *name)
{
	const char *best = NULL;
	size_t best_distance = NEAR + 1;

	if (strlen(name) > NAME_MAX_LENGTH)
		return NULL;
	for (size_t i = 0; i < COMMANDS; i++) {
		size_t d = distance(name, commands[i]->name);

		if (d < best_distance) {
			best = commands[i]->name;
			best_distance = d;
		}
	}
	return best;
}
