/* SPDX-License-Identifier: BSD-2-Clause */
/* Which identifiers are well-formed. */
#include "config.h"

#include "web/ids.h"

#include <string.h>

#include "base/utf8.h"

#define LETTERS_AND_DIGITS           \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZ" \
	"abcdefghijklmnopqrstuvwxyz" \
	"0123456789"

/* 1 to max characters, all of them in the set. */
static bool consists_of(struct str s, const char *set, size_t max)
{
	size_t i;

	if (s.n == 0 || s.n > max)
		return false;
	for (i = 0; i < s.n; i++) {
		if (s.p[i] == '\0' || strchr(set, s.p[i]) == NULL)
			return false;
	}
	return true;
}

/* 1 to max characters of printable ASCII. */
static bool is_printable(struct str s, size_t max)
{
	size_t i;

	if (s.n == 0 || s.n > max)
		return false;
	for (i = 0; i < s.n; i++) {
		if (s.p[i] < 0x20 || s.p[i] > 0x7e)
			return false;
	}
	return true;
}

bool ids_is_ticket(struct str s)
{
	return consists_of(s, LETTERS_AND_DIGITS "._-", IDS_TICKET_MAX) && s.p[0] != '.';
}

bool ids_is_user(struct str s)
{
	return consists_of(s, LETTERS_AND_DIGITS "._@-", IDS_USER_MAX);
}

bool ids_is_client_msg(struct str s)
{
	return is_printable(s, IDS_CLIENT_MSG_MAX);
}

bool ids_is_request(struct str s)
{
	return consists_of(s, LETTERS_AND_DIGITS "._-", IDS_REQUEST_MAX);
}

bool ids_is_name(struct str s)
{
	size_t i;

	if (s.n == 0 || s.n > IDS_NAME_MAX || !utf8_is_text(s))
		return false;
	/* A text may have these three, a name stands on one line. */
	for (i = 0; i < s.n; i++) {
		if (s.p[i] == '\t' || s.p[i] == '\n' || s.p[i] == '\r')
			return false;
	}
	return true;
}

bool ids_is_jti(struct str s)
{
	return is_printable(s, IDS_JTI_MAX);
}

static const char *const role_names[] = {
	[ROLE_REQUESTER] = "requester",
	[ROLE_AGENT] = "agent",
	[ROLE_SERVICE] = "service",
	[ROLE_ADMIN] = "admin",
};

int ids_role_find(struct str name, enum role *role_r)
{
	size_t i;

	for (i = 0; i < sizeof(role_names) / sizeof(role_names[0]); i++) {
		if (str_eq_c(name, role_names[i])) {
			*role_r = (enum role)i;
			return 0;
		}
	}
	return -1;
}

const char *ids_role_text(enum role role)
{
	return role_names[role];
}

bool ids_role_is_staff(enum role role)
{
	return role != ROLE_REQUESTER;
}
