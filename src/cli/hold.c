/* SPDX-License-Identifier: BSD-2-Clause */
/* Putting a ticket on legal hold and taking it off. */
#include "config.h"

#include "cli/hold.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/conf.h"
#include "cli/command.h"
#include "store/pg_conn.h"
#include "store/record_card.h"
#include "web/ids.h"

enum { TIMEOUT_MS = 10000 };

static int report(const struct invocation *in, const char *ticket, bool hold,
		  enum record_card_hold outcome)
{
	switch (outcome) {
	case RECORD_CARD_HOLD_CHANGED:
		printf("%s %s\n", ticket, hold ? "is on hold" : "is released");
		return COMMAND_OK;
	case RECORD_CARD_HOLD_SAME:
		printf("%s %s\n", ticket, hold ? "was on hold before" : "was not on hold");
		return COMMAND_OK;
	case RECORD_CARD_HOLD_ABSENT:
		break;
	}
	return command_fail(in, "there is no ticket %s", ticket);
}

static int put_hold(const struct invocation *in, const struct conf *conf, const char *ticket,
		    bool hold)
{
	const struct pg_opts opts = pg_opts_of_conf(conf, "bellhop");
	struct pg_conn *pg = pg_conn_new(&opts);
	enum record_card_hold outcome;
	PGresult *result = NULL;
	struct pg_stmt stmt;
	int status;
	enum err err;

	if (pg == NULL)
		return command_fail(in, "out of memory");
	record_card_put_hold(&stmt, str_of(ticket), hold);
	err = pg_conn_exec(pg, &stmt, clock_mono_ms() + TIMEOUT_MS, &result);
	if (err != ERR_NONE)
		status = command_fail(in, "could not change the hold: %s",
				      pg_conn_error(pg)[0] != '\0' ? pg_conn_error(pg)
								   : err_text(err));
	else if (record_card_parse_hold(result, &outcome) != 0)
		status = command_fail(in, "the answer of PostgreSQL makes no sense");
	else
		status = report(in, ticket, hold, outcome);
	PQclear(result);
	pg_stmt_deinit(&stmt);
	pg_conn_free(pg);
	return status;
}

int hold_run(struct invocation *in, bool hold)
{
	struct conf *conf;
	int status;

	if (command_option(in) < 0)
		return in->status;
	if (in->argc != 1)
		return command_usage(in, "it takes one ticket");
	if (!ids_is_ticket(str_of(in->argv[0])))
		return command_usage(in, "%s is no ticket id", in->argv[0]);
	conf = command_conf(in);
	if (conf == NULL)
		return COMMAND_FAILED;
	status = put_hold(in, conf, in->argv[0], hold);
	conf_free(conf);
	return status;
}
