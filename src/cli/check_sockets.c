/* SPDX-License-Identifier: BSD-2-Clause */
/* bellhop check: the sockets between the web server and the daemons. */
#include "config.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/conf.h"
#include "cli/checks.h"
#include "cli/fcgi_client.h"

enum { TIMEOUT_MS = 2000 };

/* The number of a group given by name or number; -1 where there is none. */
static int64_t group_number(const char *group)
{
	struct group *entry = getgrnam(group);
	int64_t number;

	if (entry != NULL)
		return entry->gr_gid;
	return str_to_i64(str_of(group), 0, UINT32_MAX, &number) == 0 ? number : -1;
}

static void check_rights(struct checks *checks, const struct conf *conf, const char *what,
			 const struct stat *st)
{
	unsigned int wanted_mode = (unsigned int)conf_int(conf, CONF_SOCKET_MODE);
	unsigned int mode = st->st_mode & 07777;
	const char *group = conf_str(conf, CONF_SOCKET_GROUP);

	if ((mode & S_IWOTH) != 0 && conf_str(conf, CONF_SOCKET_PEERS)[0] == '\0')
		checks_add(checks, CHECK_WARNING, what,
			   "mode %04o and no BELLHOP_SOCKET_PEERS: everybody on this machine may "
			   "connect, and say who he is where BELLHOP_TRUST_PARAMS is on",
			   mode);
	else if (mode != wanted_mode)
		checks_add(checks, CHECK_WARNING, what, "mode is %04o, not %04o", mode,
			   wanted_mode);
	if (group[0] == '\0')
		return;
	if (group_number(group) < 0)
		checks_add(checks, CHECK_ERROR, what, "there is no group %s", group);
	else if (group_number(group) != (int64_t)st->st_gid)
		checks_add(checks, CHECK_WARNING, what, "its group is %u, not %s",
			   (unsigned int)st->st_gid, group);
}

/* The user who listens there; -1 if that cannot be told. */
static int64_t listening_user(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct ucred peer;
	socklen_t size = sizeof(peer);
	int64_t uid = -1;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 &&
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0)
		uid = peer.uid;
	if (fd >= 0)
		close(fd);
	return uid;
}

/* One that shall be root says so. */
static void check_user(struct checks *checks, const struct conf *conf, const char *what,
		       const char *path)
{
	if (listening_user(path) == 0 && strcmp(conf_str(conf, CONF_RUN_AS), "root") != 0)
		checks_add(checks, CHECK_WARNING, what,
			   "whoever listens on %s is root: set BELLHOP_RUN_AS, or start it as "
			   "another user",
			   path);
}

static void check_answer(struct checks *checks, const struct conf *conf, const char *what,
			 const char *path)
{
	char uri[128];
	struct buf reason;
	int64_t begun_us = clock_mono_us();
	int status = 0;
	enum err err;

	buf_init(&reason);
	snprintf(uri, sizeof(uri), "%s/v1/healthz", conf_str(conf, CONF_BASE_PATH));
	err = fcgi_client_get(path, uri, TIMEOUT_MS, &status, &reason);
	/* Only the api knows this route; from push, any well-formed answer is a sign of life. */
	if (err == ERR_NONE && status >= 500)
		checks_add(checks, CHECK_ERROR, what, "%s answers %d", path, status);
	else if (err == ERR_NONE)
		checks_add(checks, CHECK_OK, what, "%s answers in %.1f ms", path,
			   (double)(clock_mono_us() - begun_us) / 1000);
	else
		checks_add(checks, CHECK_ERROR, what, "%s: %.*s", path, STR_ARG(buf_str(&reason)));
	buf_deinit(&reason);
}

static void check_socket(struct checks *checks, const struct conf *conf, const char *what,
			 const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0) {
		checks_add(checks, CHECK_ERROR, what, "%s: %s", path, strerror(errno));
	} else if (!S_ISSOCK(st.st_mode)) {
		checks_add(checks, CHECK_ERROR, what, "%s is not a socket", path);
	} else {
		check_rights(checks, conf, what, &st);
		check_user(checks, conf, what, path);
		check_answer(checks, conf, what, path);
	}
}

void check_sockets(struct checks *checks, const struct conf *conf)
{
	check_socket(checks, conf, "api socket", conf_str(conf, CONF_API_SOCKET));
	check_socket(checks, conf, "push socket", conf_str(conf, CONF_PUSH_SOCKET));
}
