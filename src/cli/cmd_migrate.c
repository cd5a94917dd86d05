/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bellhop migrate: brings the database's schema up to date, one transaction a migration. Two of
 * these may run at once: who comes second finds the work done. Where a role of its own owns the schema
 * (DATABASE_OWNER_URL), what the daemons' role may do in it is set each time, too.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/conf.h"
#include "cli/commands.h"
#include "cli/migrations.h"

enum {
	OPTION_DRY_RUN = 'n',
	LIST_TIMEOUT_MS = 10000,
	APPLY_TIMEOUT_MS = 6 * 3600 * 1000, /* building an index may take hours */
};

static const struct command_option options[] = {
	{OPTION_DRY_RUN, "dry-run", NULL, "print what would be applied and change nothing"},
	{0},
};

struct migrating {
	const struct invocation *in;
	struct pg_conn *pg;
	struct migrations files;
	struct migrate_applied *applied;
	size_t n_applied;
	struct buf error;
	bool dry;
};

/* Reports what the database said, or the lines in error. */
static int fail(struct migrating *m, const char *what, enum err err)
{
	const char *reason = pg_conn_error(m->pg);

	if (reason[0] == '\0')
		reason = err_text(err);
	return command_fail(m->in, "could not %s: %s", what, reason);
}

/* Reports the lines in error. */
static int complain(struct migrating *m)
{
	struct str lines = buf_str(&m->error);
	struct str line;

	if (!buf_ok(&m->error))
		return command_fail(m->in, "out of memory");
	while (str_split(&lines, '\n', &line))
		if (line.n > 0)
			command_fail(m->in, "%.*s", STR_ARG(line));
	return COMMAND_FAILED;
}

/* Asks what is applied and compares. The index of the first file to apply, or -1 after reporting. */
static int find_pending(struct migrating *m)
{
	enum err err;
	int next;

	free(m->applied);
	m->applied = NULL;
	m->n_applied = 0;
	err = migrate_list(m->pg, clock_mono_ms() + LIST_TIMEOUT_MS, &m->applied, &m->n_applied);
	if (err != ERR_NONE) {
		fail(m, "ask PostgreSQL what is applied", err);
		return -1;
	}
	next = migrations_compare(&m->files, m->applied, m->n_applied, &m->error);
	if (next < 0)
		complain(m);
	return next;
}

/* Those that psql applied have no checksum yet. */
static int adopt(struct migrating *m)
{
	for (size_t i = 0; i < m->n_applied; i++) {
		struct migration *file = &m->files.items[i];
		enum err err;

		if (m->applied[i].checksum[0] != '\0')
			continue;
		if (m->dry) {
			printf("would adopt %04d_%s\n", file->version, file->name);
			continue;
		}
		err = migrate_adopt(m->pg, file->version, buf_str(&file->text),
				    clock_mono_ms() + LIST_TIMEOUT_MS);
		if (err != ERR_NONE)
			return fail(m, "adopt a migration", err);
		printf("adopted %04d_%s\n", file->version, file->name);
	}
	return COMMAND_OK;
}

/* Applies one file; it is no fault if somebody else has just done so. */
static int apply(struct migrating *m, size_t index)
{
	const struct migration *file = &m->files.items[index];
	char reason[512];
	enum err err;
	int next;

	if (m->dry) {
		printf("would apply %04d_%s\n", file->version, file->name);
		return COMMAND_OK;
	}
	err = migrate_apply(m->pg, file->version, buf_str(&file->text),
			    clock_mono_ms() + APPLY_TIMEOUT_MS);
	if (err == ERR_NONE) {
		printf("applied %04d_%s\n", file->version, file->name);
		fflush(stdout);
		return COMMAND_OK;
	}
	snprintf(reason, sizeof(reason), "%s",
		 pg_conn_error(m->pg)[0] != '\0' ? pg_conn_error(m->pg) : err_text(err));
	next = find_pending(m);
	if (next > (int)index) {
		command_note(m->in, "%04d_%s was applied by somebody else meanwhile", file->version,
			     file->name);
		return COMMAND_OK;
	}
	return command_fail(m->in, "could not apply %04d_%s: %s", file->version, file->name,
			    reason);
}

static int migrate(struct migrating *m)
{
	int next = find_pending(m);
	int status;

	if (next < 0)
		return COMMAND_FAILED;
	status = adopt(m);
	if ((size_t)next == m->files.n && status == COMMAND_OK)
		puts("up to date");
	for (size_t i = (size_t)next; i < m->files.n && status == COMMAND_OK; i++)
		status = apply(m, i);
	return status;
}

