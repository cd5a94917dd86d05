/* SPDX-License-Identifier: BSD-2-Clause */
/* bellhop check: PostgreSQL, its schema, and the limits of the role. */
#include "config.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/conf.h"
#include "cli/checks.h"
#include "cli/migrations.h"
#include "store/pg_conn.h"
#include "store/record.h"

enum {
	TIMEOUT_MS = 5000,
	VERSION_MIN = 130000,
	/* What a transaction may last for the sweep to see it: see RECORD_OVERLAP_MS. */
	STATEMENT_MAX_MS = RECORD_OVERLAP_MS - 5000,
};

static const struct pg_query about_server = {
	.name = "check_server",
	.sql = "SELECT current_setting('server_version_num')::int8,"
	       "  current_setting('server_version'),"
	       "  pg_is_in_recovery(),"
	       "  (SELECT setting::int8 FROM pg_settings WHERE name = 'statement_timeout'),"
	       "  (SELECT setting::int8 FROM pg_settings WHERE name = 'lock_timeout'),"
	       "  current_setting('synchronous_commit'),"
	       "  current_setting('fsync')::bool,"
	       "  (SELECT setting::int8 FROM pg_settings WHERE name = 'max_connections'),"
	       "  (SELECT string_agg(name, ', ' ORDER BY name) FROM pg_settings WHERE (name, setting) IN"
	       "   (('enable_bitmapscan', 'on'), ('enable_seqscan', 'on'), ('jit', 'on'),"
	       "   ('plan_cache_mode', 'auto'), ('plan_cache_mode', 'force_custom_plan')))",
};

static void check_limits(struct checks *checks, int64_t statement_ms, int64_t lock_ms)
{
	if (statement_ms == 0 || statement_ms > STATEMENT_MAX_MS)
		checks_add(checks, CHECK_WARNING, "postgresql time-outs",
			   "statement_timeout of the role is %lld ms, but should be 1 to %d: see "
			   "roles.sql",
			   (long long)statement_ms, STATEMENT_MAX_MS);
	else if (lock_ms == 0 || lock_ms > statement_ms)
		checks_add(checks, CHECK_WARNING, "postgresql time-outs",
			   "lock_timeout of the role is %lld ms, but should be below "
			   "statement_timeout: see roles.sql",
			   (long long)lock_ms);
	else
		checks_add(checks, CHECK_OK, "postgresql time-outs",
			   "statement %lld ms, lock %lld ms", (long long)statement_ms,
			   (long long)lock_ms);
}

static void check_server(struct checks *checks, const struct conf *conf, const PGresult *result)
{
	struct pg_row row = pg_row_of(result, 0);
	int64_t version = pg_row_int(&row);
	struct str version_text = pg_row_str(&row);
	bool standby = pg_row_bool(&row);
	int64_t statement_ms = pg_row_int(&row);
	int64_t lock_ms = pg_row_int(&row);
	struct str commit = pg_row_str(&row);
	bool fsync = pg_row_bool(&row);
	int64_t connections = pg_row_int(&row);
	struct str planner = pg_row_str(&row);
	int64_t wanted = conf_int(conf, CONF_API_WORKERS);

	if (row.failed) {
		checks_add(checks, CHECK_ERROR, "postgresql", "the answer makes no sense");
		return;
	}
	checks_add(checks, version < VERSION_MIN ? CHECK_ERROR : CHECK_OK, "postgresql",
		   "version %.*s%s", STR_ARG(version_text),
		   version < VERSION_MIN ? ", but 13 is needed" : "");
	if (standby)
		checks_add(checks, CHECK_ERROR, "postgresql", "this server is a standby");
	if (!fsync)
		checks_add(checks, CHECK_WARNING, "postgresql durability",
			   "fsync is off: a crash of the machine loses messages");
	else if (str_eq_c(commit, "off"))
		checks_add(checks, CHECK_WARNING, "postgresql durability",
			   "synchronous_commit is off: a crash loses the newest messages");
	if (planner.p != NULL)
		checks_add(checks, CHECK_WARNING, "postgresql planner",
			   "%.*s of the role is not as in roles.sql: reading may take as long as a "
			   "ticket is",
			   STR_ARG(planner));
	if (connections <= wanted)
		checks_add(checks, CHECK_WARNING, "postgresql connections",
			   "max_connections is %lld for %lld api workers and others",
			   (long long)connections, (long long)wanted);
	check_limits(checks, statement_ms, lock_ms);
}

static void check_schema(struct checks *checks, const struct conf *conf, struct pg_conn *pg)
{
	struct migrations files = {0};
	struct migrate_applied *applied = NULL;
	size_t n = 0;
	struct buf error;
	int next;

	buf_init(&error);
	if (migrate_list(pg, clock_mono_ms() + TIMEOUT_MS, &applied, &n) != ERR_NONE) {
		checks_add(checks, CHECK_ERROR, "schema", "%s", pg_conn_error(pg));
	} else if (migrations_load(conf_str(conf, CONF_SQL_DIR), &files, &error) != 0) {
		checks_add_lines(checks, CHECK_WARNING, "schema", &error);
	} else if ((next = migrations_compare(&files, applied, n, &error)) < 0) {
		checks_add_lines(checks, CHECK_ERROR, "schema", &error);
	} else if ((size_t)next < files.n) {
		checks_add(checks, CHECK_ERROR, "schema",
			   "%zu of %zu migrations are still to be applied: run bellhop migrate",
			   files.n - (size_t)next, files.n);
	} else {
		checks_add(checks, CHECK_OK, "schema", "up to date at %04d_%s",
			   files.items[files.n - 1].version, files.items[files.n - 1].name);
	}
	migrations_deinit(&files);
	free(applied);
	buf_deinit(&error);
}

void check_postgres(struct checks *checks, const struct conf *conf)
{
	struct pg_opts opts = pg_opts_of_conf(conf, "bellhop");
	struct pg_conn *pg;
	struct pg_stmt stmt;
	PGresult *result = NULL;
	enum err err;

	opts.is_unchecked = true;
	pg = pg_conn_new(&opts);
	pg_stmt_init(&stmt, &about_server);
	err = pg != NULL ? pg_conn_exec(pg, &stmt, clock_mono_ms() + TIMEOUT_MS, &result)
			 : ERR_MEMORY;
	if (err == ERR_NONE) {
		check_server(checks, conf, result);
		check_role(checks, pg);
		check_schema(checks, conf, pg);
	} else {
		checks_add(checks, CHECK_ERROR, "postgresql", "%s: %s", err_text(err),
			   pg != NULL ? pg_conn_error(pg) : "");
	}
	PQclear(result);
	pg_stmt_deinit(&stmt);
	pg_conn_free(pg);
}
