/* SPDX-License-Identifier: BSD-2-Clause */
/* bellhop help: the list of commands, or one command's help. */
#include "config.h"

#include <stdio.h>

#include "cli/commands.h"

static void print_commands(void)
{
	puts("Usage: bellhop [-hV] [-c FILE] COMMAND [OPTION]... [OPERAND]...\n"
	     "The operator's command of bellhop, the ticket chat.\n");
	for (size_t i = 0; commands_at(i) != NULL; i++)
		printf("  %-10s %s\n", commands_at(i)->name, commands_at(i)->summary);
	puts("\n"
	     "  -c, --config FILE   read the settings from FILE\n"
	     "  -h, --help          show this help\n"
	     "  -V, --version       show the version\n"
	     "\n"
	     "'bellhop help COMMAND' tells more about one; bellhop(1) tells all.");
}

static int run(struct invocation *in)
{
	const struct command *command;

	if (in->argc > 0 && command_option(in) != 0)
		return in->status;
	if (in->argc == 0) {
		print_commands();
		return COMMAND_OK;
	}
	if (in->argc > 1)
		return command_usage(in, "one command at a time");
	command = commands_find(in->argv[0]);
	if (command == NULL)
		return command_usage(in, "there is no command '%s'", in->argv[0]);
	command_help(command);
	return COMMAND_OK;
}

const struct command cmd_help = {
	.name = "help",
	.operands = "[COMMAND]",
	.summary = "show what a command does and its options",
	.run = run,
};
