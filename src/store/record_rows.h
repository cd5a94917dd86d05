/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The columns of a ticket and of an event as every statement of the record asks for them, and the
 * functions that read them: a query and its reader cannot drift apart. For store/record*.c alone.
 */
#ifndef BELLHOP_STORE_RECORD_ROWS_H
#define BELLHOP_STORE_RECORD_ROWS_H

#include "store/record.h"

/* d: the deployment, t: the ticket's row or nothing; read by record_rows_ticket(). */
#define RECORD_ROWS_TICKET_COLUMNS                                                       \
	"t.ticket_id IS NOT NULL, d.epoch, t.first_seq, t.last_seq, t.last_public, t.n," \
	" t.n_public, t.first_n, t.first_n_public, t.hold, t.status, t.title"
#define RECORD_ROWS_TICKET_FROM \
	" FROM bellhop.deployment d LEFT JOIN bellhop.ticket t ON t.ticket_id = $1"

/* e: the event; read by record_rows_event(). */
#define RECORD_ROWS_EVENT_COLUMNS                                                         \
	"e.seq, e.n, e.n_public, e.prev_public, e.target, e.target_n, e.target_n_public," \
	" e.rev, e.kind, e.message_kind, e.is_public, e.sender_id, e.sender_name,"        \
	" e.content, e.uid, e.sent_at, e.edited_at, e.deleted_at, e.deleted_by, e.detail"
enum { RECORD_ROWS_TICKET_COUNT = 12 };

/* Each reads its columns, the next ones of the row; what makes no sense sets r->failed. */
void record_rows_ticket(struct pg_row *r, struct record_ticket *ticket);
/*
 * RECORD_ROWS_TICKET_COLUMNS, is a participant, is a removed one, role, mark, unread for staff, for the
 * public. 0, or -1.
 */
int record_rows_opened(struct pg_row *r, struct record_opened *opened_r);
void record_rows_event(struct pg_row *r, struct str ticket, int64_t epoch,
		       struct ticket_event *event);

#endif
