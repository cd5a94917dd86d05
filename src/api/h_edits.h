/* SPDX-License-Identifier: BSD-2-Clause */
/* Editing and deleting messages, and their former texts. */
#ifndef BELLHOP_API_H_EDITS_H
#define BELLHOP_API_H_EDITS_H

struct call;

/* PATCH /v1/tickets/{ticket}/messages/{seq} */
void h_edits_edit(struct call *call);

/* DELETE /v1/tickets/{ticket}/messages/{seq} */
void h_edits_delete(struct call *call);

/* GET /v1/tickets/{ticket}/messages/{seq}/revisions?before= */
void h_edits_revisions(struct call *call);

#endif
