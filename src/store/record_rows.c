/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads the columns that record_rows.h names, in its order. */
#include "config.h"

#include "store/record_rows.h"

void record_rows_ticket(struct pg_row *r, struct record_ticket *t)
{
	t->is_begun = pg_row_bool(r);
	t->epoch = pg_row_int(r);
	t->first_seq = pg_row_int(r);
	t->last_seq = pg_row_int(r);
	t->last_public = pg_row_int(r);
	t->n = pg_row_int(r);
	t->n_public = pg_row_int(r);
	t->first_n = pg_row_int(r);
	t->first_n_public = pg_row_int(r);
	t->hold = pg_row_bool(r);
	t->status = pg_row_str(r);
	t->title = pg_row_str(r);
	if (!t->is_begun) {
		t->first_seq = 1;
		t->status = STR("open");
	}
	if (t->epoch < 1 || t->first_seq < 1 || t->last_seq < 0)
		r->failed = true;
}

/* Letters and counts that no version of the schema allows mean that the answer is not to be had. */
static void check_event(struct pg_row *r, const struct ticket_event *e, int message_kind)
{
	bool is_of_message = e->kind == EVENT_MESSAGE || e->kind == EVENT_EDIT ||
			     e->kind == EVENT_DELETE;

	if (!event_kind_is_known(e->kind) || e->seq < 1 || e->n_public < 0 || e->n < e->n_public ||
	    e->prev_public < 0 || e->prev_public >= e->seq || e->sender_id.p == NULL)
		r->failed = true;
	/* An edit outlives its message where retention has taken that one: then there is none. */
	if (message_kind != 0 && (!is_of_message || !event_message_kind_is_known(message_kind)))
		r->failed = true;
	if (message_kind == 0 && e->kind == EVENT_MESSAGE)
		r->failed = true;
}

void record_rows_event(struct pg_row *r, struct str ticket, int64_t epoch, struct ticket_event *e)
{
	int message_kind;

	*e = (struct ticket_event){.ticket = ticket, .epoch = epoch};
	e->seq = pg_row_int(r);
	e->n = pg_row_int(r);
	e->n_public = pg_row_int(r);
	e->prev_public = pg_row_int(r);
	e->target = pg_row_int(r);
	e->target_n = pg_row_int(r);
	e->target_n_public = pg_row_int(r);
	e->rev = pg_row_int(r);
	e->kind = (enum event_kind)pg_row_letter(r);
	message_kind = pg_row_letter(r);
	e->message_kind = (enum message_kind)message_kind;
	e->is_public = pg_row_bool(r);
	e->sender_id = pg_row_str(r);
	e->sender_name = pg_row_str(r);
	e->content = pg_row_str(r);
	e->uid = pg_row_str(r);
	e->sent_at_ms = pg_row_time_ms(r);
	e->edited_at_ms = pg_row_time_ms(r);
	e->deleted_at_ms = pg_row_time_ms(r);
	e->deleted_by = pg_row_str(r);
	e->detail = pg_row_str(r);
	check_event(r, e, message_kind);
}

int record_rows_opened(struct pg_row *r, struct record_opened *opened_r)
{
	struct record_opened opened = {0};
	bool is_member, is_removed;

	record_rows_ticket(r, &opened.ticket);
	is_member = pg_row_bool(r);
	is_removed = pg_row_bool(r);
	opened.role = pg_row_str(r);
	opened.read_seq = pg_row_int(r);
	opened.unread = pg_row_int(r);
	opened.unread_public = pg_row_int(r);
	if (is_member)
		opened.membership = is_removed ? RECORD_REMOVED : RECORD_MEMBER;
	if (r->failed || opened.unread < 0 || opened.unread_public < 0)
		return -1;
	*opened_r = opened;
	return 0;
}
