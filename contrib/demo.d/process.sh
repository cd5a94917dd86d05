# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# Part of contrib/demo: telling the user, waiting, ports, and processes by their pid files.
# DIR is the demo's directory; STARTED lists what this call started.

STARTED=()

step() {
	printf '==> %s\n' "$1"
}

fail() {
	printf 'demo: %s\n' "$1" >&2
	exit 1
}

# wait_until SECONDS COMMAND…: whether the command succeeded before the time was up.
wait_until() {
	local end=$((${EPOCHREALTIME/[.,]/} + $1 * 1000000))
	shift
	until "$@"; do
		((${EPOCHREALTIME/[.,]/} < end)) || return 1
		sleep 0.05
	done
}

# Whether nobody listens on the port, on any address; read from the kernel, so that no connection
# is made.
port_is_free() {
	local hex
	printf -v hex ':%04X' "$1"
	! awk -v port="$hex" '$4 == "0A" && substr($2, length($2) - 4) == port { found = 1 }
		END { exit !found }' /proc/net/tcp /proc/net/tcp6 2>/dev/null
}

# free_port [PORT…]: prints a port that is free and none of these. Below the range from which the
# kernel picks ports for outgoing connections.
free_port() {
	local tries candidate
	for ((tries = 0; tries < 200; tries++)); do
		candidate=$((20000 + SRANDOM % 12000))
		[[ " $* " == *" $candidate "* ]] && continue
		if port_is_free "$candidate"; then
			echo "$candidate"
			return 0
		fi
	done
	return 1
}

# Thousands of streams need descriptors, twice as many in the web server.
raise_limits() {
	local hard
	hard=$(ulimit -Hn)
	if [[ $hard == unlimited ]] || ((hard > 65536)); then
		hard=65536
	fi
	ulimit -Sn "$hard"
}

# become USER COMMAND…: sets AS_USER, the words that run a command as that user; none where we are not
# root, for whom some programs refuse to run. COMMAND tells whether the user can do what it has to:
# where directories above DIR are closed to it (/root, a test's private directory), it gets the right
# to walk through them, else to whatever root may open, and no other.
become() {
	local user=$1 right base
	shift
	AS_USER=()
	[[ $(id -u) == 0 ]] || return 0
	id -u "$user" >/dev/null 2>&1 || fail "there is no user $user; is its package installed?"
	base=(setpriv "--reuid=$user" "--regid=$(id -g "$user")" --init-groups)
	AS_USER=("${base[@]}")
	"${AS_USER[@]}" "$@" >/dev/null 2>&1 && return 0
	for right in dac_read_search dac_override; do
		AS_USER=("${base[@]}" "--inh-caps=+$right" "--ambient-caps=+$right")
		"${AS_USER[@]}" "$@" >/dev/null 2>&1 && return 0
	done
	fail "the user $user cannot reach $DIR; choose a --dir below a directory that is open to all, such as /var/tmp"
}

# Prints the process id of a daemon of this demo, if it lives. A number that now belongs to
# another program does not have our directory on its command line.
running_pid() {
	local pid command
	read -r pid 2>/dev/null <"$DIR/run/$1.pid" || [[ ${pid-} ]] || return 1
	[[ $pid =~ ^[0-9]+$ ]] || return 1
	command=$(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline") || return 1
	[[ $command == *"$DIR/"* ]] || return 1
	echo "$pid"
}

# nginx writes its pid file and its command line anew while it starts, so one look at a bad moment
# says nothing.
is_running() {
	running_pid "$1" >/dev/null && return 0
	[[ -e $DIR/run/$1.pid ]] || return 1
	sleep 0.1
	running_pid "$1" >/dev/null
}

# start_process NAME COMMAND…: in a session of its own, so that Ctrl-C reaches this script alone,
# with default signal handling, its output in DIR/log. The pid is the command's own.
start_process() {
	local name=$1
	shift
	setsid env --default-signal=INT,QUIT,HUP,TERM,PIPE "$@" \
		>>"$DIR/log/$name.log" 2>&1 </dev/null 7<&- &
	echo $! >"$DIR/run/$name.pid"
	STARTED+=("$name")
	wait_until 5 has_begun "$name" $!
	disown
}

# From here on the process has the command's own command line, or is gone already.
has_begun() {
	is_running "$1" || ! kill -0 "$2" 2>/dev/null
}

# Stops the named ones together: asked first, killed after ten seconds.
stop_processes() {
	local name pid signal end pids=()
	for name; do
		if pid=$(running_pid "$name"); then
			# PostgreSQL's fast shutdown; its TERM would wait for clients.
			[[ $name == postgres ]] && signal=INT || signal=TERM
			kill -s "$signal" "$pid" 2>/dev/null
			pids+=("$pid")
		fi
	done
	if ! wait_until 10 have_ended "${pids[@]}"; then
		kill -s KILL "${pids[@]}" 2>/dev/null
		wait_until 5 have_ended "${pids[@]}"
	fi
	for name; do
		rm -f "$DIR/run/$name.pid"
	done
}

# A process that has ended, or is only waiting for its parent to notice, has no command line.
have_ended() {
	local pid
	for pid; do
		[[ -n $(tr -d '\0' 2>/dev/null <"/proc/$pid/cmdline") ]] && return 1
	done
	return 0
}

stop_processes_of_this_call() {
	local name first=() last=()
	for name in "${STARTED[@]}"; do
		case $name in
		redis | postgres) last+=("$name") ;;
		*) first+=("$name") ;;
		esac
	done
	stop_processes "${first[@]}"
	stop_processes "${last[@]}"
}

# Stays until a signal comes, and tells when something has ended meanwhile.
watch_processes() {
	local name missing=' '
	while :; do
		sleep 1 &
		wait $!
		for name in "${STARTED[@]}"; do
			if is_running "$name"; then
				missing=${missing/" $name "/ }
			elif [[ $missing != *" $name "* ]]; then
				missing+="$name "
				echo "$name has ended; see $DIR/log/$name.log. To start it again: contrib/demo --detach --dir $DIR"
			fi
		done
	done
}
