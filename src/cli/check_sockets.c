/* SPDX-License-Identifier: BSD-2-Clause */
/* bellhop check: the sockets between the web server and the daemons. */
#include "config.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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

	if (mode & S_IWOTH)
		checks_add(checks, CHECK_WARNING, what,
			   "mode %04o: everybody on this machine may connect", mode);
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
		check_answer(checks, conf, what, path);
	}
}

void check_sockets(struct checks *checks, const struct conf *conf)
{
	check_socket(checks, conf, "api socket", conf_str(conf, CONF_API_SOCKET));
	check_socket(checks, conf, "push socket", conf_str(conf, CONF_PUSH_SOCKET));
}
