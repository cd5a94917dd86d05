/* SPDX-License-Identifier: BSD-2-Clause */
/* Statements with their parameters, binary rows, and the meaning of errors. */
#include "config.h"

#include "store/pg_sql.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/scan.h"

/* Microseconds from 1970-01-01, where Unix counts from, to 2000-01-01, where PostgreSQL does. */
#define PG_TIME_ORIGIN_US INT64_C(946684800000000)

const struct pg_query pg_sql_deployment = {
	.name = "deployment",
	.sql = "SELECT epoch, partitions, is_timeline_new, is_epoch_new FROM bellhop.deployment_check()",
};

/* ---- statements ---- */

void pg_stmt_init(struct pg_stmt *stmt, const struct pg_query *query)
{
	*stmt = (struct pg_stmt){.query = query};
	buf_init(&stmt->bytes);
}

void pg_stmt_deinit(struct pg_stmt *stmt)
{
	buf_deinit(&stmt->bytes);
	stmt->count = 0;
}

bool pg_stmt_ok(const struct pg_stmt *stmt)
{
	return stmt->query != NULL && !stmt->failed && buf_ok(&stmt->bytes);
}

/* Closes the parameter whose bytes were put since `offset`. */
static void add_param(struct pg_stmt *stmt, size_t offset, bool is_binary)
{
	size_t length = stmt->bytes.len - offset;

	if (stmt->count == PG_PARAMS_MAX || length > INT32_MAX) {
		stmt->failed = true;
		return;
	}
	/* libpq wants text to end in NUL; the length leaves it out. */
	buf_putc(&stmt->bytes, '\0');
	stmt->params[stmt->count].offset = offset;
	stmt->params[stmt->count].length = (int)length;
	stmt->params[stmt->count].is_binary = is_binary;
	stmt->count++;
}

void pg_stmt_null(struct pg_stmt *stmt)
{
	if (stmt->count == PG_PARAMS_MAX) {
		stmt->failed = true;
		return;
	}
	stmt->params[stmt->count].offset = 0;
	stmt->params[stmt->count].length = -1;
	stmt->params[stmt->count].is_binary = false;
	stmt->count++;
}

void pg_stmt_text(struct pg_stmt *stmt, struct str text)
{
	size_t offset = stmt->bytes.len;

	if (text.p == NULL) {
		pg_stmt_null(stmt);
		return;
	}
	/* A NUL would end the text early, and with it change what is asked. */
	if (text.n > 0 && memchr(text.p, '\0', text.n) != NULL)
		stmt->failed = true;
	buf_put_str(&stmt->bytes, text);
	add_param(stmt, offset, false);
}

void pg_stmt_bytes(struct pg_stmt *stmt, struct str bytes)
{
	size_t offset = stmt->bytes.len;

	if (bytes.p == NULL) {
		pg_stmt_null(stmt);
		return;
	}
	buf_put_str(&stmt->bytes, bytes);
	add_param(stmt, offset, true);
}

void pg_stmt_int(struct pg_stmt *stmt, int64_t value)
{
	size_t offset = stmt->bytes.len;

	buf_put_i64(&stmt->bytes, value);
	add_param(stmt, offset, false);
}

void pg_stmt_bool(struct pg_stmt *stmt, bool value)
{
	pg_stmt_text(stmt, value ? STR("t") : STR("f"));
}

void pg_stmt_time(struct pg_stmt *stmt, int64_t real_us)
{
	size_t offset = stmt->bytes.len;
	uint64_t value = (uint64_t)real_us - (uint64_t)PG_TIME_ORIGIN_US;

	for (int shift = 56; shift >= 0; shift -= 8)
		buf_putc(&stmt->bytes, (char)(value >> shift & 0xff));
	add_param(stmt, offset, true);
}

