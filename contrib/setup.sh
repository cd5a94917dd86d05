#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Packages and building, shared by contrib/demo and contrib/check. Sourced:
#
#   setup_packages SET…        installs what is missing of the named sets: build run lighttpd apache test
#   setup_build [ARGUMENT…]    builds into $BUILD_DIR; the arguments are configure's
#
# Both return non-zero after saying on stderr what failed, and do nothing, quickly and without a
# network, when there is nothing to do. SOURCE_DIR is this tree; BUILD_DIR defaults to
# $SOURCE_DIR/build, JOBS to the number of processors.
# Run as root, `contrib/setup.sh install PACKAGE…` is the part that needs to be root.

SOURCE_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
BUILD_DIR=${BUILD_DIR:-$SOURCE_DIR/build}

# An entry is a package, or package=command where the command counts, whoever installed it.
setup_set() {
	case $1 in
	build)
		echo gcc=cc libc6-dev make=make autoconf=autoconf automake=automake pkgconf=pkg-config \
			libhiredis-dev libpq-dev libyajl-dev libsodium-dev libevent-dev \
			uthash-dev libcurl4-openssl-dev libssl-dev
		;;
	run)
		echo redis-server=redis-server redis-tools=redis-cli postgresql \
			nginx=/usr/sbin/nginx openssl=openssl curl=curl ca-certificates
		;;
	lighttpd)
		echo lighttpd lighttpd-mod-openssl lighttpd-modules-lua
		;;
	apache)
		# The program alone; the package apache2 would add a site and a service.
		echo apache2-bin=/usr/sbin/apache2
		;;
	test)
		setup_set build
		setup_set run
		setup_set lighttpd
		setup_set apache
		echo clang clang-format libclang-rt-14-dev libcmocka-dev mandoc shellcheck xz-utils \
			spawn-fcgi php-cli php-fpm libcrypt-jwt-perl libio-socket-ssl-perl libnss-wrapper \
			python3 python3-pytest python3-pytest-timeout python3-pytest-xdist \
			python3-requests python3-httpx python3-h2 python3-redis python3-psycopg2 \
			python3-jwt python3-cryptography python3-hypothesis python3-jsonschema \
			python3-yaml python3-seccomp procps stunnel4 systemd=systemd-analyze nodejs=node npm=npm chromium git=git
		;;
	*)
		echo "setup: no package set is called '$1'" >&2
		return 1
		;;
	esac
}

# Prints the packages of an entry list that are not there.
setup_missing() {
	local entry missing=()
	for entry; do
		if [[ $entry == *=* ]]; then
			command -v "${entry#*=}" >/dev/null || missing+=("${entry%%=*}")
		elif [[ $(dpkg-query -W -f '${db:Status-Status}' "$entry" 2>/dev/null) != installed ]]; then
			missing+=("$entry")
		fi
	done
	echo "${missing[@]}"
}

setup_packages() {
	local entries missing
	entries=$(for set; do setup_set "$set" || exit 1; done) || return 1
	# shellcheck disable=SC2086 # lists of words
	missing=$(setup_missing $entries)
	[[ $missing ]] || return 0
	if ! command -v apt-get >/dev/null; then
		echo "setup: this is not a Debian system; please install what provides: $missing" >&2
		return 1
	fi
	echo "installing: $missing"
	# shellcheck disable=SC2086
	if [[ $(id -u) == 0 ]]; then
		bash "$SOURCE_DIR/contrib/setup.sh" install $missing
	elif command -v sudo >/dev/null; then
		sudo bash "$SOURCE_DIR/contrib/setup.sh" install $missing
	else
		echo "setup: not root and no sudo; please install as root: $missing" >&2
		return 1
	fi
}

# While packages are unpacked, nothing may be started: Debian asks this file before it starts a
# service. One that was there is put back, also after a run that was cut off.
SETUP_POLICY=/usr/sbin/policy-rc.d
SETUP_POLICY_SAVED=/usr/sbin/policy-rc.d.before-bellhop
SETUP_POLICY_MARK='# bellhop: no service is started while its packages are installed'

