/* SPDX-License-Identifier: BSD-2-Clause */
/* bellhop hold: puts a ticket on legal hold. */
#include "config.h"

#include "cli/commands.h"
#include "cli/hold.h"

static int run(struct invocation *in)
{
	return hold_run(in, true);
}

const struct command cmd_hold = {
	.name = "hold",
	.operands = "TICKET",
	.summary = "keep everything in a ticket until it is released",
	.run = run,
};