/* An array literal (PostgreSQL 15, 8.15.2): each item quoted, with backslash and quote escaped. */
void pg_stmt_text_array(struct pg_stmt *stmt, const struct str *items, size_t count)
{
	size_t offset = stmt->bytes.len;

	buf_putc(&stmt->bytes, '{');
	for (size_t i = 0; i < count; i++) {
		buf_puts(&stmt->bytes, i == 0 ? "\"" : ",\"");
		for (size_t k = 0; k < items[i].n; k++) {
			if (items[i].p[k] == '\0')
				stmt->failed = true;
			if (items[i].p[k] == '"' || items[i].p[k] == '\\')
				buf_putc(&stmt->bytes, '\\');
			buf_putc(&stmt->bytes, items[i].p[k]);
		}
		buf_putc(&stmt->bytes, '"');
	}
	buf_putc(&stmt->bytes, '}');
	add_param(stmt, offset, false);
}

void pg_stmt_int_array(struct pg_stmt *stmt, const int64_t *items, size_t count)
{
	size_t offset = stmt->bytes.len;

	buf_putc(&stmt->bytes, '{');
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			buf_putc(&stmt->bytes, ',');
		buf_put_i64(&stmt->bytes, items[i]);
	}
	buf_putc(&stmt->bytes, '}');
	add_param(stmt, offset, false);
}

/* ---- rows ---- */

struct pg_row pg_row_of(const PGresult *result, int row)
{
	return (struct pg_row){
		.result = result,
		.row = row,
		.failed = row < 0 || row >= PQntuples(result),
	};
}

bool pg_row_is_null(const struct pg_row *r)
{
	return r->failed || r->column >= PQnfields(r->result) ||
	       PQgetisnull(r->result, r->row, r->column);
}

void pg_row_skip(struct pg_row *r, int columns)
{
	if (columns < 0 || columns > PQnfields(r->result) - r->column)
		r->failed = true;
	else
		r->column += columns;
}

/* The next column's bytes; absent where NULL or after a failure. */
static struct str take(struct pg_row *r)
{
	int column = r->column;

	if (r->failed || column >= PQnfields(r->result)) {
		r->failed = true;
		return (struct str){0};
	}
	r->column++;
	if (PQgetisnull(r->result, r->row, column))
		return (struct str){0};
	return (struct str){PQgetvalue(r->result, r->row, column),
			    (size_t)PQgetlength(r->result, r->row, column)};
}

struct str pg_row_str(struct pg_row *r)
{
	return take(r);
}

int64_t pg_row_int(struct pg_row *r)
{
	struct str bytes = take(r);
	struct scan s;
	uint64_t value = 0;
	uint8_t byte;

	if (bytes.p == NULL)
		return 0;
	if (bytes.n != 2 && bytes.n != 4 && bytes.n != 8) {
		r->failed = true;
		return 0;
	}
	scan_init(&s, bytes.p, bytes.n);
	while (scan_u8(&s, &byte) == 0)
		value = value << 8 | byte;
	if (bytes.n == 2)
		return (int16_t)value;
	if (bytes.n == 4)
		return (int32_t)value;
	return (int64_t)value;
}

/* One byte, or -1 for NULL and for any other width. */
static int take_byte(struct pg_row *r)
{
	struct str bytes = take(r);

	if (bytes.p == NULL)
		return -1;
	if (bytes.n != 1) {
		r->failed = true;
		return -1;
	}
	return (unsigned char)bytes.p[0];
}

bool pg_row_bool(struct pg_row *r)
{
	return take_byte(r) > 0;
}

int pg_row_letter(struct pg_row *r)
{
	int letter = take_byte(r);

	return letter < 0 ? 0 : letter;
}

int64_t pg_row_time_us(struct pg_row *r)
{
	bool is_null = pg_row_is_null(r);
	int64_t value = pg_row_int(r);

	if (is_null)
		return 0;
	/* The two ends of the range mean infinity, which is no time that we ever store. */
	if (value > INT64_MAX - PG_TIME_ORIGIN_US || value == INT64_MIN) {
		r->failed = true;
		return 0;
	}
	return value + PG_TIME_ORIGIN_US;
}

int64_t pg_row_time_ms(struct pg_row *r)
{
	return pg_row_time_us(r) / 1000;
}

