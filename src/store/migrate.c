/* SPDX-License-Identifier: BSD-2-Clause */
/* Applying migrations, and knowing which ones were. */
#include "config.h"

#include "store/migrate.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* Any constant that nobody else locks; the same for every version of bellhop. */
#define MIGRATE_LOCK "SELECT pg_advisory_xact_lock(7094139261743121);\n"
/* The role's limits are made for sends, not for building indexes. */
#define MIGRATE_BEGIN \
	"BEGIN;\nSET LOCAL statement_timeout = 0;\nSET LOCAL lock_timeout = 0;\n" MIGRATE_LOCK

static const struct pg_query query_is_there = {
	.name = "migration_is_there",
	.sql = "SELECT to_regclass('bellhop.migration') IS NOT NULL",
};

static const struct pg_query query_list = {
	.name = "migration_list",
	.sql = "SELECT version, name, checksum FROM bellhop.migration ORDER BY version",
};

static const struct pg_query query_place = {
	.name = "migration_place",
	.sql = "SELECT current_user::text, current_database()::text, system_identifier"
	       "  FROM pg_control_system()",
};

/* Runs a query without parameters. */
static enum err ask(struct pg_conn *c, const struct pg_query *query, int64_t deadline_ms,
		    PGresult **result_r)
{
	struct pg_stmt stmt;
	enum err err;

	pg_stmt_init(&stmt, query);
	err = pg_conn_exec(c, &stmt, deadline_ms, result_r);
	pg_stmt_deinit(&stmt);
	return err;
}

static void copy_text(char *to, size_t size, struct str from)
{
	size_t n = from.n < size ? from.n : size - 1;

	if (n > 0)
		memcpy(to, from.p, n);
	to[n] = '\0';
}

static enum err parse_list(const PGresult *result, struct migrate_applied **list_r, size_t *count_r)
{
	size_t count = (size_t)PQntuples(result);
	struct migrate_applied *list = calloc(count + 1, sizeof(*list));

	if (list == NULL)
		return ERR_MEMORY;
	for (size_t i = 0; i < count; i++) {
		struct pg_row r = pg_row_of(result, (int)i);

		list[i].version = pg_row_int(&r);
		copy_text(list[i].name, sizeof(list[i].name), pg_row_str(&r));
		copy_text(list[i].checksum, sizeof(list[i].checksum), pg_row_str(&r));
		if (r.failed) {
			free(list);
			return ERR_PROTOCOL;
		}
	}
	*list_r = list;
	*count_r = count;
	return ERR_NONE;
}

enum err migrate_list(struct pg_conn *c, int64_t deadline_ms, struct migrate_applied **list_r,
		      size_t *count_r)
{
	PGresult *result;
	struct pg_row r;
	enum err err = ask(c, &query_is_there, deadline_ms, &result);
	bool is_there;

	*list_r = NULL;
	*count_r = 0;
	if (err != ERR_NONE)
		return err;
	r = pg_row_of(result, 0);
	is_there = pg_row_bool(&r);
	PQclear(result);
	if (r.failed)
		return ERR_PROTOCOL;
	if (!is_there)
		return ERR_NONE;
	err = ask(c, &query_list, deadline_ms, &result);
	if (err != ERR_NONE)
		return err;
	err = parse_list(result, list_r, count_r);
	PQclear(result);
	return err;
}

void migrate_checksum(struct str sql, char checksum_r[MIGRATE_CHECKSUM_SIZE])
{
	unsigned char hash[(MIGRATE_CHECKSUM_SIZE - 1) / 2];

	crypto_generichash(hash, sizeof(hash), (const unsigned char *)sql.p, sql.n, NULL, 0);
	sodium_bin2hex(checksum_r, MIGRATE_CHECKSUM_SIZE, hash, sizeof(hash));
}

/* The checksum is of our own making, so it may stand in the text. */
static void put_adoption(struct buf *script, int64_t version, struct str sql)
{
	char checksum[MIGRATE_CHECKSUM_SIZE];

	migrate_checksum(sql, checksum);
	buf_printf(script,
		   "UPDATE bellhop.migration SET checksum = '%s' WHERE version = %" PRId64
		   ";\nCOMMIT;\n",
		   checksum, version);
}

static enum err run_script(struct pg_conn *c, struct buf *script, int64_t deadline_ms)
{
	const char *text = buf_cstr(script);
	enum err err = text == NULL ? ERR_MEMORY : pg_conn_script(c, text, deadline_ms);

	buf_deinit(script);
	return err;
}

enum err migrate_apply(struct pg_conn *c, int64_t version, struct str sql, int64_t deadline_ms)
{
	struct buf script;

	if (sql.n > 0 && memchr(sql.p, '\0', sql.n) != NULL)
		return ERR_INVALID;
	buf_init(&script);
	buf_puts(&script, MIGRATE_BEGIN);
	buf_put_str(&script, sql);
	/* The last command of a file may lack its semicolon. */
	buf_puts(&script, "\n;\n");
	put_adoption(&script, version, sql);
	return run_script(c, &script, deadline_ms);
}

enum err migrate_adopt(struct pg_conn *c, int64_t version, struct str sql, int64_t deadline_ms)
{
	struct buf script;

	buf_init(&script);
	buf_puts(&script, MIGRATE_BEGIN);
	put_adoption(&script, version, sql);
	return run_script(c, &script, deadline_ms);
}

enum err migrate_find_place(struct pg_conn *c, int64_t deadline_ms, struct migrate_place *place_r)
{
	PGresult *result;
	struct pg_row r;
	enum err err = ask(c, &query_place, deadline_ms, &result);

	if (err != ERR_NONE)
		return err;
	r = pg_row_of(result, 0);
	copy_text(place_r->role, sizeof(place_r->role), pg_row_str(&r));
	copy_text(place_r->database, sizeof(place_r->database), pg_row_str(&r));
	place_r->system = pg_row_int(&r);
	PQclear(result);
	return r.failed ? ERR_PROTOCOL : ERR_NONE;
}

enum err migrate_grant(struct pg_conn *c, const char *role, struct str sql, int64_t deadline_ms)
{
	struct buf script;

	if (sql.n > 0 && memchr(sql.p, '\0', sql.n) != NULL)
		return ERR_INVALID;
	buf_init(&script);
	buf_puts(&script, MIGRATE_BEGIN "SET LOCAL standard_conforming_strings = on;\n"
					"SET LOCAL bellhop.runtime_role = '");
	for (; *role != '\0'; role++) {
		if (*role == '\'')
			buf_putc(&script, '\'');
		buf_putc(&script, *role);
	}
	buf_puts(&script, "';\n");
	buf_put_str(&script, sql);
	buf_puts(&script, "\n;\nCOMMIT;\n");
	return run_script(c, &script, deadline_ms);
}
