/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the commands hold and release do: a ticket on legal hold loses nothing, neither to a deletion
 * nor to retention, until it is released.
 */
#ifndef BELLHOP_CLI_HOLD_H
#define BELLHOP_CLI_HOLD_H

#include <stdbool.h>

struct invocation;

/* Puts the ticket that is the one operand on hold, or takes it off. Returns the exit status. */
int hold_run(struct invocation *in, bool hold);

#endif
