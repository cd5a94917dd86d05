/* SPDX-License-Identifier: BSD-2-Clause */
/* Read marks and what is unread. */
#ifndef BELLHOP_API_H_READ_H
#define BELLHOP_API_H_READ_H

struct call;

/* PUT /v1/tickets/{ticket}/read */
void h_read_put(struct call *call);

/* GET /v1/tickets/{ticket}/receipts */
void h_read_receipts(struct call *call);

/* GET /v1/unread */
void h_read_unread(struct call *call);

#endif
