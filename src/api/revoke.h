/* SPDX-License-Identifier: BSD-2-Clause */
/* Revocations go to the record; every process follows it. */
#ifndef BELLHOP_API_REVOKE_H
#define BELLHOP_API_REVOKE_H

#include "api/call.h"
#include "store/record_revoke.h"

/*
 * Revokes what has a jti or a user. Nobody has to remember it once that is over by itself, end_ms (wall
 * clock; 0: nobody knows). 0, or -1 after a refusal.
 */
int revoke_say(struct call *call, const struct record_revocation *revocation, int64_t end_ms);

#endif
