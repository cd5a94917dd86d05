/* SPDX-License-Identifier: BSD-2-Clause */
/* A token in words, for the one who holds it and wonders why it is refused. */
#ifndef BELLHOP_CLI_TOKEN_EXPLAIN_H
#define BELLHOP_CLI_TOKEN_EXPLAIN_H

#include "base/buf.h"
#include "web/jwt.h"

/*
 * Appends header, claims, the times in words and the verdict of the policy at now_ms (wall clock):
 * whether the token is accepted, by which key, or why not. Claims are shown even where the
 * signature is not right, and the verdict says so. policy NULL: only what the token itself says.
 * Never shows a key. Returns the verdict; JWT_OK without a policy for a token that can be read.
 */
enum jwt_result token_explain(struct str token, const struct jwt_policy *policy, int64_t now_ms,
			      struct buf *out);

/* Appends a length of time as a person would say it: "59 minutes", "1 day". */
void token_explain_span(struct buf *out, int64_t seconds);

#endif
