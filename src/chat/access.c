/* SPDX-License-Identifier: BSD-2-Clause */
/* Who may act on a ticket: what the token says, joined with what is known of the membership. */
#include "config.h"

#include "chat/access.h"

#include "web/authn.h"

enum access_membership access_from_window(struct str value, bool is_trusted)
{
	if (!is_trusted)
		return ACCESS_UNTOLD;
	if (value.p == NULL)
		return ACCESS_UNLISTED;
	return str_eq_c(value, "removed") ? ACCESS_REMOVED : ACCESS_MEMBER;
}

enum access_membership access_from_record(enum record_membership membership)
{
	switch (membership) {
	case RECORD_MEMBER:
		return ACCESS_MEMBER;
	case RECORD_REMOVED:
		return ACCESS_REMOVED;
	case RECORD_NOT_MEMBER:
		break;
	}
	return ACCESS_NONE;
}

enum access_verdict access_decide(const struct identity *who, struct str ticket,
				  enum access_membership membership)
{
	if (who->role == ROLE_SERVICE || who->role == ROLE_ADMIN)
		return ACCESS_YES;
	switch (membership) {
	case ACCESS_MEMBER:
		return ACCESS_YES;
	case ACCESS_REMOVED:
		return ACCESS_NO;
	case ACCESS_NONE:
		return authn_identity_grants(who, ticket) ? ACCESS_YES : ACCESS_NO;
	case ACCESS_UNLISTED:
		return authn_identity_grants(who, ticket) ? ACCESS_YES : ACCESS_ASK;
	case ACCESS_UNASKED:
	case ACCESS_UNTOLD:
		break;
	}
	return ACCESS_ASK;
}

enum message_viewer access_viewer(const struct identity *who)
{
	return authn_identity_is_staff(who) ? MESSAGE_FOR_STAFF : MESSAGE_FOR_PUBLIC;
}
