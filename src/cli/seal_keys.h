/* SPDX-License-Identifier: BSD-2-Clause */
/* The file of keys that texts are sealed with (chat/seal.h), as the operator makes and extends it. */
#ifndef BELLHOP_CLI_SEAL_KEYS_H
#define BELLHOP_CLI_SEAL_KEYS_H

#include "cli/command.h"

/*
 * Appends a new key to the file, or makes the file. It is replaced as a whole, so that whoever reads it
 * meanwhile finds the old keys or all; owner, group and mode stay. Of a link, what it leads to is meant.
 * Prints the setting that names it.
 * COMMAND_OK, or COMMAND_FAILED after reporting, and then the file is as it was.
 */
int seal_keys_add(const struct invocation *in, const char *path);

#endif