int pg_sql_parse_deployment(const PGresult *result, struct pg_deployment *deployment_r)
{
	struct pg_row r = pg_row_of(result, 0);
	struct pg_deployment d = {0};

	d.epoch = pg_row_int(&r);
	d.partitions = pg_row_int(&r);
	d.is_timeline_new = pg_row_bool(&r);
	d.is_epoch_new = pg_row_bool(&r);
	if (r.failed || d.epoch < 1 || d.partitions < 1)
		return -1;
	*deployment_r = d;
	return 0;
}

/* ---- errors ---- */

static bool is_of_class(const char *sqlstate, const char *class)
{
	return strncmp(sqlstate, class, 2) == 0;
}

static bool is_one_of(const char *sqlstate, const char *const *states)
{
	for (; *states != NULL; states++) {
		if (strcmp(sqlstate, *states) == 0)
			return true;
	}
	return false;
}

enum err pg_sql_classify(const char *sqlstate, bool is_write, bool is_answered)
{
	static const char *const not_now[] = {
		"25006",	  /* read-only: a standby */
		"40001", "40P01", /* serialization failure, deadlock */
		"55P03",	  /* lock time-out */
		"26000", "0A000",
		"42P05", /* a prepared statement went or its plan changed: prepare again */
		NULL,
	};
	enum err open = is_write ? ERR_UNCERTAIN : ERR_TIMEOUT;

	/* A pooler says 08 for a server connection that broke, whatever was under way on it. */
	if (sqlstate == NULL || is_answered || is_of_class(sqlstate, "08"))
		return open;
	/* 53: out of resources; 57: operator intervention, time-outs and shutdown included; 58: I/O */
	if (is_of_class(sqlstate, "53") || is_of_class(sqlstate, "57") ||
	    is_of_class(sqlstate, "58") || is_one_of(sqlstate, not_now))
		return ERR_UNAVAILABLE;
	if (is_of_class(sqlstate, "22") || is_of_class(sqlstate, "23"))
		return ERR_INVALID;
	return ERR_REFUSED;
}

bool pg_sql_ends_connection(const char *sqlstate)
{
	static const char *const ends[] = {
		"57P01", "57P02", "57P03", "57P04", "57P05", "25P03", /* the server hangs up */
		"25006",		   /* the next connection may find the primary */
		"26000", "0A000", "42P05", /* what was prepared does not hold any more */
		NULL,
	};

	return sqlstate == NULL || is_of_class(sqlstate, "08") || is_one_of(sqlstate, ends);
}

/* ---- sending and collecting ---- */

static bool is_prepared(const struct pg_prepared *prepared, const struct pg_query *query)
{
	for (int i = 0; i < prepared->count; i++) {
		if (prepared->queries[i] == query)
			return true;
	}
	return false;
}

void pg_sql_note_prepared(struct pg_prepared *prepared, const struct pg_query *query)
{
	if (prepared->count < PG_PREPARED_MAX && !is_prepared(prepared, query))
		prepared->queries[prepared->count++] = query;
}

int pg_sql_send(PGconn *pg, const struct pg_stmt *stmt, const struct pg_prepared *prepared,
		bool *is_prepare_r)
{
	const char *values[PG_PARAMS_MAX];
	int lengths[PG_PARAMS_MAX], formats[PG_PARAMS_MAX];
	const struct pg_query *query = stmt->query;
	bool has_room;
	int sent;

	*is_prepare_r = false;
	for (int i = 0; i < stmt->count; i++) {
		bool is_null = stmt->params[i].length < 0;

		values[i] = is_null ? NULL : stmt->bytes.data + stmt->params[i].offset;
		lengths[i] = is_null ? 0 : stmt->params[i].length;
		formats[i] = stmt->params[i].is_binary;
	}
	has_room = prepared != NULL && prepared->count < PG_PREPARED_MAX;
	if (prepared != NULL && is_prepared(prepared, query)) {
		sent = PQsendQueryPrepared(pg, query->name, stmt->count, values, lengths, formats,
					   1);
	} else if (has_room) {
		*is_prepare_r = true;
		sent = PQsendPrepare(pg, query->name, query->sql, 0, NULL);
	} else {
		sent = PQsendQueryParams(pg, query->sql, stmt->count, NULL, values, lengths,
					 formats, 1);
	}
	return sent == 1 ? 0 : -1;
}

