/* SPDX-License-Identifier: BSD-2-Clause */
/* Permission alone: for calls that read nothing else of the ticket's window or record, and for refusals. */
#ifndef BELLHOP_API_ALLOW_H
#define BELLHOP_API_ALLOW_H

struct call;

/*
 * May the caller act on the ticket that the path names? 0, or -1 after a refusal: 403, or 503 where
 * nobody can tell. Asks the record only if neither the token nor Redis can decide.
 */
int allow_ticket(struct call *call);

/*
 * Refuses what the caller's role does not allow: 403 `forbidden` with the detail. Where the path names a
 * ticket on which the caller may not act, it is `not_a_participant`, as from every other call about it;
 * not where nobody can tell.
 */
void allow_refuse_role(struct call *call, const char *detail);

#endif
