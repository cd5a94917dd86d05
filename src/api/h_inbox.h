/* SPDX-License-Identifier: BSD-2-Clause */
/* The list of a user's conversations. */
#ifndef BELLHOP_API_H_INBOX_H
#define BELLHOP_API_H_INBOX_H

struct call;

/* GET /v1/tickets */
void h_inbox_list(struct call *call);

#endif
