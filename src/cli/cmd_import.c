/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bellhop import: what export wrote goes into the record, a batch of lines a transaction. What is there
 * already is no fault, so an import that was interrupted is repeated, or goes on where it stopped.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "cli/commands.h"
#include "cli/progress.h"
#include "cli/stores.h"
#include "cli/text_line.h"
#include "store/record_copy.h"
#include "store/record_inbox.h"
#include "store/upkeep.h"
#include "web/ids.h"
#include "web/json_read.h"

enum {
	OPTION_FROM = OPTION_LONG,
	OPTION_RECORD,
	BATCH_LINES = 500,
	BATCH_BYTES = 1024 * 1024,
};

static const struct command_option options[] = {
	{OPTION_FROM, "from", "LINE", "go on at this line"},
	{OPTION_RECORD, "record", NULL, "leave Redis alone: it holds none of these tickets"},
	{0},
};

struct importing {
	struct stores stores;
	struct progress progress;
	struct buf lines;  /* of the batch: a JSON array, not closed */
	struct buf forget; /* commands for Redis */
	size_t nlines, nforget;
	int64_t line;	    /* the one that was read last */
	int64_t batch_line; /* the first of the batch */
	int64_t from;
	int64_t bytes;
	int64_t tickets;
	/* Those of the batch, each once as long as its lines are together. */
	char names[BATCH_LINES][IDS_TICKET_MAX + 1];
	size_t nnames;
};

/* Redis may have a ticket as it was before; whoever reads next loads it again. */
static int forget_batch(struct importing *m)
{
	redisReply *replies[BATCH_LINES];
	int status = 0;

	if (m->stores.redis == NULL || m->nforget == 0)
		return 0;
	if (stores_pipeline(&m->stores, &m->forget, m->nforget, replies) != 0)
		return -1;
	if (hot_trouble_of(replies, m->nforget) != HOT_TROUBLE_NONE) {
		command_fail(m->stores.in, "Redis refused: %s",
			     hot_trouble_text(hot_trouble_of(replies, m->nforget)));
		status = -1;
	}
	redis_conn_release(replies, m->nforget);
	return status;
}

/* A statement about the tickets of the batch whose answer says nothing. */
static int tell_of_batch(struct importing *m,
			 void (*put)(struct pg_stmt *stmt, const struct str *tickets, size_t n))
{
	struct str tickets[BATCH_LINES];
	struct pg_stmt stmt;
	PGresult *result;

	for (size_t i = 0; i < m->nnames; i++)
		tickets[i] = str_of(m->names[i]);
	put(&stmt, tickets, m->nnames);
	result = stores_ask(&m->stores, &stmt);
	PQclear(result);
	return result != NULL ? 0 : -1;
}

/* 1 if somebody was in between, and nothing was done; 0, or -1 after reporting. */
static int try_batch(struct importing *m)
{
	struct record_imported imported;
	struct pg_stmt stmt;
	PGresult *result;
	int status = -1;

	record_copy_put_import(&stmt, buf_str(&m->lines));
	result = stores_ask(&m->stores, &stmt);
	if (result == NULL)
		return -1;
	if (record_copy_parse_import(result, &imported) != 0)
		stores_odd(&m->stores, "PostgreSQL");
	else if (imported.is_moved)
		status = 1;
	else if (imported.ticket.p != NULL)
		command_fail(m->stores.in, "ticket %.*s has another event %lld here",
			     STR_ARG(imported.ticket), (long long)imported.seq);
	else
		status = 0;
	PQclear(result);
	return status;
}

static int write_batch(struct importing *m)
{
	enum { ATTEMPTS = 20 };
	int status;

	if (m->nlines == 0)
		return 0;
	buf_putc(&m->lines, ']');
	status = tell_of_batch(m, record_copy_put_begin) == 0 ? 1 : -1;
	for (int i = 0; i < ATTEMPTS && status == 1; i++)
		status = try_batch(m);
	if (status == 1) {
		command_fail(m->stores.in, "others write to these tickets all the time");
		status = -1;
	}
	/* What came has dates of its own: its places in people's lists follow. */
	if (status == 0)
		status = tell_of_batch(m, record_inbox_put_imported);
	if (status == 0)
		status = forget_batch(m);
	buf_reset(&m->lines);
	buf_reset(&m->forget);
	m->nlines = m->nforget = m->nnames = 0;
	progress_set(&m->progress, m->bytes);
	return status;
}

static bool is_known_type(struct str type)
{
	static const char *const types[] = {"event", "revision", "participant", "receipt",
					    "ticket"};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (str_eq_c(type, types[i]))
			return true;
	}
	return false;
}

/* Says what is wrong with a line. */
static int bad_line(struct importing *m, const char *why)
{
	command_fail(m->stores.in, "line %lld: %s", (long long)m->line, why);
	return -1;
}

/* A member that is a string; absent if it is none, or not there. */
static struct str member(const struct json_read_value *root, const char *name)
{
	const struct json_read_value *value = json_read_find(root, name);

	return value != NULL ? json_read_str(value) : (struct str){0};
}

