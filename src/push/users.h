/* SPDX-License-Identifier: BSD-2-Clause */
/* Who listens to this process: its users by their id, each with its subscribers. No I/O. */
#ifndef BELLHOP_PUSH_USERS_H
#define BELLHOP_PUSH_USERS_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

struct user;
struct users;

/* A subscriber as its user knows it; embedded in the subscriber. */
struct user_member {
	TAILQ_ENTRY(user_member) entry;
	struct user *user; /* NULL: of none */
	void *owner;	   /* the subscriber */
	bool is_stream;
	bool has_inbox;
};

/* NULL when out of memory. */
struct users *users_new(void);

/* None may be left. NULL is fine. */
void users_free(struct users *users);

/* Enters the member, whose user, if new, begins with it. -1 when out of memory. */
int users_enter(struct users *users, struct str user_id, struct user_member *member);

/* Takes it out again; the last takes its user along. A member of nobody is fine. */
void users_leave(struct users *users, struct user_member *member);

/* NULL where nobody of that name listens. */
struct user *users_find(const struct users *users, struct str user_id);

struct str user_id(const struct user *user);

/* Of the user's members: the streams; those that listen to the inbox. NULL has none. */
size_t user_streams(const struct user *user);
size_t user_inboxes(const struct user *user);

/* Walks the members: user_next(user, NULL) is the first, NULL the end. */
struct user_member *user_next(const struct user *user, const struct user_member *member);

#endif
