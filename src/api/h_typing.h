/* SPDX-License-Identifier: BSD-2-Clause */
/* Who is typing in a ticket. */
#ifndef BELLHOP_API_H_TYPING_H
#define BELLHOP_API_H_TYPING_H

struct call;

/* POST and GET /v1/tickets/{ticket}/typing */
void h_typing_say(struct call *call);
void h_typing_read(struct call *call);

#endif
