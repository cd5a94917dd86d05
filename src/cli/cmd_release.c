/* SPDX-License-Identifier: BSD-2-Clause */
/* bellhop release: ends a legal hold. */
#include "config.h"

#include "cli/commands.h"
#include "cli/hold.h"

static int run(struct invocation *in)
{
	return hold_run(in, false);
}

const struct command cmd_release = {
	.name = "release",
	.operands = "TICKET",
	.summary = "end a ticket's legal hold",
	.run = run,
};
