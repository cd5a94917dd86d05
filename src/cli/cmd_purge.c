/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bellhop purge: erases old events from the record now, whatever the settings of retention say. The
 * archiver takes them out of Redis.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/conf.h"
#include "cli/commands.h"
#include "store/pg_conn.h"
#include "store/record_keep.h"
#include "web/ids.h"

enum {
	OPTION_DRY_RUN = 'n',
	OPTION_OLDER_THAN = OPTION_LONG,
	OPTION_STATUS,
	TIMEOUT_MS = 10000,
	PAGE_TICKETS = 500,
	BATCH_EVENTS = 1000,
	AFTER_SIZE = IDS_TICKET_MAX + 1,
};

static const struct command_option options[] = {
	{OPTION_DRY_RUN, "dry-run", NULL, "print what would be erased and change nothing"},
	{OPTION_OLDER_THAN, "older-than", "TIME", "erase events of so long ago: 90d, 12h (needed)"},
	{OPTION_STATUS, "status", "STATUS", "only in tickets that are open, or closed"},
	{0},
};

struct purging {
	const struct invocation *in;
	struct pg_conn *pg;
	struct record_keep_ages ages;
	bool is_dry;
	int64_t tickets, events;
};

/* Runs a statement and frees it. 0, or -1 after reporting. */
static int ask(struct purging *p, struct pg_stmt *stmt, PGresult **result_r)
{
	enum err err = pg_conn_exec(p->pg, stmt, clock_mono_ms() + TIMEOUT_MS, result_r);

	pg_stmt_deinit(stmt);
	if (err == ERR_NONE)
		return 0;
	command_fail(p->in, "could not ask PostgreSQL: %s",
		     pg_conn_error(p->pg)[0] != '\0' ? pg_conn_error(p->pg) : err_text(err));
	return -1;
}

static int odd_answer(const struct purging *p)
{
	command_fail(p->in, "the answer of PostgreSQL makes no sense");
	return -1;
}

/* How many events of the ticket would go. 0, or -1 after reporting. */
static int count(struct purging *p, const struct record_keep_ticket *ticket, int64_t *events_r)
{
	PGresult *result = NULL;
	struct pg_stmt stmt;
	int status;

	record_keep_put_count(&stmt, ticket);
	if (ask(p, &stmt, &result) != 0)
		return -1;
	status = record_keep_parse_count(result, events_r);
	PQclear(result);
	return status == 0 ? 0 : odd_answer(p);
}

/* The same, and they go. */
static int erase(struct purging *p, const struct record_keep_ticket *ticket, int64_t *events_r)
{
	struct record_keep_erased erased = {0};

	while (!erased.is_done) {
		PGresult *result = NULL;
		struct pg_stmt stmt;
		int status;

		record_keep_put_erase(&stmt, ticket, BATCH_EVENTS);
		if (ask(p, &stmt, &result) != 0)
			return -1;
		status = record_keep_parse_erased(result, &erased);
		PQclear(result);
		if (status != 0)
			return odd_answer(p);
		*events_r += erased.events;
	}
	return 0;
}

static int purge_ticket(struct purging *p, const struct record_keep_ticket *ticket)
{
	int64_t events = 0;
	int status = p->is_dry ? count(p, ticket, &events) : erase(p, ticket, &events);

	if (events > 0) {
		printf("%.*s %" PRId64 "\n", STR_ARG(ticket->ticket), events);
		fflush(stdout);
		p->tickets++;
		p->events += events;
	}
	return status;
}

/* One page of tickets. 1 if there are more, 0 at the end, -1 after reporting. */
static int purge_page(struct purging *p, char after[AFTER_SIZE])
{
	struct record_keep_due due;
	struct record_keep_ticket ticket;
	PGresult *result = NULL;
	struct pg_stmt stmt;
	int status = -1;

	record_keep_put_due(&stmt, str_of(after), &p->ages, PAGE_TICKETS);
	if (ask(p, &stmt, &result) != 0)
		return -1;
	if (record_keep_parse_due(result, &due) != 0) {
		odd_answer(p);
		goto out;
	}
	for (size_t i = 0; i < due.count; i++) {
		if (record_keep_parse_ticket(result, i, &p->ages, &ticket) != 0) {
			odd_answer(p);
			goto out;
		}
		if (purge_ticket(p, &ticket) != 0)
			goto out;
	}
	snprintf(after, AFTER_SIZE, "%.*s", STR_ARG(due.next));
	status = due.next.p != NULL;
out:
	PQclear(result);
	return status;
}

static int purge(struct purging *p)
{
	char after[AFTER_SIZE] = "";
	int more;

	do
		more = purge_page(p, after);
	while (more > 0);
	if (more < 0)
		return COMMAND_FAILED;
	printf("%s%" PRId64 " events of %" PRId64 " tickets\n",
	       p->is_dry ? "would erase " : "erased ", p->events, p->tickets);
	return COMMAND_OK;
}

static int connect_and_purge(struct purging *p, const struct conf *conf)
{
	const struct pg_opts opts = pg_opts_of_conf(conf, "bellhop");
	int status;

	p->pg = pg_conn_new(&opts);
	if (p->pg == NULL)
		return command_fail(p->in, "out of memory");
	status = purge(p);
	pg_conn_free(p->pg);
	return status;
}

/* Reads the options into *p. 0, or -1 with in->status. */
static int read_options(struct invocation *in, struct purging *p)
{
	const char *status = NULL;
	long age_s = -1;
	int id;

	while ((id = command_option(in)) > 0) {
		if (id == OPTION_DRY_RUN) {
			p->is_dry = true;
		} else if (id == OPTION_STATUS) {
			status = in->value;
		} else {
			age_s = command_duration_s(in->value);
			if (age_s < 0) {
				in->status = command_usage(in, "'%s' is no time", in->value);
				return -1;
			}
		}
	}
	if (id < 0)
		return -1;
	if (age_s < 0 || in->argc != 0)
		in->status = command_usage(in, age_s < 0 ? "--older-than is needed"
							 : "it takes no operand");
	else if (status != NULL && strcmp(status, "open") != 0 && strcmp(status, "closed") != 0)
		in->status = command_usage(in, "--status is open or closed");
	else
		in->status = COMMAND_OK;
	p->ages = (struct record_keep_ages){
		.open_s = status == NULL || status[0] == 'o' ? age_s : RECORD_KEEP_EVER,
		.closed_s = status == NULL || status[0] == 'c' ? age_s : RECORD_KEEP_EVER,
	};
	return in->status == COMMAND_OK ? 0 : -1;
}

static int run(struct invocation *in)
{
	struct purging p = {.in = in};
	struct conf *conf;
	int status;

	if (read_options(in, &p) != 0)
		return in->status;
	conf = command_conf(in);
	if (conf == NULL)
		return COMMAND_FAILED;
	status = connect_and_purge(&p, conf);
	conf_free(conf);
	return status;
}

const struct command cmd_purge = {
	.name = "purge",
	.operands = "",
	.summary = "erase old events from the record",
	.options = options,
	.run = run,
};
