/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading messages. */
#ifndef BELLHOP_API_H_HISTORY_H
#define BELLHOP_API_H_HISTORY_H

struct call;

/* GET /v1/tickets/{ticket}/messages */
void h_history_page(struct call *call);

/* GET /v1/tickets/{ticket}/messages/{seq} */
void h_history_message(struct call *call);

#endif
