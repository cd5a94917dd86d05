/* SPDX-License-Identifier: BSD-2-Clause */
/* bellhop epoch: tells the epoch of the record, or begins the next one. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/stores.h"

/* Raises the epoch that stores_open() found; whoever else raises it meanwhile does it for us. */
static int bump(struct stores *stores)
{
	struct pg_deployment deployment;
	struct pg_stmt stmt;
	PGresult *result;
	int status;

	record_put_epoch_bump(&stmt, stores->keys.epoch);
	result = stores_ask(stores, &stmt);
	if (result == NULL)
		return COMMAND_FAILED;
	status = pg_sql_parse_deployment(result, &deployment);
	PQclear(result);
	if (status != 0) {
		stores_odd(stores, "PostgreSQL");
		return COMMAND_FAILED;
	}
	printf("%" PRId64 "\n", deployment.epoch);
	return COMMAND_OK;
}

static int run(struct invocation *in)
{
	struct stores stores;
	bool is_bump;
	int status;
	int id;

	while ((id = command_option(in)) > 0)
		continue;
	if (id < 0)
		return in->status;
	is_bump = in->argc == 1 && strcmp(in->argv[0], "bump") == 0;
	if (in->argc != 0 && !is_bump)
		return command_usage(in, "the only operand is bump");
	status = stores_open(&stores, in, false);
	if (status == COMMAND_OK && is_bump)
		status = bump(&stores);
	else if (status == COMMAND_OK)
		printf("%" PRId64 "\n", stores.keys.epoch);
	stores_close(&stores);
	return status;
}

const struct command cmd_epoch = {
	.name = "epoch",
	.operands = "[bump]",
	.summary = "print the epoch of the record, or begin the next one",
	.run = run,
};