setup_policy_off() {
	if [[ -e $SETUP_POLICY_SAVED || -L $SETUP_POLICY_SAVED ]]; then
		mv -f "$SETUP_POLICY_SAVED" "$SETUP_POLICY"
	elif grep -qsF "$SETUP_POLICY_MARK" "$SETUP_POLICY"; then
		rm -f "$SETUP_POLICY"
	fi
}

setup_policy_on() {
	setup_policy_off
	if [[ -e $SETUP_POLICY || -L $SETUP_POLICY ]]; then
		mv "$SETUP_POLICY" "$SETUP_POLICY_SAVED"
	fi
	printf '%s\n' '#!/bin/sh' "$SETUP_POLICY_MARK" 'exit 101' >"$SETUP_POLICY"
	chmod 755 "$SETUP_POLICY"
}

# The units that our packages bring and that the next boot would start.
setup_enabled_units() {
	local unit
	command -v systemctl >/dev/null || return 0
	for unit in redis-server nginx lighttpd postgresql \
		$(basename -as .service /lib/systemd/system/php*-fpm.service); do
		if systemctl is-enabled --quiet "$unit" 2>/dev/null; then
			echo "$unit"
		fi
	done
}

# apt-get waits for the lock of dpkg, but not for the one of the package lists.
setup_apt_update() {
	local tries
	for ((tries = 0; tries < 60; tries++)); do
		if LC_ALL=C apt-get update -qq 2>"$1"; then
			return 0
		fi
		grep -q 'Could not get lock' "$1" || break
		sleep 2
	done
	cat "$1" >&2
	return 1
}

setup_install() {
	local before unit messages
	exec 9>/run/lock/bellhop-setup.lock && flock 9 || return 1
	messages=$(mktemp)
	trap 'setup_policy_off; rm -f "$messages"' EXIT
	trap 'exit 130' INT TERM HUP
	before=$(setup_enabled_units)
	setup_policy_on
	# Lists that are a little old often still do, so a mirror that is away is no reason to stop.
	setup_apt_update "$messages" || echo 'setup: could not update the package lists' >&2
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
		-o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" 9>&- || return 1
	for unit in $(setup_enabled_units); do
		grep -qxF "$unit" <<<"$before" || systemctl disable --quiet "$unit" 2>/dev/null
	done
	return 0
}

# What decides whether a build directory must be configured again.
setup_fingerprint() {
	printf '%s\n' "$SOURCE_DIR" "CC=${CC-}" "CFLAGS=${CFLAGS-}" "LDFLAGS=${LDFLAGS-}" "$@"
}

setup_configure() {
	local wanted
	if [[ ! -x $SOURCE_DIR/configure ]]; then
		echo 'preparing: autoreconf -i'
		(cd "$SOURCE_DIR" && mkdir -p m4 && autoreconf -i) || return 1
	fi
	wanted=$(setup_fingerprint "$@")
	if [[ -f $BUILD_DIR/Makefile && $(cat "$BUILD_DIR/.configured-as" 2>/dev/null) == "$wanted" ]]; then
		return 0
	fi
	echo "configuring in $BUILD_DIR"
	(cd "$BUILD_DIR" && "$SOURCE_DIR/configure" --quiet "$@") || return 1
	printf '%s\n' "$wanted" >"$BUILD_DIR/.configured-as"
}

# Several builds may be asked for at once: the source directory is the lock while configure is made and
# run, the build directory while it is built.
setup_build() {
	mkdir -p "$BUILD_DIR" || return 1
	BUILD_DIR=$(cd "$BUILD_DIR" && pwd -P)
	(
		exec 8<"$SOURCE_DIR" && flock 8 && setup_configure "$@" || exit 1
		exec 8<"$BUILD_DIR" && flock 8 || exit 1
		make -s -C "$BUILD_DIR" -j "${JOBS:-$(nproc)}" all
	)
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
	if [[ ${1-} != install || $# -lt 2 || $(id -u) != 0 ]]; then
		echo 'usage: contrib/setup.sh install PACKAGE… (as root)' >&2
		exit 2
	fi
	shift
	setup_install "$@"
fi
