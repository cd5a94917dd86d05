/* SPDX-License-Identifier: BSD-2-Clause */
/* The ticket's card. */
#ifndef BELLHOP_API_H_TICKET_H
#define BELLHOP_API_H_TICKET_H

struct call;

/* GET /v1/tickets/{ticket} */
void h_ticket_read(struct call *call);

/* PUT /v1/tickets/{ticket} */
void h_ticket_write(struct call *call);

#endif
