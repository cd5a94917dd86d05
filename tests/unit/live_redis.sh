#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Runs the tests that need Redis against a private server, made for them and removed again.
set -eu

src=${srcdir:-.}
dir=$(mktemp -d "${TMPDIR:-/tmp}/bellhop-redis.XXXXXX")
redis-server --port 0 --unixsocket "$dir/socket" --save '' --appendonly no --dir "$dir" >"$dir/log" &
server=$!

stop() {
	kill "$server" 2>/dev/null || :
	wait "$server" 2>/dev/null || :
	rm -rf "$dir"
}
trap stop EXIT
trap 'exit 1' HUP INT TERM

until [ "$(redis-cli -s "$dir/socket" ping 2>/dev/null)" = PONG ]; do
	kill -0 "$server" || { cat "$dir/log"; exit 1; }
done
redis-cli -s "$dir/socket" -x FUNCTION LOAD <"$src/sql/redis/bellhop_rate_1.lua"

LIVE_REDIS_URL="unix://$dir/socket" tests/unit/live_rate
