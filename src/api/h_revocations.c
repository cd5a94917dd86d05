/* SPDX-License-Identifier: BSD-2-Clause */
/* What may be revoked, and by whom. */
#include "config.h"

#include "api/h_revocations.h"

#include "api/revoke.h"

void h_revocations_add(struct call *call)
{
	struct record_revocation revocation = {0};

	if (call->who.role != ROLE_SERVICE && call->who.role != ROLE_ADMIN) {
		call_refuse(call, PROBLEM_FORBIDDEN, "this is for services and admins");
		return;
	}
	if (call_read_id(call, "/jti", ids_is_jti, &revocation.jti) != 0 ||
	    call_read_id(call, "/user_id", ids_is_user, &revocation.user) != 0)
		return;
	if ((revocation.jti.p == NULL) == (revocation.user.p == NULL)) {
		call_refuse_field(call, "", "has to name a jti or a user_id, not both");
		return;
	}
	if (revoke_say(call, &revocation, 0) == 0)
		reply_empty(&call->reply, 204);
}
