/* SPDX-License-Identifier: BSD-2-Clause */
/* The users of the process. */
#include "config.h"

#include "push/users.h"

#include <stdlib.h>

#include "base/hash.h"

TAILQ_HEAD(member_list, user_member);

struct user {
	UT_hash_handle hh;
	char *id;
	struct member_list members;
	size_t n_streams, n_inboxes;
};

struct users {
	struct user *by_id;
};

struct users *users_new(void)
{
	return calloc(1, sizeof(struct users));
}

static void user_free(struct users *users, struct user *user)
{
	HASH_DEL(users->by_id, user);
	free(user->id);
	free(user);
}

void users_free(struct users *users)
{
	struct user *user, *next;

	if (users == NULL)
		return;
	HASH_ITER(hh, users->by_id, user, next)
		user_free(users, user);
	free(users);
}

static struct user *user_new(struct users *users, struct str id)
{
	struct user *user = calloc(1, sizeof(*user));

	if (user == NULL)
		return NULL;
	user->id = str_dup(id);
	if (user->id == NULL) {
		free(user);
		return NULL;
	}
	TAILQ_INIT(&user->members);
	HASH_ADD_KEYPTR(hh, users->by_id, user->id, id.n, user);
	if (!hash_has_added(user)) {
		free(user->id);
		free(user);
		return NULL;
	}
	return user;
}

int users_enter(struct users *users, struct str user_id, struct user_member *member)
{
	struct user *user = users_find(users, user_id);

	if (user == NULL)
		user = user_new(users, user_id);
	if (user == NULL)
		return -1;
	member->user = user;
	TAILQ_INSERT_TAIL(&user->members, member, entry);
	user->n_streams += member->is_stream;
	user->n_inboxes += member->has_inbox;
	return 0;
}

void users_leave(struct users *users, struct user_member *member)
{
	struct user *user = member->user;

	if (user == NULL)
		return;
	member->user = NULL;
	TAILQ_REMOVE(&user->members, member, entry);
	user->n_streams -= member->is_stream;
	user->n_inboxes -= member->has_inbox;
	if (TAILQ_EMPTY(&user->members))
		user_free(users, user);
}

struct user *users_find(const struct users *users, struct str user_id)
{
	struct user *user;

	HASH_FIND(hh, users->by_id, user_id.p, user_id.n, user);
	return user;
}

struct str user_id(const struct user *user)
{
	return str_of(user->id);
}

size_t user_streams(const struct user *user)
{
	return user == NULL ? 0 : user->n_streams;
}

size_t user_inboxes(const struct user *user)
{
	return user == NULL ? 0 : user->n_inboxes;
}

struct user_member *user_next(const struct user *user, const struct user_member *member)
{
	return member == NULL ? TAILQ_FIRST(&user->members) : TAILQ_NEXT(member, entry);
}
