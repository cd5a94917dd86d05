# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# Part of contrib/demo: settings, tokens and daemons of bellhop itself, and the proof that it works.

# What this demo decides, whatever the environment says; see --help.
OWN_SETTINGS=(
	REDIS_URL REDIS_URL_FILE REDIS_PASSWORD REDIS_PASSWORD_FILE REDIS_ADMIN_URL
	REDIS_ADMIN_URL_FILE DATABASE_URL DATABASE_URL_FILE DATABASE_OWNER_URL DATABASE_OWNER_URL_FILE
	BELLHOP_RUN_AS BELLHOP_API_SOCKET BELLHOP_PUSH_SOCKET
	BELLHOP_JWT_KEY_FILE BELLHOP_JWT_KID BELLHOP_SECRET_FILE BELLHOP_SQL_DIR BELLHOP_URL
	BELLHOP_PLAIN_URL BELLHOP_CA BELLHOP_TOKEN BELLHOP_TOKEN_FILE BELLHOP_TOKEN_AGENT
	BELLHOP_TOKEN_AGENT_FILE BELLHOP_TOKEN_REQUESTER BELLHOP_TOKEN_REQUESTER_FILE
	BELLHOP_TOKEN_SERVICE BELLHOP_TOKEN_SERVICE_FILE BELLHOP_TOKEN_ADMIN
	BELLHOP_TOKEN_ADMIN_FILE
)

# Leaves in the environment what reaches the daemons.
bellhop_environment() {
	BASE_PATH=${BELLHOP_BASE_PATH:-/chat}
	[[ $BASE_PATH =~ ^(/[A-Za-z0-9._-]+)+$ ]] || fail "BELLHOP_BASE_PATH must look like /chat, not '$BASE_PATH'"
	unset "${OWN_SETTINGS[@]}"
	# What a service manager or a database client was told is not for these daemons.
	unset "${!PG@}"
	unset LISTEN_PID LISTEN_FDS LISTEN_FDNAMES NOTIFY_SOCKET WATCHDOG_USEC WATCHDOG_PID
}

