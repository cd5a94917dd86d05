/* SPDX-License-Identifier: BSD-2-Clause */
/* The blocking carrier: libpq's non-blocking calls around poll(2) with a deadline. */
#include "config.h"

#include "store/pg_conn.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/conf.h"

struct pg_conn {
	char *url;
	char *application;
	bool is_pooled;
	bool is_unchecked;
	PGconn *pg; /* NULL while not connected; never half-open between calls */
	struct pg_prepared prepared;
	struct pg_deployment deployment;
	bool has_deployment;
	unsigned generation;
	struct pg_fault fault;
};

struct pg_opts pg_opts_of_conf(const struct conf *conf, const char *application)
{
	return (struct pg_opts){
		.url = conf_str(conf, CONF_DATABASE_URL),
		.application = application,
		.connect_timeout_ms = (int)conf_int(conf, CONF_PG_TIMEOUT_MS),
		.is_pooled = conf_bool(conf, CONF_PG_POOLED),
	};
}

struct pg_conn *pg_conn_new(const struct pg_opts *opts)
{
	struct pg_conn *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->url = strdup(opts->url);
	c->application = strdup(opts->application);
	c->is_pooled = opts->is_pooled;
	c->is_unchecked = opts->is_unchecked;
	if (c->url == NULL || c->application == NULL) {
		pg_conn_free(c);
		return NULL;
	}
	return c;
}

void pg_conn_free(struct pg_conn *c)
{
	if (c == NULL)
		return;
	pg_conn_close(c);
	free(c->url);
	free(c->application);
	free(c);
}

void pg_conn_close(struct pg_conn *c)
{
	PQfinish(c->pg);
	c->pg = NULL;
	c->prepared = (struct pg_prepared){0};
}

/* What poll(2) says of the connection's socket; 0 once the deadline has passed. */
static int wait_for(const PGconn *pg, short events, int64_t deadline_ms)
{
	struct pollfd p = {.fd = PQsocket(pg), .events = events};
	int n;

	do
		n = poll(&p, 1, clock_wait_ms(deadline_ms));
	while (n < 0 && errno == EINTR);
	return n > 0 ? p.revents : 0;
}

/*
 * A server that goes away says so, or hangs up, while the connection is idle. Found now, it costs a
 * new connection instead of an uncertain outcome. Anything else that it may say unasked is so rare
 * (a changed parameter) that it may cost one too.
 */
static bool has_died(const PGconn *pg)
{
	return PQstatus(pg) != CONNECTION_OK || wait_for(pg, POLLIN, 0) != 0;
}

/* Follows PQconnectPoll to its end. 0, or -1 with the fault set. */
static int finish_connecting(struct pg_conn *c, int64_t deadline_ms)
{
	PostgresPollingStatusType status = PGRES_POLLING_WRITING;

	while (status != PGRES_POLLING_OK) {
		if (status == PGRES_POLLING_FAILED || PQstatus(c->pg) == CONNECTION_BAD) {
			pg_fault_of_connection(&c->fault, c->pg);
			return -1;
		}
		if (wait_for(c->pg, status == PGRES_POLLING_READING ? POLLIN : POLLOUT,
			     deadline_ms) == 0) {
			pg_fault_set(&c->fault, "could not connect in time");
			return -1;
		}
		status = PQconnectPoll(c->pg);
	}
	return PQsetnonblocking(c->pg, 1);
}

/* Sends what libpq has queued and reads until the statement is over. False: out of time. */
static bool exchange(PGconn *pg, struct pg_collect *collect, int64_t deadline_ms)
{
	for (;;) {
		/* A failed flush shows as the error that the collection then finds. */
		int is_left = PQflush(pg) == 1;
		int ready;

		if (pg_sql_collect(pg, collect))
			return true;
		ready = wait_for(pg, (short)(POLLIN | (is_left ? POLLOUT : 0)), deadline_ms);
		if (ready == 0)
			return false;
		/* As with the flush. */
		if ((ready & ~POLLOUT) != 0)
			(void)PQconsumeInput(pg);
	}
}

/* One round trip of what pg_sql_send or PQsendQuery has queued. Drops a lost connection. */
static struct pg_outcome run(struct pg_conn *c, bool is_write, int64_t deadline_ms)
{
	struct pg_collect collect = {0};
	struct pg_outcome outcome;

	if (!exchange(c->pg, &collect, deadline_ms)) {
		pg_collect_clear(&collect);
		pg_fault_set(&c->fault, "no answer in time");
		pg_conn_close(c);
		return (struct pg_outcome){.err = is_write ? ERR_UNCERTAIN : ERR_TIMEOUT};
	}
	outcome = pg_collect_finish(&collect, c->pg, is_write, &c->fault);
	if (outcome.is_lost)
		pg_conn_close(c);
	return outcome;
}

static enum err refuse_to_send(struct pg_conn *c)
{
	pg_fault_of_connection(&c->fault, c->pg);
	pg_conn_close(c);
	return ERR_UNAVAILABLE;
}

