/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bellhop export: tickets as lines of JSON. A ticket's row comes behind all else of it, once nothing is
 * missing below it: so what is written agrees with itself even if people go on talking meanwhile.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "cli/commands.h"
#include "cli/progress.h"
#include "cli/stores.h"
#include "cli/text_line.h"
#include "store/record_copy.h"
#include "web/ids.h"

enum { OPTION_ALL = 'a', OPTION_AFTER = OPTION_LONG, OPTION_OPEN };

static const struct command_option options[] = {
	{OPTION_ALL, "all", NULL, "export all tickets"},
	{OPTION_AFTER, "after", "TICKET", "with --all: only those whose id comes after TICKET"},
	{OPTION_OPEN, "open", NULL, "write all texts for everybody to read, sealed ones too"},
	{0},
};

struct exporting {
	struct stores stores;
	struct progress progress;
	struct str ticket;
	int64_t since_us; /* changes since then may concern what was written before */
	int64_t seq;	  /* written up to here */
	int64_t events;
	bool is_open;	/* texts are written as they were sent */
	int64_t sealed; /* texts that could not be opened, and were written as they are */
	struct buf text, line;
};

static int put_line(struct exporting *x, struct str line)
{
	if (line.p == NULL)
		return 0;
	fwrite(line.p, 1, line.n, stdout);
	if (putchar('\n') != EOF)
		return 0;
	command_fail(x->stores.in, "could not write the output");
	return -1;
}

/* What of a row's text is to be written: as it is, opened, or sealed. 0, or -1 after reporting. */
static int choose_text(struct exporting *x, const struct record_row *row, struct str *text_r)
{
	const struct seal_place place = {x->ticket, row->uid, row->sender_id};
	const struct seal *seal = x->stores.seal;
	int status = 0;

	*text_r = row->content;
	buf_reset(&x->text);
	if (x->is_open && seal_is_sealed(row->content)) {
		if (seal_open(seal, &place, row->content, &x->text, text_r) != SEAL_OPENED) {
			*text_r = row->content;
			x->sealed++;
		}
	} else if (!x->is_open && seal != NULL && !seal_is_sealed(row->content)) {
		status = seal_put(seal, &place, row->content, &x->text);
		*text_r = buf_str(&x->text);
	}
	if (status != 0)
		command_fail(x->stores.in, "could not seal a text of ticket %.*s",
			     STR_ARG(x->ticket));
	return status;
}

/* A row, and its text, on one line. */
static int put_row(struct exporting *x, const struct record_row *row)
{
	struct str text;

	if (row->line.p == NULL || row->content.p == NULL)
		return put_line(x, row->line);
	if (choose_text(x, row, &text) != 0)
		return -1;
	buf_reset(&x->line);
	text_line_put(&x->line, row->line, text);
	return buf_ok(&x->line) ? put_line(x, buf_str(&x->line))
				: stores_odd(&x->stores, "PostgreSQL");
}

/* A batch of events; *is_last_r if there are no more. */
static int export_batch(struct exporting *x, bool *is_last_r)
{
	const struct record_copy_range range = {x->ticket, x->seq, x->since_us};
	struct record_copied copied;
	struct pg_stmt stmt;
	PGresult *result;
	int status = 0;
	size_t n;

	record_copy_put_events(&stmt, &range);
	result = stores_ask(&x->stores, &stmt);
	if (result == NULL)
		return -1;
	n = record_copy_count_events(result);
	*is_last_r = n == 0;
	for (size_t i = 0; i < n && status == 0; i++) {
		if (record_copy_parse_event(result, i, &copied) != 0)
			status = stores_odd(&x->stores, "PostgreSQL");
		else if (put_row(x, &copied.event) != 0 || put_row(x, &copied.target) != 0 ||
			 put_row(x, &copied.revision) != 0)
			status = -1;
		else
			x->seq = copied.seq;
	}
	x->events += (int64_t)n;
	progress_set(&x->progress, x->events);
	PQclear(result);
	return status;
}

static int export_people(struct exporting *x)
{
	struct pg_stmt stmt;
	PGresult *result;
	struct str line;
	int status = 0;

	record_copy_put_people(&stmt, x->ticket);
	result = stores_ask(&x->stores, &stmt);
	if (result == NULL)
		return -1;
	for (size_t i = 0; i < record_copy_count_people(result) && status == 0; i++)
		status = record_copy_parse_person(result, i, &line) != 0
				 ? stores_odd(&x->stores, "PostgreSQL")
				 : put_line(x, line);
	PQclear(result);
	return status;
}

