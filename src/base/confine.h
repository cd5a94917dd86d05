/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a process gives up for good: core dumps, which would hold keys, and being root.
 */
#ifndef BELLHOP_BASE_CONFINE_H
#define BELLHOP_BASE_CONFINE_H

#include <sys/types.h>

#include "base/buf.h"

/*
 * No core dump of this process and its children from now on, whatever core_pattern says: RLIMIT_CORE is 0,
 * and they are not dumpable (PR_SET_DUMPABLE), since a pattern that is a pipe does not heed the limit. As a
 * consequence only root may trace them, or look into their /proc/PID. Also PR_SET_NO_NEW_PRIVS: no program
 * that they might start gains anything by it. 0, or -1 with errno.
 */
int confine_dumps(void);

struct confine_user {
	char name[64];
	uid_t uid;
	gid_t gid;
};

/*
 * A user by name or number, who must be in the user database and not root. 0, or -1 with a line of reason
 * appended to *error.
 */
int confine_find(const char *user, struct confine_user *user_r, struct buf *error);

/*
 * Becomes that user, with his groups, for ever: without any capability, which is verified. Not dumpable
 * afterwards, as above. Nothing is to be done if the process is that user already; anybody else must be
 * root. 0, or -1 with a line of reason appended to *error, and then the process must end, since it may
 * have changed in part.
 */
int confine_become(const struct confine_user *user, struct buf *error);

#endif