/* The first line says what the rest is. */
static int take_head(struct importing *m, const struct json_read_value *root)
{
	const struct json_read_value *value = json_read_find(root, "version");
	int64_t version;

	if (!str_eq_c(member(root, "type"), "bellhop") || value == NULL ||
	    json_read_int(value, 1, INT64_MAX, &version) != 0)
		return bad_line(m, "this is not what bellhop export writes");
	/* The first version had no sealed texts. */
	return version <= 2 ? 0 : bad_line(m, "a newer bellhop wrote this");
}

/* Notes the ticket of a line. A batch of which each line is of another one is full by its lines. */
static void note_ticket(struct importing *m, struct str ticket)
{
	if (m->nnames > 0 && str_eq_c(ticket, m->names[m->nnames - 1]))
		return;
	snprintf(m->names[m->nnames], sizeof(m->names[0]), "%.*s", STR_ARG(ticket));
	m->nnames++;
	m->nforget += upkeep_put_forget(&m->forget, &m->stores.keys, ticket);
}

static int take_row(struct importing *m, const struct json_read_value *root, struct str line)
{
	struct str type = member(root, "type");
	struct str ticket = member(root, "ticket_id");
	const char *fault;

	if (!is_known_type(type))
		return bad_line(m, "of an unknown type");
	if (!ids_is_ticket(ticket))
		return bad_line(m, "without a ticket id");
	m->tickets += str_eq_c(type, "ticket");
	if (m->nlines == 0)
		m->batch_line = m->line;
	note_ticket(m, ticket);
	buf_putc(&m->lines, m->nlines++ == 0 ? '[' : ',');
	fault = text_line_take(m->stores.seal, root, line, &m->lines);
	if (fault != NULL)
		return bad_line(m, fault);
	return m->nlines >= BATCH_LINES || m->lines.len >= BATCH_BYTES ? write_batch(m) : 0;
}

static int take_line(struct importing *m, struct str line)
{
	struct json_read *json = NULL;
	struct json_read_error error;
	int status;

	m->line++;
	m->bytes += (int64_t)line.n + 1;
	if (line.n == 0 || (m->line > 1 && m->line < m->from))
		return 0;
	switch (json_read(line, &json, &error)) {
	case JSON_READ_OK:
		break;
	case JSON_READ_BAD:
		return bad_line(m, error.reason);
	case JSON_READ_MEMORY:
		return bad_line(m, "out of memory");
	}
	status = m->line == 1 ? take_head(m, json_read_root(json))
			      : take_row(m, json_read_root(json), line);
	json_read_free(json);
	return status;
}

static int import_file(struct importing *m, FILE *file)
{
	struct stat st = {0};
	char *text = NULL;
	size_t size = 0;
	ssize_t n;
	int status = 0;

	if (fstat(fileno(file), &st) == 0 && S_ISREG(st.st_mode))
		progress_start(&m->progress, st.st_size);
	else
		progress_start(&m->progress, 0);
	while (status == 0 && (n = getline(&text, &size, file)) > 0) {
		n -= text[n - 1] == '\n';
		status = take_line(m, (struct str){text, (size_t)n});
	}
	if (status == 0 && ferror(file)) {
		command_fail(m->stores.in, "could not read the input");
		status = -1;
	}
	if (status == 0 && m->line == 0)
		status = bad_line(m, "there is nothing to import");
	if (status == 0)
		status = write_batch(m);
	free(text);
	return status;
}

static int import(struct importing *m, const char *name)
{
	FILE *file = name != NULL ? fopen(name, "re") : stdin;
	int status;

	if (file == NULL)
		return command_fail(m->stores.in, "could not open %s: %m", name);
	status = import_file(m, file);
	if (file != stdin)
		fclose(file);
	progress_end(&m->progress, status == 0);
	if (status == 0) {
		printf("%lld lines, %lld tickets\n", (long long)m->line, (long long)m->tickets);
		return COMMAND_OK;
	}
	if (m->batch_line > 0)
		command_note(m->stores.in, "all before line %lld is in: go on with --from %lld",
			     (long long)m->batch_line, (long long)m->batch_line);
	return COMMAND_FAILED;
}

static int run(struct invocation *in)
{
	struct importing m = {0};
	bool is_record_only = false;
	int status;
	int id;

	while ((id = command_option(in)) > 0) {
		if (id == OPTION_FROM) {
			m.from = command_number(in->value, 1, INT32_MAX);
			if (m.from < 0)
				return command_usage(in, "'%s' is no line", in->value);
		}
		is_record_only = is_record_only || id == OPTION_RECORD;
	}
	if (id < 0)
		return in->status;
	if (in->argc > 1)
		return command_usage(in, "it takes one file");
	in->progress = &m.progress;
	status = stores_open(&m.stores, in, !is_record_only);
	if (status == COMMAND_OK)
		status = stores_load_keys(&m.stores);
	if (status == COMMAND_OK)
		status = import(&m, in->argv[0]);
	buf_deinit(&m.lines);
	buf_deinit(&m.forget);
	stores_close(&m.stores);
	return status;
}

const struct command cmd_import = {
	.name = "import",
	.operands = "[FILE]",
	.summary = "take in what export wrote",
	.options = options,
	.run = run,
};
