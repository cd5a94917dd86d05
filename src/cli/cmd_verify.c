/* SPDX-License-Identifier: BSD-2-Clause */
/* bellhop verify: do the stores hold what they must? Prints what differs. */
#include "config.h"

#include <stdio.h>

#include "cli/commands.h"
#include "cli/verify.h"
#include "web/ids.h"

enum { OPTION_RECORD = OPTION_LONG };

static const struct command_option options[] = {
	{OPTION_RECORD, "record", NULL, "look at PostgreSQL alone"},
	{0},
};

static int verify(struct verify *v, char *const *tickets)
{
	int status = 0;

	if (*tickets == NULL)
		status = verify_all(v);
	for (; *tickets != NULL && status == 0; tickets++)
		status = verify_ticket(v, str_of(*tickets));
	if (status != 0)
		return COMMAND_FAILED;
	printf("%lld tickets, %lld events, %lld streams: ", (long long)v->tickets,
	       (long long)v->events, (long long)v->streams);
	if (v->differences == 0)
		puts("no difference");
	else
		printf("%lld differences\n", (long long)v->differences);
	return v->differences == 0 ? COMMAND_OK : COMMAND_FAILED;
}

static int run(struct invocation *in)
{
	struct stores stores;
	struct verify v = {.stores = &stores};
	bool is_record_only = false;
	int status;
	int id;

	while ((id = command_option(in)) > 0)
		is_record_only = is_record_only || id == OPTION_RECORD;
	if (id < 0)
		return in->status;
	for (int i = 0; i < in->argc; i++) {
		if (!ids_is_ticket(str_of(in->argv[i])))
			return command_usage(in, "'%s' is not a ticket id", in->argv[i]);
	}
	status = stores_open(&stores, in, !is_record_only);
	if (status == COMMAND_OK)
		status = stores_load_keys(&stores);
	if (status == COMMAND_OK)
		status = verify(&v, in->argv);
	stores_close(&stores);
	return status;
}

const struct command cmd_verify = {
	.name = "verify",
	.operands = "[TICKET ...]",
	.summary = "look whether the record is whole and Redis agrees with it",
	.options = options,
	.run = run,
};