static bool is_good(ExecStatusType status)
{
	return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;
}

bool pg_sql_collect(PGconn *pg, struct pg_collect *collect)
{
	/* An old libpq calls a broken connection busy for ever; PQgetResult ends it. */
	while (!PQisBusy(pg) || PQstatus(pg) == CONNECTION_BAD) {
		PGresult *result = PQgetResult(pg), **place;
		ExecStatusType status = PQresultStatus(result);
		bool is_copy = status == PGRES_COPY_IN || status == PGRES_COPY_OUT ||
			       status == PGRES_COPY_BOTH;

		if (result == NULL)
			return true;
		place = is_good(status) ? &collect->good : &collect->error;
		if (*place == NULL)
			*place = result;
		else
			PQclear(result);
		/* libpq would return it for ever, and we never copy. */
		if (is_copy)
			return true;
	}
	return false;
}

void pg_collect_clear(struct pg_collect *collect)
{
	PQclear(collect->good);
	PQclear(collect->error);
	*collect = (struct pg_collect){0};
}

/* The first line, without white space at its end. */
static void set_line(struct pg_fault *fault, const char *text)
{
	size_t n = strcspn(text, "\r\n");

	while (n > 0 && text[n - 1] == ' ')
		n--;
	if (n >= sizeof(fault->text))
		n = sizeof(fault->text) - 1;
	memcpy(fault->text, text, n);
	fault->text[n] = '\0';
}

void pg_fault_set(struct pg_fault *fault, const char *text)
{
	*fault = (struct pg_fault){0};
	set_line(fault, text);
}

void pg_fault_of_connection(struct pg_fault *fault, const PGconn *pg)
{
	const char *text = pg == NULL ? "out of memory" : PQerrorMessage(pg);

	pg_fault_set(fault, text[0] == '\0' ? "the connection is broken" : text);
}

static void set_fault(struct pg_fault *fault, const PGresult *error, const PGconn *pg)
{
	const char *sqlstate = PQresultErrorField(error, PG_DIAG_SQLSTATE);
	const char *text = PQresultErrorField(error, PG_DIAG_MESSAGE_PRIMARY);

	/* Only the primary message: the details may quote a row. */
	if (text == NULL) {
		pg_fault_of_connection(fault, pg);
		return;
	}
	pg_fault_set(fault, text);
	if (sqlstate != NULL && strlen(sqlstate) < sizeof(fault->sqlstate))
		memcpy(fault->sqlstate, sqlstate, strlen(sqlstate) + 1);
}

struct pg_outcome pg_collect_finish(struct pg_collect *collect, const PGconn *pg, bool is_write,
				    struct pg_fault *fault)
{
	struct pg_outcome outcome = {.is_lost = PQstatus(pg) != CONNECTION_OK};

	if (collect->error == NULL && collect->good != NULL) {
		outcome.result = collect->good;
		collect->good = NULL;
	} else {
		const char *sqlstate = PQresultErrorField(collect->error, PG_DIAG_SQLSTATE);

		outcome.err = pg_sql_classify(sqlstate, is_write, collect->good != NULL);
		outcome.is_lost = outcome.is_lost || pg_sql_ends_connection(sqlstate);
		set_fault(fault, collect->error, pg);
	}
	pg_collect_clear(collect);
	return outcome;
}

/* ---- connecting ---- */

/* libpq would print them to stderr, where the log is. */
static void drop_notice(void *arg, const PGresult *notice)
{
	(void)arg;
	(void)notice;
}

PGconn *pg_sql_connect_start(const char *url, const char *application)
{
	/* Later keywords win over the URL's, the fallback_ one does not. */
	const char *const keywords[] = {"dbname", "fallback_application_name", "client_encoding",
					NULL};
	const char *const values[] = {url, application, "UTF8", NULL};
	PGconn *pg = PQconnectStartParams(keywords, values, 1);

	if (pg != NULL)
		PQsetNoticeReceiver(pg, drop_notice, NULL);
	return pg;
}
