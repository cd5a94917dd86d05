/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the two carriers of PostgreSQL statements share: a statement with its parameters, the
 * reading of binary results, and what an error means to the caller. No I/O but the non-blocking
 * calls of libpq on a connection that the carrier owns.
 *
 * Results come in binary (PostgreSQL 15, 55.2.3): numbers big-endian, text and bytea as they are,
 * timestamptz as microseconds since 2000-01-01.
 */
#ifndef BELLHOP_STORE_PG_SQL_H
#define BELLHOP_STORE_PG_SQL_H

#include <libpq-fe.h>

#include "base/buf.h"
#include "base/err.h"

enum { PG_PARAMS_MAX = 16, PG_PREPARED_MAX = 64 };

/* A statement's text. Static and constant: carriers keep the pointer. */
struct pg_query {
	const char *name; /* of the prepared statement */
	const char *sql;
	/*
	 * True: a lost answer leaves it open whether it happened (ERR_UNCERTAIN). False: it changes
	 * nothing that would matter (ERR_TIMEOUT).
	 */
	bool is_write;
};

/* A query and its parameters, which are copied into it. Errors stick; ask pg_stmt_ok() once. */
struct pg_stmt {
	const struct pg_query *query;
	int count;
	struct {
		size_t offset;
		int length; /* -1: NULL */
		bool is_binary;
	} params[PG_PARAMS_MAX];
	struct buf bytes;
	bool failed;
};

void pg_stmt_init(struct pg_stmt *stmt, const struct pg_query *query);
void pg_stmt_deinit(struct pg_stmt *stmt);
bool pg_stmt_ok(const struct pg_stmt *stmt);

/* The next parameter, $1 first. An absent str (p NULL) is NULL. Text must hold no NUL byte. */
void pg_stmt_text(struct pg_stmt *stmt, struct str text);
void pg_stmt_bytes(struct pg_stmt *stmt, struct str bytes);
void pg_stmt_int(struct pg_stmt *stmt, int64_t value);
void pg_stmt_bool(struct pg_stmt *stmt, bool value);
void pg_stmt_null(struct pg_stmt *stmt);
/* timestamptz; microseconds of Unix time */
void pg_stmt_time(struct pg_stmt *stmt, int64_t real_us);
/* text[] and int8[] */
void pg_stmt_text_array(struct pg_stmt *stmt, const struct str *items, size_t count);
void pg_stmt_int_array(struct pg_stmt *stmt, const int64_t *items, size_t count);

/*
 * A row of a result being read from left to right. A column of the wrong width, and one column too
 * many, sets `failed`, which sticks; the value is then 0 or absent. Strings are borrowed from the
 * result. SQL NULL reads as 0, false, absent.
 */
struct pg_row {
	const PGresult *result;
	int row;
	int column;
	bool failed;
};

struct pg_row pg_row_of(const PGresult *result, int row);
bool pg_row_is_null(const struct pg_row *r); /* the column that is read next */
void pg_row_skip(struct pg_row *r, int columns);
int64_t pg_row_int(struct pg_row *r); /* int2, int4, int8 */
bool pg_row_bool(struct pg_row *r);
int pg_row_letter(struct pg_row *r); /* "char" */
struct str pg_row_str(struct pg_row *r);
int64_t pg_row_time_us(struct pg_row *r); /* Unix time; 0 for NULL */
int64_t pg_row_time_ms(struct pg_row *r);

/* What the deployment check on a new connection said. */
struct pg_deployment {
	int64_t epoch;
	int64_t partitions;
	/*
	 * The server runs on another timeline than the deployment knows (a fail-over, perhaps with
	 * loss). Nothing was changed: whoever compares the tails then settles it (record.h).
	 */
	bool is_timeline_new;
	/* The check itself raised the epoch: this is another database cluster than before. */
	bool is_epoch_new;
};

/* The check's statement and its answer; -1 if the answer makes no sense. */
extern const struct pg_query pg_sql_deployment;
int pg_sql_parse_deployment(const PGresult *result, struct pg_deployment *deployment_r);

/*
 * What a failed statement means, by SQLSTATE (PostgreSQL 15, appendix A):
 * ERR_UNAVAILABLE  the server cannot serve now and nothing was done: shutting down, starting,
 *                  read-only, too many connections, out of resources, statement or lock time-out,
 *                  cancelled, serialization failure and deadlock
 * ERR_UNCERTAIN    a write whose connection ended without an answer
 * ERR_TIMEOUT      the same for what writes nothing
 * ERR_INVALID      the data was refused: classes 22 and 23
 * ERR_REFUSED      rights, schema, syntax, anything raised: it will not work the next time either
 * `sqlstate` is NULL where libpq and not the server found the error. `is_answered`: the statement
 * itself had already succeeded, so that the error concerns its commit.
 */
enum err pg_sql_classify(const char *sqlstate, bool is_write, bool is_answered);

/* Whether the connection is of no use after an error of this SQLSTATE (NULL included). */
bool pg_sql_ends_connection(const char *sqlstate);

/* The queries that a connection has prepared; all zero at first. */
struct pg_prepared {
	const struct pg_query *queries[PG_PREPARED_MAX];
	int count;
};

/*
 * Hands the statement to libpq for sending: *is_prepare_r says that only its preparation was sent
 * and that pg_sql_send has to be called again once that has been answered and noted.
 * With `prepared` NULL the statement is sent unnamed. 0, or -1 if libpq refused (PQerrorMessage).
 */
int pg_sql_send(PGconn *pg, const struct pg_stmt *stmt, const struct pg_prepared *prepared,
		bool *is_prepare_r);
void pg_sql_note_prepared(struct pg_prepared *prepared, const struct pg_query *query);

/* Collects the results of one statement: the first good one and the first error. */
struct pg_collect {
	PGresult *good;
	PGresult *error;
};

/*
 * Takes what libpq has complete without blocking. True once the statement is over (PQgetResult
 * returned NULL, so that its transaction is committed or gone); false: read more from the socket.
 */
bool pg_sql_collect(PGconn *pg, struct pg_collect *collect);
void pg_collect_clear(struct pg_collect *collect);

/* Why something failed, for logs: one line, the server's primary message; never data. */
struct pg_fault {
	char text[256];
	char sqlstate[6]; /* "" where it was not the server's */
};

void pg_fault_set(struct pg_fault *fault, const char *text);

/* libpq's own message about a connection, its first line. */
void pg_fault_of_connection(struct pg_fault *fault, const PGconn *pg);

/* What a collection came to. */
struct pg_outcome {
	enum err err;
	PGresult *result; /* unless there is an error; freed with PQclear by whoever has it */
	bool is_lost;	  /* the connection is of no use any more */
};

/* Ends a finished collection and empties it. *fault is written only if there is an error. */
struct pg_outcome pg_collect_finish(struct pg_collect *collect, const PGconn *pg, bool is_write,
				    struct pg_fault *fault);

/*
 * Begins a connection attempt, to be continued with PQconnectPoll. The connection is non-blocking
 * and its notices go nowhere. NULL if out of memory; else ask PQstatus.
 */
PGconn *pg_sql_connect_start(const char *url, const char *application);

#endif