/* Runs a statement on the open connection. */
static enum err exec(struct pg_conn *c, const struct pg_stmt *stmt, int64_t deadline_ms,
		     PGresult **result_r)
{
	struct pg_outcome outcome;
	bool is_prepare;

	*result_r = NULL;
	if (pg_sql_send(c->pg, stmt, c->is_pooled ? NULL : &c->prepared, &is_prepare) != 0)
		return refuse_to_send(c);
	if (is_prepare) {
		outcome = run(c, false, deadline_ms);
		PQclear(outcome.result);
		/* Whatever was lost, the statement itself was not sent. */
		if (outcome.err == ERR_TIMEOUT || outcome.is_lost)
			return ERR_UNAVAILABLE;
		if (outcome.err != ERR_NONE)
			return outcome.err;
		pg_sql_note_prepared(&c->prepared, stmt->query);
		if (pg_sql_send(c->pg, stmt, &c->prepared, &is_prepare) != 0)
			return refuse_to_send(c);
	}
	outcome = run(c, stmt->query->is_write, deadline_ms);
	*result_r = outcome.result;
	return outcome.err;
}

/* 0, or the reason why this server must not be used. */
static enum err check_deployment(struct pg_conn *c, int64_t deadline_ms)
{
	struct pg_stmt stmt;
	PGresult *result;
	enum err err;

	pg_stmt_init(&stmt, &pg_sql_deployment);
	err = exec(c, &stmt, deadline_ms, &result);
	pg_stmt_deinit(&stmt);
	if (err == ERR_TIMEOUT)
		err = ERR_UNAVAILABLE;
	if (err == ERR_NONE && pg_sql_parse_deployment(result, &c->deployment) != 0) {
		pg_fault_set(&c->fault, "the deployment check makes no sense");
		err = ERR_PROTOCOL;
	}
	PQclear(result);
	if (err != ERR_NONE)
		pg_conn_close(c);
	else
		c->has_deployment = true;
	return err;
}

enum err pg_conn_open(struct pg_conn *c, int64_t deadline_ms)
{
	if (c->pg != NULL && has_died(c->pg))
		pg_conn_close(c);
	if (c->pg != NULL)
		return ERR_NONE;
	c->pg = pg_sql_connect_start(c->url, c->application);
	if (c->pg == NULL) {
		pg_fault_set(&c->fault, "out of memory");
		return ERR_MEMORY;
	}
	if (finish_connecting(c, deadline_ms) != 0) {
		pg_conn_close(c);
		return ERR_UNAVAILABLE;
	}
	c->generation++;
	return c->is_unchecked ? ERR_NONE : check_deployment(c, deadline_ms);
}

/* An open connection and time left to use it. */
static enum err make_ready(struct pg_conn *c, int64_t deadline_ms)
{
	enum err err = pg_conn_open(c, deadline_ms);

	if (err == ERR_NONE && clock_mono_ms() >= deadline_ms) {
		pg_fault_set(&c->fault, "no time left to ask");
		err = ERR_UNAVAILABLE;
	}
	return err;
}

enum err pg_conn_exec(struct pg_conn *c, const struct pg_stmt *stmt, int64_t deadline_ms,
		      PGresult **result_r)
{
	enum err err;

	*result_r = NULL;
	if (!pg_stmt_ok(stmt)) {
		pg_fault_set(&c->fault, "the statement could not be built");
		return ERR_MEMORY;
	}
	err = make_ready(c, deadline_ms);
	return err != ERR_NONE ? err : exec(c, stmt, deadline_ms, result_r);
}

enum err pg_conn_script(struct pg_conn *c, const char *sql, int64_t deadline_ms)
{
	struct pg_outcome outcome;
	enum err err = make_ready(c, deadline_ms);

	if (err != ERR_NONE)
		return err;
	if (PQsendQuery(c->pg, sql) != 1)
		return refuse_to_send(c);
	outcome = run(c, true, deadline_ms);
	PQclear(outcome.result);
	/* That an earlier command was answered says nothing: the text is one transaction. */
	if (outcome.err == ERR_UNCERTAIN && c->fault.sqlstate[0] != '\0')
		outcome.err = pg_sql_classify(c->fault.sqlstate, true, false);
	/* A text that failed half-way may have left its transaction open. */
	if (outcome.err != ERR_NONE)
		pg_conn_close(c);
	return outcome.err;
}

const struct pg_deployment *pg_conn_deployment(const struct pg_conn *c)
{
	return c->has_deployment ? &c->deployment : NULL;
}

unsigned pg_conn_generation(const struct pg_conn *c)
{
	return c->generation;
}

bool pg_conn_is_password_used(const struct pg_conn *c)
{
	return c->pg != NULL && PQconnectionUsedPassword(c->pg) == 1;
}

bool pg_conn_is_server_verified(const struct pg_conn *c)
{
	PQconninfoOption *options = c->pg != NULL ? PQconninfo(c->pg) : NULL;
	bool is_verified = false;

	for (const PQconninfoOption *o = options; o != NULL && o->keyword != NULL; o++) {
		if (strcmp(o->keyword, "sslmode") == 0)
			is_verified = o->val != NULL && strcmp(o->val, "verify-full") == 0;
	}
	PQconninfoFree(options);
	return is_verified && PQsslInUse(c->pg) == 1;
}

const char *pg_conn_error(const struct pg_conn *c)
{
	return c->fault.text;
}

const char *pg_conn_sqlstate(const struct pg_conn *c)
{
	return c->fault.sqlstate;
}
