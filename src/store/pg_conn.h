/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One blocking PostgreSQL connection whose every wait ends at a deadline of ours: libpq's own
 * connect and query calls can hang for ever. For api, archive and the command.
 */
#ifndef BELLHOP_STORE_PG_CONN_H
#define BELLHOP_STORE_PG_CONN_H

#include "store/pg_sql.h"

struct conf;
struct pg_conn;

struct pg_opts {
	const char *url;	 /* libpq connection string or URI */
	const char *application; /* application_name, e.g. "bellhop-api" */
	int connect_timeout_ms;	 /* pg_async only; a blocking call is bounded by its deadline */
	bool is_pooled;		 /* a transaction pooler is between: nothing is prepared by name */
	bool is_unchecked;	 /* no deployment check: for migrating */
};

/* From DATABASE_URL, BELLHOP_PG_TIMEOUT_MS and BELLHOP_PG_POOLED. Borrows from conf. */
struct pg_opts pg_opts_of_conf(const struct conf *conf, const char *application);

/* Copies opts; connects on first use. NULL if out of memory. */
struct pg_conn *pg_conn_new(const struct pg_opts *opts);
void pg_conn_free(struct pg_conn *c);

/*
 * Connects if it is not connected, then runs the statement, all before deadline_ms (clock_mono_ms).
 * ERR_NONE: *result_r is the result, freed by the caller with PQclear. Otherwise *result_r is NULL
 * and the outcome is one of pg_sql_classify(), or ERR_MEMORY for a statement that is not
 * pg_stmt_ok(). A connection found dead before anything was sent is replaced at once, silently.
 * After ERR_UNCERTAIN send the same statement again: its uid tells (record.h).
 */
enum err pg_conn_exec(struct pg_conn *c, const struct pg_stmt *stmt, int64_t deadline_ms,
		      PGresult **result_r);

/*
 * Runs SQL text of any number of commands, without parameters, results dropped. Only for migrating:
 * an error is ERR_REFUSED or as above, and rolls back what the text had begun.
 */
enum err pg_conn_script(struct pg_conn *c, const char *sql, int64_t deadline_ms);

/* Connects if it is not connected. As pg_conn_exec. */
enum err pg_conn_open(struct pg_conn *c, int64_t deadline_ms);

/* Drops the connection; the next call makes a new one. */
void pg_conn_close(struct pg_conn *c);

/* What the check on the latest connection said; NULL before the first one, or unchecked. */
const struct pg_deployment *pg_conn_deployment(const struct pg_conn *c);

/* How many connections were made so far: a change means that pg_conn_deployment() is news. */
unsigned pg_conn_generation(const struct pg_conn *c);

/* Of the open connection: whether the server asked for a password, ... */
bool pg_conn_is_password_used(const struct pg_conn *c);
/* ... and whether its certificate and name were checked (sslmode=verify-full). */
bool pg_conn_is_server_verified(const struct pg_conn *c);

/* One line about the latest failure, for logs; "" if there was none. Never data or a password. */
const char *pg_conn_error(const struct pg_conn *c);

/* The SQLSTATE of the latest failure, "" where it was not the server's. */
const char *pg_conn_sqlstate(const struct pg_conn *c);

#endif
