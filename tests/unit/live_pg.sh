#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Runs the tests that need PostgreSQL against a private server, made for them and removed again.
set -eu

src=${srcdir:-.}
here=tests/unit
bin=$(ls -d /usr/lib/postgresql/*/bin /usr/pgsql-*/bin 2>/dev/null | sort -V | tail -n 1)
bin=${bin:-$(pg_config --bindir)}
dir=$(mktemp -d "${TMPDIR:-/tmp}/bellhop-pg.XXXXXX")

# initdb and the server refuse to be root.
as_server() {
	if [ "$(id -u)" -eq 0 ]; then
		runuser -u postgres -- "$@"
	else
		"$@"
	fi
}

stop() {
	as_server "$bin/pg_ctl" -D "$dir/data" -m immediate -w stop >/dev/null 2>&1 || :
	rm -rf "$dir"
}
trap stop EXIT
trap 'exit 1' HUP INT TERM

if [ "$(id -u)" -eq 0 ]; then
	chown postgres "$dir"
fi
chmod 755 "$dir"
as_server "$bin/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C -N >/dev/null
as_server "$bin/pg_ctl" -D "$dir/data" -l "$dir/log" -w start -o "-c listen_addresses='' \
	-c unix_socket_directories=$dir -c unix_socket_permissions=0777 -c port=5432 \
	-c max_connections=120 -c fsync=off" >/dev/null

export LIVE_PG_DIR="$dir" PGOPTIONS="--client-min-messages=warning"
psql="psql -X -q -h $dir -p 5432 -v ON_ERROR_STOP=1"
$psql -U postgres -d postgres -f "$src/sql/roles.sql"
$psql -U postgres -d postgres -c 'CREATE DATABASE bellhop OWNER bellhop'
for migration in "$src"/sql/[0-9]*.sql; do
	$psql -U bellhop -d bellhop -1 -f "$migration"
done
unset PGOPTIONS

status=0
for program in live_record live_record_edit live_record_read live_pg_conn live_pg_async live_migrate; do
	"$here/$program" || status=1
done
exit $status
