/* SPDX-License-Identifier: BSD-2-Clause */
/* bellhop, the operator's command: finds the command named by the first operand and runs it. */
#include "config.h"

#include <getopt.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/confine.h"
#include "cli/commands.h"
#include "store/redis_tls.h"

/* Reads what stands before the command's name; false with *status set if that was all. */
static bool global_options(int argc, char **argv, struct invocation *in, int *status)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{0},
	};
	int id;

	while ((id = getopt_long(argc, argv, "+c:hV", options, NULL)) != -1) {
		switch (id) {
		case 'c':
			in->config_file = optarg;
			break;
		case 'h':
			*status = cmd_help.run(in);
			return false;
		case 'V':
			printf("bellhop %s, with%s OpenSSL\n", BELLHOP_VERSION,
			       redis_tls_is_built() ? "" : "out");
			*status = COMMAND_OK;
			return false;
		default:
			fputs("Try 'bellhop help'.\n", stderr);
			*status = COMMAND_USAGE;
			return false;
		}
	}
	return true;
}

static int unknown_command(const char *name)
{
	const char *near = commands_suggest(name);

	fprintf(stderr, "bellhop: there is no command '%s'\n", name);
	if (near != NULL)
		fprintf(stderr, "Did you mean 'bellhop %s'? ", near);
	fputs("Try 'bellhop help'.\n", stderr);
	return COMMAND_USAGE;
}

int main(int argc, char **argv)
{
	char *nothing[] = {argv[0], NULL};
	struct invocation in = {.command = &cmd_help, .argc = 0, .argv = nothing};
	int status;

	/* It handles keys, too. */
	if (confine_dumps() < 0) {
		perror("bellhop: could not do without core dumps");
		return COMMAND_FAILED;
	}
	if (sodium_init() < 0) {
		fputs("bellhop: could not initialise libsodium\n", stderr);
		return COMMAND_FAILED;
	}
	if (!global_options(argc, argv, &in, &status))
		return status;
	if (optind == argc) {
		fputs("bellhop: no command given\nTry 'bellhop help'.\n", stderr);
		return COMMAND_USAGE;
	}
	in.command = commands_find(argv[optind]);
	if (in.command == NULL)
		return unknown_command(argv[optind]);
	in.argc = argc - optind;
	in.argv = argv + optind;
	optind = 0; /* glibc: begin anew, with another table */
	status = in.command->run(&in);
	if (fflush(stdout) != 0 && status == COMMAND_OK)
		status = command_fail(&in, "could not write the output");
	return status;
}
