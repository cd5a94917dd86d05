/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What every command of the bellhop program is made of: a table entry, an option parser that is
 * driven by it, the settings, and the ways to complain.
 */
#ifndef BELLHOP_CLI_COMMAND_H
#define BELLHOP_CLI_COMMAND_H

#include <stdbool.h>

struct conf;
struct progress;

/* What a command returns, and the program's exit status (check: 1 warnings, 2 errors). */
enum {
	COMMAND_OK = 0,
	COMMAND_FAILED = 1,
	COMMAND_USAGE = 2,
};

/* Ids of options that have no letter begin here. */
enum { OPTION_LONG = 256 };

/* One option. A table of them ends with an entry whose name is NULL. */
struct command_option {
	int id;		      /* its letter, or OPTION_LONG + n where it has none */
	const char *name;     /* of the long form, without the dashes */
	const char *argument; /* what the help calls its argument; NULL if it takes none */
	const char *help;     /* one line */
};

struct invocation;

struct command {
	const char *name;
	const char *operands; /* for the help, e.g. "TICKET [TEXT | -]"; "" for none */
	const char *summary;  /* one line, lower case */
	const struct command_option *options;
	int (*run)(struct invocation *in);
};

/* One call of one command. */
struct invocation {
	const struct command *command;
	const char *config_file; /* NULL: the default one, which may be missing */
	int argc;		 /* the operands, once command_option() has returned 0 */
	char **argv;
	const char *value; /* the argument of the option just returned */
	struct progress
		*progress; /* a bar that may be on the terminal: complaints go below it; or NULL */
	int status;	   /* what to return when command_option() returned -1 */
};

/*
 * The next option's id; 0 after the last, and argc and argv are then the operands; -1 if the
 * command must return in->status at once, since help was asked for and printed, or the usage was
 * wrong and reported. `-h` and `-c FILE` are understood by every command and handled here.
 */
int command_option(struct invocation *in);

/* Prints the command's help to standard output. */
void command_help(const struct command *command);

/* Reports wrong usage with a hint where help is to be had; returns COMMAND_USAGE. */
int command_usage(const struct invocation *in, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Reports a failure, "bellhop NAME: …"; returns COMMAND_FAILED. */
int command_fail(const struct invocation *in, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Remarks something on standard error and goes on. */
void command_note(const struct invocation *in, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * The settings in force, to be released with conf_free(). NULL after reporting why not; warnings
 * are reported too.
 */
struct conf *command_conf(const struct invocation *in);

/* A length of time such as 90, 90s, 15m, 1h or 7d in seconds; -1 where it is none, or negative. */
long command_duration_s(const char *text);

/* A whole number within [min, max]; -1 where it is none (min is never negative). */
long command_number(const char *text, long min, long max);

#endif
