/* SPDX-License-Identifier: BSD-2-Clause */
/* POST /v1/revocations: a token, or all that a user was given until now, is not believed any more. */
#ifndef BELLHOP_API_H_REVOCATIONS_H
#define BELLHOP_API_H_REVOCATIONS_H

struct call;

void h_revocations_add(struct call *call);

#endif
