/* SPDX-License-Identifier: BSD-2-Clause */
/* bellhop check: how PostgreSQL is reached, and what the daemons' role may do beyond what it needs. */
#include "config.h"

#include <string.h>

#include "base/clock.h"
#include "cli/checks.h"
#include "store/pg_conn.h"

enum { TIMEOUT_MS = 5000 };

static const struct pg_query about_role = {
	.name = "check_role",
	.sql = "SELECT current_user::text, r.rolsuper,"
	       "  r.rolcreaterole OR r.rolcreatedb OR r.rolreplication OR r.rolbypassrls,"
	       "  coalesce(pg_has_role(n.nspowner, 'USAGE'), false),"
	       "  coalesce(has_table_privilege(to_regclass('bellhop.event'), 'DELETE, TRUNCATE'), false),"
	       "  coalesce((SELECT s.ssl FROM pg_stat_ssl s WHERE s.pid = pg_backend_pid()), false),"
	       "  coalesce(inet_server_addr() <<= '127.0.0.0/8' OR inet_server_addr() = '::1', true),"
	       "  inet_server_addr() IS NULL,"
	       "  current_setting('full_page_writes')::bool"
	       "  FROM pg_roles r LEFT JOIN pg_namespace n ON n.nspname = 'bellhop'"
	       " WHERE r.rolname = current_user",
};

static void check_rights(struct checks *checks, struct pg_row *row)
{
	struct str role = pg_row_str(row);
	bool is_super = pg_row_bool(row);
	bool is_mighty = pg_row_bool(row);
	bool is_owner = pg_row_bool(row);
	bool may_delete = pg_row_bool(row);

	if (is_super)
		checks_add(checks, CHECK_WARNING, "postgresql role",
			   "%.*s is a superuser: use the roles of roles.sql", STR_ARG(role));
	else if (is_mighty)
		checks_add(checks, CHECK_WARNING, "postgresql role",
			   "%.*s may do more than it needs in the whole server: use the roles of "
			   "roles.sql",
			   STR_ARG(role));
	else if (is_owner)
		checks_add(
			checks, CHECK_WARNING, "postgresql role",
			"%.*s owns the schema, which the daemons need not: roles.sql tells how to "
			"part the two",
			STR_ARG(role));
	else if (may_delete)
		checks_add(checks, CHECK_WARNING, "postgresql role",
			   "%.*s may delete events: run bellhop migrate as the owner "
			   "(DATABASE_OWNER_URL)",
			   STR_ARG(role));
	else
		checks_add(checks, CHECK_OK, "postgresql role", "%.*s may do what it needs",
			   STR_ARG(role));
}

static void check_transport(struct checks *checks, const struct pg_conn *pg, struct pg_row *row)
{
	bool is_tls = pg_row_bool(row);
	bool is_loopback = pg_row_bool(row);
	bool is_socket = pg_row_bool(row);

	if (!is_socket && !pg_conn_is_password_used(pg) && !is_tls)
		checks_add(checks, CHECK_WARNING, "postgresql password",
			   "none is asked for: let pg_hba.conf say scram-sha-256 and not trust");
	if (is_loopback)
		checks_add(checks, CHECK_OK, "postgresql transport", "this machine alone");
	else if (!is_tls)
		checks_add(
			checks, CHECK_WARNING, "postgresql transport",
			"messages can be read on the way: add sslmode=verify-full and sslrootcert "
			"to DATABASE_URL");
	else if (!pg_conn_is_server_verified(pg))
		checks_add(
			checks, CHECK_WARNING, "postgresql transport",
			"TLS, but with whoever answers: add sslmode=verify-full and sslrootcert to "
			"DATABASE_URL");
	else
		checks_add(checks, CHECK_OK, "postgresql transport", "TLS, verified");
}

void check_role(struct checks *checks, struct pg_conn *pg)
{
	struct pg_stmt stmt;
	struct pg_row row;
	PGresult *result = NULL;

	pg_stmt_init(&stmt, &about_role);
	if (pg_conn_exec(pg, &stmt, clock_mono_ms() + TIMEOUT_MS, &result) != ERR_NONE) {
		checks_add(checks, CHECK_ERROR, "postgresql role", "%s", pg_conn_error(pg));
	} else {
		row = pg_row_of(result, 0);
		check_rights(checks, &row);
		check_transport(checks, pg, &row);
		if (!pg_row_bool(&row))
			checks_add(
				checks, CHECK_WARNING, "postgresql durability",
				"full_page_writes is off: a crash of the machine may leave pages "
				"torn");
		if (row.failed)
			checks_add(checks, CHECK_ERROR, "postgresql role",
				   "the answer makes no sense");
	}
	PQclear(result);
	pg_stmt_deinit(&stmt);
}