# The kernel allows a socket's path 107 bytes; a DIR deep down gets its sockets elsewhere.
bellhop_socket_directory() {
	SOCKETS=$DIR/run
	((${#SOCKETS} <= 90)) && return 0
	SOCKETS=$(readlink "$DIR/run/sockets")
	if [[ ! -d $SOCKETS || ! -O $SOCKETS ]]; then
		SOCKETS=$(mktemp -d /tmp/bellhop-demo-XXXXXX) || fail 'could not make a directory in /tmp'
		ln -sfn "$SOCKETS" "$DIR/run/sockets"
	fi
}

bellhop_remove_sockets() {
	local elsewhere
	if elsewhere=$(readlink "$DIR/run/sockets") && [[ $elsewhere == /tmp/bellhop-demo-* ]]; then
		rm -rf "$elsewhere" "$DIR/run/sockets"
	fi
}

bellhop_write_settings() {
	cat >"$DIR/bellhop.conf" <<-END
		# Settings of this demo, written by contrib/demo at each start.
		BELLHOP_BASE_PATH=$BASE_PATH
		$([[ $(id -u) == 0 ]] && echo BELLHOP_RUN_AS=root)
		BELLHOP_JWT_KEY_FILE=$DIR/secret/jwt.key
		BELLHOP_JWT_KID=main
		BELLHOP_SECRET_FILE=$DIR/secret/digest.key
		BELLHOP_ALLOWED_ORIGINS="https://localhost:$HTTPS_PORT https://127.0.0.1:$HTTPS_PORT http://localhost:$PLAIN_PORT http://127.0.0.1:$PLAIN_PORT"
		REDIS_URL=$REDIS_URL
		REDIS_ADMIN_URL=$REDIS_ADMIN_URL
		DATABASE_URL=$DATABASE_URL
		DATABASE_OWNER_URL=$DATABASE_OWNER_URL
		BELLHOP_API_SOCKET=$SOCKETS/api.sock
		BELLHOP_PUSH_SOCKET=$SOCKETS/push.sock
		BELLHOP_SOCKET_MODE=0600
		BELLHOP_SQL_DIR=$SOURCE_DIR/sql
		BELLHOP_URL=https://localhost:$HTTPS_PORT$BASE_PATH
		BELLHOP_PLAIN_URL=http://127.0.0.1:$PLAIN_PORT$BASE_PATH
		BELLHOP_CA=$DIR/ca.pem
	END
}

bellhop() {
	"$BUILD_DIR/bellhop" -c "$DIR/bellhop.conf" "$@"
}

# make_token NAME OPTION…: keeps the token in DIR/secret and makes a new one when half its days
# are over; 30 days, one less than the most that is accepted.
make_token() {
	local file=$DIR/secret/token.$1
	shift
	if [[ ! -s $file || -n $(find "$file" -mtime +14) ]]; then
		bellhop token --ttl 30d "$@" >"$file" 2>>"$DIR/log/demo.log" ||
			fail "bellhop token failed; see $DIR/log/demo.log"
	fi
	cat "$file"
}

bellhop_configure() {
	bellhop_socket_directory
	bellhop_write_settings
	TOKEN_AGENT=$(make_token agent --user alice --name Alice --role agent --all-tickets) || exit 1
	TOKEN_REQUESTER=$(make_token requester --user bob --name Bob --role requester --ticket T-1) || exit 1
	TOKEN_SERVICE=$(make_token service --user system --name System --role service) || exit 1
	TOKEN_ADMIN=$(make_token admin --user ada --name Ada --role admin) || exit 1
	cat >"$DIR/env" <<-END
		BELLHOP_URL=https://localhost:$HTTPS_PORT$BASE_PATH
		BELLHOP_PLAIN_URL=http://127.0.0.1:$PLAIN_PORT$BASE_PATH
		BELLHOP_CA=$DIR/ca.pem
		BELLHOP_JWT_KEY_FILE=$DIR/secret/jwt.key
		BELLHOP_JWT_KID=main
		BELLHOP_TOKEN_AGENT=$TOKEN_AGENT
		BELLHOP_TOKEN_REQUESTER=$TOKEN_REQUESTER
		BELLHOP_TOKEN_SERVICE=$TOKEN_SERVICE
		BELLHOP_TOKEN_ADMIN=$TOKEN_ADMIN
		REDIS_URL=$REDIS_URL
		DATABASE_URL=$DATABASE_URL
	END
}

bellhop_migrate() {
	bellhop migrate >>"$DIR/log/demo.log" 2>&1 || {
		tail -n 5 "$DIR/log/demo.log" >&2
		fail 'bellhop migrate failed'
	}
}

# Names of the push processes: push push2 push3 …
bellhop_pushes() {
	local i
	echo push
	# shellcheck disable=SC2154 # an option of contrib/demo
	for ((i = 2; i <= pushes; i++)); do
		echo "push$i"
	done
}

# The archiver first: it loads the functions that the others call. Each push process has a socket of
# its own; the first one has that of the settings.
bellhop_start() {
	local name
	for name in archive api; do
		is_running "$name" || start_process "$name" "$BUILD_DIR/bellhop-$name" -c "$DIR/bellhop.conf"
	done
	for name in $(bellhop_pushes); do
		is_running "$name" || start_process "$name" \
			env BELLHOP_PUSH_SOCKET="$SOCKETS/$name.sock" "$BUILD_DIR/bellhop-push" -c "$DIR/bellhop.conf"
	done
}

# For subshells: one that runs in the background becomes curl itself, and can be killed.
demo_curl() {
	exec curl -sS --cacert "$DIR/ca.pem" --noproxy '*' "$@"
}

# Ready means: both stores answer and the windows are swept.
bellhop_is_ready() {
	local name
	for name in archive api $(bellhop_pushes) nginx; do
		is_running "$name" || return 0
	done
	[[ $(demo_curl -m 5 "https://localhost:$HTTPS_PORT$BASE_PATH/v1/readyz" 2>/dev/null) == *'"mode":"full"'* ]]
}

bellhop_wait() {
	local name answer=yes
	wait_until 15 bellhop_is_ready || answer=no
	for name in archive api $(bellhop_pushes) nginx; do
		if ! is_running "$name"; then
			tail -n 5 "$DIR/log/$name.log" >&2
			fail "$name has ended; see $DIR/log/$name.log"
		fi
	done
	[[ $answer == yes ]] || fail "it does not become ready; see $DIR/log"
}

bellhop_announce() {
	cat <<-END

		Ready. Two people on one ticket, side by side:

		    https://localhost:$HTTPS_PORT/

		The certificate is the demo's own; your browser will ask, or trust $DIR/ca.pem.

		Listen:

		    . $DIR/env
		    curl -N --cacert \$BELLHOP_CA -H "Authorization: Bearer \$BELLHOP_TOKEN_REQUESTER" \$BELLHOP_URL/v1/tickets/T-1/stream

		Send, in another terminal:

		    . $DIR/env
		    curl --cacert \$BELLHOP_CA -H "Authorization: Bearer \$BELLHOP_TOKEN_AGENT" --json '{"content":"Hello"}' \$BELLHOP_URL/v1/tickets/T-1/messages

	END
}

# One message from the agent, over TLS, into a stream that the requester has open.
bellhop_self_test() {
	local url=https://localhost:$HTTPS_PORT$BASE_PATH/v1/tickets/T-1 heard=$DIR/log/self-test.log
	local text="self-test $SRANDOM$SRANDOM" listener seen=no
	: >"$heard"
	demo_curl -N -m 30 -o "$heard" -H @- "$url/stream" <<<"Authorization: Bearer $TOKEN_REQUESTER" 7<&- &
	listener=$!
	if wait_until 10 grep -q '^event: hello' "$heard" &&
		(demo_curl -f -m 10 -o /dev/null -H @- --json "{\"content\":\"$text\"}" "$url/messages") \
			<<<"Authorization: Bearer $TOKEN_AGENT" &&
		wait_until 10 grep -qF "$text" "$heard"; then
		seen=yes
		echo 'the message arrived'
	fi
	kill "$listener" 2>/dev/null
	wait "$listener" 2>/dev/null
	[[ $seen == yes ]]
}
