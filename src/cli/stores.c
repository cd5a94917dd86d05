/* SPDX-License-Identifier: BSD-2-Clause */
/* PostgreSQL and Redis for the commands. */
#include "config.h"

#include "cli/stores.h"

#include <poll.h>

#include "base/clock.h"
#include "base/conf.h"

static int open_record(struct stores *s)
{
	struct pg_opts opts = pg_opts_of_conf(s->conf, "bellhop");
	const struct pg_deployment *deployment;
	enum err err;

	s->pg = pg_conn_new(&opts);
	if (s->pg == NULL)
		return command_fail(s->in, "out of memory");
	err = pg_conn_open(s->pg, clock_mono_ms() + s->pg_timeout_ms);
	if (err != ERR_NONE)
		return command_fail(s->in, "could not connect to PostgreSQL: %s: %s", err_text(err),
				    pg_conn_error(s->pg));
	deployment = pg_conn_deployment(s->pg);
	if (deployment == NULL ||
	    redis_keys_init(&s->keys, conf_str(s->conf, CONF_REDIS_PREFIX), deployment->epoch,
			    (unsigned int)deployment->partitions) != 0)
		return command_fail(s->in, "the deployment in PostgreSQL makes no sense");
	return COMMAND_OK;
}

static int open_redis(struct stores *s)
{
	struct redis_target target = {0};
	struct buf error = BUF_INIT;
	int status = COMMAND_OK;

	if (redis_target_of_conf(s->conf, CONF_REDIS_URL, &target, &error) != 0) {
		status = command_fail(
			s->in, "%s", buf_cstr(&error) != NULL ? buf_cstr(&error) : "out of memory");
	} else {
		s->redis = redis_conn_new(&target, "bellhop",
					  1000 * conf_int(s->conf, CONF_REDIS_CONNECT_TIMEOUT));
		if (s->redis == NULL)
			status = command_fail(s->in, "out of memory");
	}
	redis_target_deinit(&target);
	buf_deinit(&error);
	return status;
}

int stores_open(struct stores *stores_r, const struct invocation *in, bool is_redis_used)
{
	/* Nobody waits for an answer here as a browser does. */
	enum { PATIENCE = 4 };
	struct stores *s = stores_r;
	int status;

	*s = (struct stores){.in = in, .conf = command_conf(in)};
	if (s->conf == NULL)
		return COMMAND_FAILED;
	s->pg_timeout_ms = PATIENCE * conf_int(s->conf, CONF_PG_TIMEOUT_MS);
	s->redis_timeout_ms = PATIENCE * conf_int(s->conf, CONF_REDIS_TIMEOUT_MS);
	status = open_record(s);
	if (status == COMMAND_OK && is_redis_used)
		status = open_redis(s);
	return status;
}

int stores_load_keys(struct stores *stores)
{
	struct buf error = BUF_INIT;
	int status = COMMAND_OK;

	if (seal_load(conf_str(stores->conf, CONF_SEAL_KEYS_FILE), &stores->seal, &error) != 0) {
		/* The reason is a line, and so is a complaint. */
		buf_truncate(&error, error.len > 0 ? error.len - 1 : 0);
		status =
			command_fail(stores->in, "%s",
				     buf_cstr(&error) != NULL ? buf_cstr(&error) : "out of memory");
	}
	buf_deinit(&error);
	return status;
}

void stores_close(struct stores *stores)
{
	seal_free(stores->seal);
	pg_conn_free(stores->pg);
	redis_conn_free(stores->redis);
	conf_free(stores->conf);
	*stores = (struct stores){0};
}

PGresult *stores_ask(struct stores *stores, struct pg_stmt *stmt)
{
	enum { ATTEMPTS = 5, PAUSE_MS = 500 };
	PGresult *result = NULL;
	enum err err = ERR_NONE;

	for (int i = 0; i < ATTEMPTS; i++) {
		if (i > 0)
			poll(NULL, 0, PAUSE_MS);
		err = pg_conn_exec(stores->pg, stmt, clock_mono_ms() + stores->pg_timeout_ms,
				   &result);
		if (err != ERR_UNAVAILABLE && err != ERR_TIMEOUT && err != ERR_UNCERTAIN)
			break;
	}
	pg_stmt_deinit(stmt);
	if (err != ERR_NONE)
		command_fail(stores->in, "could not ask PostgreSQL: %s: %s", err_text(err),
			     pg_conn_error(stores->pg));
	return result;
}

int stores_pipeline(struct stores *stores, const struct buf *commands, size_t n,
		    redisReply **replies_r)
{
	enum err err = redis_conn_exec(stores->redis, commands, n,
				       clock_mono_ms() + stores->redis_timeout_ms, replies_r);

	if (err == ERR_NONE)
		return 0;
	command_fail(stores->in, "could not ask Redis: %s: %s", err_text(err),
		     redis_conn_reason(stores->redis));
	return -1;
}

int stores_ticket(struct stores *stores, struct str ticket, struct record_ticket *ticket_r)
{
	struct record_opened opened = {0};
	struct pg_stmt stmt;
	PGresult *result;
	int status = 0;

	record_put_access(&stmt, ticket, STR(""));
	result = stores_ask(stores, &stmt);
	if (result == NULL)
		return -1;
	if (record_parse_open(result, &opened) != 0)
		status = stores_odd(stores, "PostgreSQL");
	*ticket_r = opened.ticket;
	ticket_r->status = (struct str){0};
	ticket_r->title = (struct str){0};
	PQclear(result);
	return status;
}

int stores_odd(const struct stores *stores, const char *what)
{
	command_fail(stores->in, "%s answered what makes no sense, or memory ran out", what);
	return -1;
}

struct feed stores_feed(const struct stores *stores)
{
	return (struct feed){
		.redis = stores->redis,
		.pg = stores->pg,
		.keys = &stores->keys,
		.redis_timeout_ms = stores->redis_timeout_ms,
		.pg_timeout_ms = stores->pg_timeout_ms,
	};
}
