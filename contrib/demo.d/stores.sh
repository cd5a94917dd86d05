# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# Part of contrib/demo: the private Redis and PostgreSQL, and the secrets.

# make_secret FILE: 64 printable characters, once.
make_secret() {
	local text
	[[ -s $DIR/secret/$1 ]] && return 0
	text=$(openssl rand -hex 32) || fail 'openssl could not make a random number'
	printf '%s\n' "$text" >"$DIR/secret/$1"
}

make_secrets() {
	chmod 700 "$DIR/secret"
	local name
	for name in redis{,-admin,-backup}.password postgres{,-owner}.password admin.password jwt.key digest.key; do
		make_secret "$name"
	done
	# shellcheck disable=SC2034 # these are read in bellhop.sh
	REDIS_URL=$(redis_url bellhop) REDIS_ADMIN_URL=$(redis_url bellhop-admin)
	# shellcheck disable=SC2034
	DATABASE_URL=$(database_url bellhop postgres) DATABASE_OWNER_URL=$(database_url bellhop_owner postgres-owner)
}

# database_url ROLE SECRET
database_url() {
	echo "postgresql://$1:$(<"$DIR/secret/$2.password")@127.0.0.1:$POSTGRES_PORT/bellhop"
}

# Prints the file with the password of a user of contrib/redis.
redis_secret() {
	echo "$DIR/secret/redis${1#bellhop}.password"
}

redis_url() {
	echo "redis://$1:$(<"$(redis_secret "$1")")@127.0.0.1:$REDIS_PORT/0"
}

# The users of contrib/redis with passwords of their own, and one who may do everything, for whoever
# looks after this demo: as in PostgreSQL it is `admin`.
redis_write_users() {
	local user rules prefix=${BELLHOP_REDIS_PREFIX:-bellhop:}
	{
		# Nobody is this user, but Redis reads its AOF as it: see contrib/redis/README.
		echo 'user default off ~* &* +@all'
		echo "user admin on >$(<"$DIR/secret/admin.password") ~* &* +@all"
		while read -r _ user rules; do
			rules=${rules/CHANGE_ME/$(<"$(redis_secret "$user")")}
			echo "user $user ${rules//bellhop:/"$prefix"}"
		done <"$SOURCE_DIR/contrib/redis/users.acl"
	} >"$DIR/redis/users.acl"
}

redis_start() {
	is_running redis && return 0
	redis_write_users
	cat >"$DIR/redis/redis.conf" <<-END
		include $SOURCE_DIR/contrib/redis/redis.conf
		bind 127.0.0.1
		port $REDIS_PORT
		aclfile $DIR/redis/users.acl
		dir $DIR/redis
		daemonize no
		pidfile $DIR/run/redis.pid
		logfile $DIR/log/redis.log
		# The command line stays as it was, so that one can start it again by it.
		set-proc-title no
	END
	start_process redis "$(command -v redis-server)" "$DIR/redis/redis.conf"
}

redis_answers() {
	is_running redis || return 1
	[[ $(REDISCLI_AUTH=$(<"$DIR/secret/admin.password") redis-cli --user admin -h 127.0.0.1 -p "$REDIS_PORT" ping 2>/dev/null) == PONG ]]
}

redis_wait() {
	wait_until 15 redis_answers || fail "Redis did not start; see $DIR/log/redis.log"
}

# Prints PostgreSQL's directory of programs, the newest there is.
postgres_bindir() {
	local found
	found=$(printf '%s\n' /usr/lib/postgresql/*/bin/initdb | sort -V | tail -n 1)
	if [[ -x $found ]]; then
		dirname "$found"
	elif command -v initdb >/dev/null; then
		dirname "$(command -v initdb)"
	else
		return 1
	fi
}

postgres_prepare() {
	local bindir password status=0
	[[ -s $DIR/postgres/PG_VERSION && -e $DIR/postgres/bellhop.conf ]] && return 0
	bindir=$(postgres_bindir) || fail 'PostgreSQL is not installed'
	rm -rf "$DIR/postgres"
	mkdir -m 700 "$DIR/postgres"
	password=$(mktemp "$DIR/password-XXXXXX") && cat "$DIR/secret/admin.password" >"$password" || return 1
	[[ $(id -u) == 0 ]] && chown postgres: "$DIR/postgres" "$password"
	become postgres ls "$DIR/postgres"
	"${AS_USER[@]}" "$bindir/initdb" -D "$DIR/postgres" -U admin --pwfile="$password" --no-sync \
		--auth-local=reject --auth-host=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 \
		</dev/null >>"$DIR/log/postgres.log" 2>&1 7<&- || status=1
	rm -f "$password"
	((status == 0)) || return 1
	echo "include 'bellhop.conf'" >>"$DIR/postgres/postgresql.conf"
	: >"$DIR/postgres/bellhop.conf"
	[[ $(id -u) == 0 ]] && chown postgres: "$DIR/postgres/bellhop.conf"
	return 0
}

postgres_start() {
	local bindir
	is_running postgres && return 0
	bindir=$(postgres_bindir) || fail 'PostgreSQL is not installed'
	become postgres ls "$DIR/postgres"
	cat >"$DIR/postgres/bellhop.conf" <<-END
		listen_addresses = '127.0.0.1'
		port = $POSTGRES_PORT
		unix_socket_directories = ''
		max_connections = 200
		# Message texts are no matter for a log.
		log_min_error_statement = panic
		log_parameter_max_length_on_error = 0
	END
	start_process postgres "${AS_USER[@]}" "$bindir/postgres" -D "$DIR/postgres"
}

# Runs psql as the database's administrator; the password is not for the command line.
postgres_admin() {
	PGPASSWORD=$(<"$DIR/secret/admin.password") psql -X -q -v ON_ERROR_STOP=1 \
		-h 127.0.0.1 -p "$POSTGRES_PORT" -U admin "$@"
}

postgres_answers() {
	is_running postgres && postgres_admin -d postgres -c '' >/dev/null 2>&1
}

# One role owns the database and is nothing beyond it; what the daemons' role may do, bellhop migrate says.
postgres_wait() {
	local owner
	wait_until 30 postgres_answers || fail "PostgreSQL did not start; see $DIR/log/postgres.log"
	owner=$(postgres_admin -d postgres -At -c "SELECT datdba::regrole FROM pg_database WHERE datname = 'bellhop'")
	[[ $owner == bellhop_owner ]] && return 0
	if ! {
		cat "$SOURCE_DIR/sql/roles.sql"
		echo "ALTER ROLE bellhop PASSWORD '$(<"$DIR/secret/postgres.password")';"
		echo "ALTER ROLE bellhop_owner PASSWORD '$(<"$DIR/secret/postgres-owner.password")';"
		if [[ -z $owner ]]; then
			echo 'CREATE DATABASE bellhop OWNER bellhop_owner;'
		else # from when there was one role
			printf '%s\n' '\connect bellhop' "REASSIGN OWNED BY $owner TO bellhop_owner;"
		fi
	} | postgres_admin -d postgres >>"$DIR/log/postgres.log" 2>&1; then
		fail "could not create the database; see $DIR/log/postgres.log"
	fi
}
