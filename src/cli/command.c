/* SPDX-License-Identifier: BSD-2-Clause */
/* Options, help and complaints of the commands. */
#include "config.h"

#include "cli/command.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/conf.h"
#include "cli/progress.h"

enum {
	OPTIONS_MAX = 32,
	HELP_COLUMN = 28,
};

static const struct command_option common_options[] = {
	{'c', "config", "FILE", "read the settings from FILE"},
	{'h', "help", NULL, "show this help"},
	{0},
};

/* What getopt_long() wants to know, made from the tables. */
struct getopt_tables {
	char letters[3 * OPTIONS_MAX + 2];
	struct option longs[OPTIONS_MAX + 1];
};

static void add_options(struct getopt_tables *t, const struct command_option *options)
{
	size_t at = strlen(t->letters);
	size_t n = 0;

	while (t->longs[n].name != NULL)
		n++;
	for (; options->name != NULL && n < OPTIONS_MAX; options++, n++) {
		t->longs[n].name = options->name;
		t->longs[n].has_arg = options->argument ? required_argument : no_argument;
		t->longs[n].val = options->id;
		if (options->id >= OPTION_LONG)
			continue;
		t->letters[at++] = (char)options->id;
		if (options->argument != NULL)
			t->letters[at++] = ':';
	}
}

/* Wrong usage that getopt_long() found. */
static int report_option(struct invocation *in, int found)
{
	const char *word = in->argv[optind - 1];

	if (found == ':')
		in->status = command_usage(in, "option '%s' needs an argument", word);
	else if (optopt > 0 && optopt < OPTION_LONG)
		in->status = command_usage(in, "unknown option '-%c'", optopt);
	else
		in->status = command_usage(in, "unknown option '%s'", word);
	return -1;
}

int command_option(struct invocation *in)
{
	struct getopt_tables t = {.letters = ":"};
	int id;

	if (in->command->options != NULL)
		add_options(&t, in->command->options);
	add_options(&t, common_options);
	opterr = 0;
	for (;;) {
		id = getopt_long(in->argc, in->argv, t.letters, t.longs, NULL);
		switch (id) {
		case -1:
			in->argc -= optind;
			in->argv += optind;
			return 0;
		case 'c':
			in->config_file = optarg;
			continue;
		case 'h':
			command_help(in->command);
			in->status = COMMAND_OK;
			return -1;
		case '?':
		case ':':
			return report_option(in, id);
		default:
			in->value = optarg;
			return id;
		}
	}
}

static void help_options(const struct command_option *options)
{
	char left[80];

	for (; options->name != NULL; options++) {
		const char *space = options->argument ? " " : "";
		const char *argument = options->argument ? options->argument : "";

		if (options->id < OPTION_LONG)
			snprintf(left, sizeof(left), "-%c, --%s%s%s", options->id, options->name,
				 space, argument);
		else
			snprintf(left, sizeof(left), "    --%s%s%s", options->name, space,
				 argument);
		printf("  %-*s %s\n", HELP_COLUMN, left, options->help);
	}
}

void command_help(const struct command *command)
{
	bool operands = command->operands[0] != '\0';

	printf("Usage: bellhop %s [OPTION]...%s%s\n%s\n\n", command->name, operands ? " " : "",
	       command->operands, command->summary);
	if (command->options != NULL)
		help_options(command->options);
	help_options(common_options);
}

static void complain(const struct invocation *in, const char *format, va_list ap)
	__attribute__((format(printf, 2, 0)));

static void complain(const struct invocation *in, const char *format, va_list ap)
{
	if (in->progress != NULL)
		progress_break(in->progress);
	fflush(stdout);
	fprintf(stderr, "bellhop %s: ", in->command->name);
	vfprintf(stderr, format, ap);
	fputc('\n', stderr);
}

int command_usage(const struct invocation *in, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	complain(in, format, ap);
	va_end(ap);
	fprintf(stderr, "Try 'bellhop help %s'.\n", in->command->name);
	return COMMAND_USAGE;
}

int command_fail(const struct invocation *in, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	complain(in, format, ap);
	va_end(ap);
	return COMMAND_FAILED;
}

void command_note(const struct invocation *in, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	complain(in, format, ap);
	va_end(ap);
}

struct conf *command_conf(const struct invocation *in)
{
	struct buf messages;
	struct conf *conf;

	buf_init(&messages);
	conf = conf_load(in->config_file, &messages);
	if (messages.len > 0 && buf_cstr(&messages) != NULL)
		fputs(buf_cstr(&messages), stderr);
	buf_deinit(&messages);
	return conf;
}

long command_number(const char *text, long min, long max)
{
	char *end;
	long value;

	if (text[0] < '0' || text[0] > '9')
		return -1;
	errno = 0;
	value = strtol(text, &end, 10);
	if (errno != 0 || *end != '\0' || value < min || value > max)
		return -1;
	return value;
}

long command_duration_s(const char *text)
{
	static const struct {
		const char *unit;
		long seconds;
	} units[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
	char *end;
	long value;

	if (text[0] < '0' || text[0] > '9')
		return -1;
	errno = 0;
	value = strtol(text, &end, 10);
	if (errno != 0)
		return -1;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(end, units[i].unit) == 0 && value <= LONG_MAX / units[i].seconds)
			return value * units[i].seconds;
	return -1;
}
