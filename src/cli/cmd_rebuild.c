/* SPDX-License-Identifier: BSD-2-Clause */
/* bellhop rebuild: makes Redis forget a ticket and loads it from the record again. */
#include "config.h"

#include <stdio.h>

#include "cli/commands.h"
#include "cli/reload.h"
#include "cli/stores.h"
#include "web/ids.h"

static int rebuild(struct stores *stores, struct str ticket)
{
	struct record_ticket row;
	int status;

	if (stores_ticket(stores, ticket, &row) != 0)
		return COMMAND_FAILED;
	status = reload_ticket(stores, ticket);
	if (status == COMMAND_OK && !row.is_begun)
		return command_fail(stores->in, "there is no such ticket");
	if (status == COMMAND_OK)
		printf("%.*s: loaded up to event %lld\n", STR_ARG(ticket), (long long)row.last_seq);
	return status;
}

static int run(struct invocation *in)
{
	struct stores stores;
	int status;
	int id;

	while ((id = command_option(in)) > 0)
		continue;
	if (id < 0)
		return in->status;
	if (in->argc != 1 || !ids_is_ticket(str_of(in->argv[0])))
		return command_usage(in, "it takes the id of one ticket");
	status = stores_open(&stores, in, true);
	if (status == COMMAND_OK)
		status = rebuild(&stores, str_of(in->argv[0]));
	stores_close(&stores);
	return status;
}

const struct command cmd_rebuild = {
	.name = "rebuild",
	.operands = "TICKET",
	.summary = "load a ticket into Redis from the record again",
	.run = run,
};
