/* SPDX-License-Identifier: BSD-2-Clause */
/* The commands that there are, one a file. */
#ifndef BELLHOP_CLI_COMMANDS_H
#define BELLHOP_CLI_COMMANDS_H

#include <stddef.h>

#include "cli/command.h"

extern const struct command cmd_check;
extern const struct command cmd_config;
extern const struct command cmd_epoch;
extern const struct command cmd_export;
extern const struct command cmd_help;
extern const struct command cmd_hold;
extern const struct command cmd_import;
extern const struct command cmd_keygen;
extern const struct command cmd_migrate;
extern const struct command cmd_purge;
extern const struct command cmd_rebuild;
extern const struct command cmd_release;
extern const struct command cmd_reseal;
extern const struct command cmd_send;
extern const struct command cmd_tail;
extern const struct command cmd_token;
extern const struct command cmd_verify;

/* The command of that name, or NULL. */
const struct command *commands_find(const char *name);

/* The i-th command in the order of the help; NULL past the last. */
const struct command *commands_at(size_t i);

/* The name nearest to a mistyped one, or NULL if none is near. */
const char *commands_suggest(const char *name);

#endif
