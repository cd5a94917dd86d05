/* SPDX-License-Identifier: BSD-2-Clause */
/* Sending messages. */
#ifndef BELLHOP_API_H_MESSAGES_H
#define BELLHOP_API_H_MESSAGES_H

struct call;

/* POST /v1/tickets/{ticket}/messages */
void h_messages_send(struct call *call);

/* POST /v1/tickets/{ticket}/system-messages */
void h_messages_send_system(struct call *call);

#endif