/* The row, if the ticket has not gone on since its events were read. */
static int export_row(struct exporting *x, bool *is_done_r)
{
	struct pg_stmt stmt;
	PGresult *result;
	struct str line;
	bool is_there;
	int status = 0;

	record_copy_put_ticket(&stmt, x->ticket, x->seq);
	result = stores_ask(&x->stores, &stmt);
	if (result == NULL)
		return -1;
	if (record_copy_parse_row(result, &is_there, &line) != 0) {
		status = stores_odd(&x->stores, "PostgreSQL");
	} else if (!is_there) {
		command_fail(x->stores.in, "there is no ticket %.*s", STR_ARG(x->ticket));
		status = -1;
	} else {
		*is_done_r = line.p != NULL;
		status = put_line(x, line);
	}
	PQclear(result);
	return status;
}

static int export_ticket(struct exporting *x, struct str ticket)
{
	bool is_done = false;

	x->ticket = ticket;
	x->seq = 0;
	while (!is_done) {
		bool is_last = false;

		while (!is_last) {
			if (export_batch(x, &is_last) != 0)
				return -1;
		}
		if (export_people(x) != 0 || export_row(x, &is_done) != 0)
			return -1;
	}
	return 0;
}

static int export_all(struct exporting *x, struct str begin)
{
	char *after = str_dup(begin);
	bool is_last = false;
	int status = 0;

	while (!is_last && status == 0) {
		struct pg_stmt stmt;
		struct str ticket = {0};
		PGresult *result;
		size_t n;

		record_copy_put_tickets(&stmt, str_of(after));
		result = stores_ask(&x->stores, &stmt);
		n = result != NULL ? record_copy_count_tickets(result) : 0;
		status = result != NULL ? 0 : -1;
		is_last = n < RECORD_LIMIT_MAX;
		for (size_t i = 0; i < n && status == 0; i++)
			status = record_copy_parse_ticket(result, i, &ticket) != 0
					 ? stores_odd(&x->stores, "PostgreSQL")
					 : export_ticket(x, ticket);
		free(after);
		after = str_dup(ticket);
		if (after == NULL)
			status = -1;
		PQclear(result);
	}
	free(after);
	return status;
}

static int export_begin(struct exporting *x, struct str ticket, struct str after)
{
	struct pg_stmt stmt;
	PGresult *result;
	int64_t total = 0;
	int status = 0;

	record_copy_put_total(&stmt, ticket, after);
	result = stores_ask(&x->stores, &stmt);
	if (result == NULL)
		return -1;
	if (record_copy_parse_total(result, &x->since_us, &total) != 0)
		status = stores_odd(&x->stores, "PostgreSQL");
	x->since_us -= (int64_t)RECORD_OVERLAP_MS * 1000;
	PQclear(result);
	progress_start(&x->progress, total);
	return status != 0 ? status : put_line(x, STR("{\"type\": \"bellhop\", \"version\": 2}"));
}

static int run(struct invocation *in)
{
	struct exporting x = {0};
	const char *after = "";
	bool is_all = false;
	struct str ticket = STR("");
	int status;
	int id;

	while ((id = command_option(in)) > 0) {
		is_all = is_all || id == OPTION_ALL;
		x.is_open = x.is_open || id == OPTION_OPEN;
		after = id == OPTION_AFTER ? in->value : after;
	}
	if (id < 0)
		return in->status;
	if (is_all ? in->argc != 0 : in->argc != 1 || after[0] != '\0')
		return command_usage(in, "it takes one ticket, or --all");
	if (!is_all && !ids_is_ticket(ticket = str_of(in->argv[0])))
		return command_usage(in, "'%s' is not a ticket id", in->argv[0]);
	in->progress = &x.progress;
	status = stores_open(&x.stores, in, false);
	if (status == COMMAND_OK)
		status = stores_load_keys(&x.stores);
	if (status == COMMAND_OK) {
		if (export_begin(&x, ticket, str_of(after)) != 0 ||
		    (is_all ? export_all(&x, str_of(after)) : export_ticket(&x, ticket)) != 0)
			status = COMMAND_FAILED;
		progress_end(&x.progress, status == COMMAND_OK);
	}
	if (status != COMMAND_OK && is_all && x.ticket.p != NULL)
		command_note(in, "not all was written: go on with --after the last ticket there");
	if (status == COMMAND_OK && x.sealed > 0)
		status = command_fail(in, "%lld texts could not be opened; they are written sealed",
				      (long long)x.sealed);
	buf_deinit(&x.text);
	buf_deinit(&x.line);
	stores_close(&x.stores);
	return status;
}

const struct command cmd_export = {
	.name = "export",
	.operands = "TICKET | --all",
	.summary = "write tickets as lines of JSON",
	.options = options,
	.run = run,
};
