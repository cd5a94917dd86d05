/* SPDX-License-Identifier: BSD-2-Clause */
/* Core dumps and privileges, given up. */
#include "config.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/confine.h"

int confine_dumps(void)
{
	const struct rlimit none = {0, 0};

	if (setrlimit(RLIMIT_CORE, &none) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -1;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

int confine_find(const char *user, struct confine_user *user_r, struct buf *error)
{
	struct passwd *entry = getpwnam(user);
	int64_t uid;

	if (entry == NULL && str_to_i64(str_of(user), 0, UINT32_MAX - 1, &uid) == 0)
		entry = getpwuid((uid_t)uid);
	if (entry == NULL) {
		buf_printf(error, "could not run as %s (BELLHOP_RUN_AS): there is no such user\n",
			   user);
		return -1;
	}
	if (entry->pw_uid == 0 || strlen(entry->pw_name) >= sizeof(user_r->name)) {
		buf_printf(
			error,
			"could not run as %s (BELLHOP_RUN_AS): that is root, or no name for a user\n",
			user);
		return -1;
	}
	*user_r = (struct confine_user){.uid = entry->pw_uid, .gid = entry->pw_gid};
	memcpy(user_r->name, entry->pw_name, strlen(entry->pw_name));
	return 0;
}

/* Neither held nor to be had back: a set that is not permitted is not effective either. */
static bool has_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {0};

	/* Becoming another user empties all sets but the inheritable one. */
	if (syscall(SYS_capset, &header, sets) < 0 || syscall(SYS_capget, &header, sets) < 0)
		return true;
	for (size_t i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		if (sets[i].permitted != 0 || sets[i].inheritable != 0)
			return true;
	}
	return false;
}

static bool is_user(const struct confine_user *user)
{
	uid_t real, effective, saved;

	return getresuid(&real, &effective, &saved) == 0 && real == user->uid &&
	       effective == user->uid && saved == user->uid;
}

static bool has_group(const struct confine_user *user)
{
	gid_t real, effective, saved;

	return getresgid(&real, &effective, &saved) == 0 && real == user->gid &&
	       effective == user->gid && saved == user->gid;
}

int confine_become(const struct confine_user *user, struct buf *error)
{
	if (is_user(user))
		return 0;
	if (geteuid() != 0) {
		buf_printf(error, "could not become the user %s: only root can\n", user->name);
		return -1;
	}
	if (initgroups(user->name, user->gid) < 0 ||
	    setresgid(user->gid, user->gid, user->gid) < 0 ||
	    setresuid(user->uid, user->uid, user->uid) < 0 || confine_dumps() < 0) {
		buf_printf(error, "could not become the user %s: %s\n", user->name,
			   strerror(errno));
		return -1;
	}
	if (!is_user(user) || !has_group(user) || has_capabilities() || setuid(0) == 0 ||
	    setgid(0) == 0) {
		buf_printf(error, "could not become the user %s: privileges are left\n",
			   user->name);
		return -1;
	}
	return 0;
}
