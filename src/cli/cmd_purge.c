/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bellhop purge: erases old events from the record now, whatever the settings of retention say, and then
 * takes them out of Redis; the archiver would find them there only when it comes by.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/commands.h"
#include "cli/stores.h"
#include "store/record_keep.h"
#include "store/upkeep.h"
#include "web/ids.h"

enum {
	OPTION_DRY_RUN = 'n',
	OPTION_OLDER_THAN = OPTION_LONG,
	OPTION_STATUS,
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
	struct stores stores;
	struct record_keep_ages ages;
	bool is_dry;
	bool is_redis_lost; /* which was said: the archiver will take out what is left there */
	int64_t tickets, events;
};

/* Runs a statement and frees it. 0, or -1 after reporting. */
static int ask(struct purging *p, struct pg_stmt *stmt, PGresult **result_r)
{
	*result_r = stores_ask(&p->stores, stmt);
	return *result_r != NULL ? 0 : -1;
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

/* The bounds of the ticket in the record. 0, or -1 after reporting. */
static int read_bounds(struct purging *p, struct str ticket, struct record_keep_bounds *bounds_r)
{
	PGresult *result = NULL;
	struct pg_stmt stmt;
	int status = -1;

	record_keep_put_bounds(&stmt, &ticket, 1);
	if (ask(p, &stmt, &result) != 0)
		return -1;
	if (PQntuples(result) == 1)
		status = record_keep_parse_bounds(result, 0, bounds_r);
	PQclear(result);
	return status == 0 ? 0 : odd_answer(p);
}

/* One call, which takes a bounded number of events out. 1 if there may be more, 0 at the end, -1. */
static int trim_once(struct purging *p, struct str ticket, const struct upkeep_window *window)
{
	struct stores *stores = &p->stores;
	struct upkeep_trimmed trimmed = {0};
	struct buf commands = BUF_INIT;
	redisReply *reply = NULL;
	int status = -1;

	upkeep_put_trim(&commands, &stores->keys, ticket, window);
	if (redis_conn_exec(stores->redis, &commands, 1, clock_mono_ms() + stores->redis_timeout_ms,
			    &reply) != ERR_NONE)
		command_note(p->in, "Redis is away (%s): the archiver will take them out of it",
			     redis_conn_reason(stores->redis));
	else if (upkeep_parse_trimmed(reply, &trimmed) != 0)
		command_note(p->in, "Redis refused (%s): the archiver will take them out of it",
			     hot_trouble_text(hot_trouble(reply)));
	else
		status = trimmed.removed > 0 && !trimmed.is_dropped;
	redis_conn_release(&reply, 1);
	buf_deinit(&commands);
	return status;
}

/* Takes what was erased out of Redis, and nothing else. 0, or -1 if PostgreSQL could not be asked. */
static int trim(struct purging *p, struct str ticket)
{
	const int64_t much = INT64_C(1000000000000000);
	struct upkeep_window window = {
		.events = much, .age_ms = 0, .bytes = much, .min = much, .idle_ms = much};
	struct record_keep_bounds bounds;
	int more;

	if (p->is_redis_lost)
		return 0;
	if (read_bounds(p, ticket, &bounds) != 0)
		return -1;
	window.first_seq = bounds.first_seq;
	window.committed_seq = bounds.last_seq;
	do
		more = trim_once(p, ticket, &window);
	while (more > 0);
	p->is_redis_lost = more < 0;
	return 0;
}

static int purge_ticket(struct purging *p, const struct record_keep_ticket *ticket)
{
	int64_t events = 0;
	int status = p->is_dry ? count(p, ticket, &events) : erase(p, ticket, &events);

	if (events > 0 && !p->is_dry && trim(p, ticket->ticket) != 0)
		status = -1;
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
	int status;

	if (read_options(in, &p) != 0)
		return in->status;
	status = stores_open(&p.stores, in, !p.is_dry);
	if (status == COMMAND_OK)
		status = purge(&p);
	stores_close(&p.stores);
	return status;
}

const struct command cmd_purge = {
	.name = "purge",
	.operands = "",
	.summary = "erase old events from the record",
	.options = options,
	.run = run,
};