/* Asks for the daemons' role, as which anybody but the owner connects. */
static int find_runtime(struct migrating *m, const struct conf *conf, struct migrate_place *place_r)
{
	struct pg_opts opts = pg_opts_of_conf(conf, "bellhop");
	struct pg_conn *pg;
	enum err err;
	int status = COMMAND_OK;

	opts.is_unchecked = true;
	pg = pg_conn_new(&opts);
	if (pg == NULL)
		return command_fail(m->in, "out of memory");
	err = migrate_find_place(pg, clock_mono_ms() + LIST_TIMEOUT_MS, place_r);
	if (err != ERR_NONE)
		status = command_fail(m->in, "could not connect by DATABASE_URL: %s: %s",
				      err_text(err), pg_conn_error(pg));
	pg_conn_free(pg);
	return status;
}

static int run_grants(struct migrating *m, const struct conf *conf, const char *role)
{
	struct buf text;
	enum err err;
	int status = COMMAND_OK;

	buf_init(&text);
	if (migrations_read(conf_str(conf, CONF_SQL_DIR), "grants.sql", &text, &m->error) != 0) {
		status = complain(m);
	} else {
		err = migrate_grant(m->pg, role, buf_str(&text), clock_mono_ms() + LIST_TIMEOUT_MS);
		if (err != ERR_NONE)
			status = fail(m, "set what the daemons' role may do", err);
	}
	buf_deinit(&text);
	return status;
}

/* The owner's connection and the daemons' must lead to one database, by two roles. */
static int grant(struct migrating *m, const struct conf *conf)
{
	struct migrate_place owner = {0}, runtime = {0};
	enum err err = migrate_find_place(m->pg, clock_mono_ms() + LIST_TIMEOUT_MS, &owner);
	int status;

	if (err != ERR_NONE)
		return fail(m, "ask PostgreSQL who we are", err);
	status = find_runtime(m, conf, &runtime);
	if (status != COMMAND_OK)
		return status;
	if (owner.system != runtime.system || strcmp(owner.database, runtime.database) != 0)
		return command_fail(m->in, "DATABASE_OWNER_URL and DATABASE_URL lead to different "
					   "databases");
	if (strcmp(owner.role, runtime.role) == 0) {
		command_note(m->in, "DATABASE_OWNER_URL and DATABASE_URL name the same role, %s",
			     owner.role);
		return COMMAND_OK;
	}
	if (m->dry) {
		printf("would set what %s may do\n", runtime.role);
		return COMMAND_OK;
	}
	status = run_grants(m, conf, runtime.role);
	if (status == COMMAND_OK)
		printf("set what %s may do\n", runtime.role);
	return status;
}

static int open_and_migrate(struct migrating *m, const struct conf *conf)
{
	struct pg_opts opts = pg_opts_of_conf(conf, "bellhop");
	bool has_owner = conf_is_set(conf, CONF_DATABASE_OWNER_URL);
	int status;

	opts.is_unchecked = true;
	if (has_owner)
		opts.url = conf_str(conf, CONF_DATABASE_OWNER_URL);
	if (migrations_load(conf_str(conf, CONF_SQL_DIR), &m->files, &m->error) != 0)
		return complain(m);
	m->pg = pg_conn_new(&opts);
	if (m->pg == NULL)
		return command_fail(m->in, "out of memory");
	status = migrate(m);
	if (status == COMMAND_OK && has_owner)
		status = grant(m, conf);
	return status;
}

static int run(struct invocation *in)
{
	struct migrating m = {.in = in};
	struct conf *conf;
	int status = COMMAND_FAILED;
	int id;

	while ((id = command_option(in)) > 0)
		m.dry = m.dry || id == OPTION_DRY_RUN;
	if (id < 0)
		return in->status;
	if (in->argc != 0)
		return command_usage(in, "it takes no operand");
	conf = command_conf(in);
	if (conf == NULL)
		return COMMAND_FAILED;
	buf_init(&m.error);
	status = open_and_migrate(&m, conf);
	pg_conn_free(m.pg);
	free(m.applied);
	migrations_deinit(&m.files);
	buf_deinit(&m.error);
	conf_free(conf);
	return status;
}

const struct command cmd_migrate = {
	.name = "migrate",
	.operands = "",
	.summary = "bring the database's schema up to date",
	.options = options,
	.run = run,
};
