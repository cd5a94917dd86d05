/* SPDX-License-Identifier: BSD-2-Clause */
/* GET /v1/tickets/{t}/participants, PUT and DELETE /v1/tickets/{t}/participants/{u}. */
#ifndef BELLHOP_API_H_PARTICIPANTS_H
#define BELLHOP_API_H_PARTICIPANTS_H

#include "store/record_card.h"

struct call;
struct json_write;

void h_participants_list(struct call *call);
void h_participants_put(struct call *call);
void h_participants_remove(struct call *call);

/* The member "participants" as it is told everywhere. 0, or -1 if the answer makes no sense. */
int h_participants_json(struct json_write *j, const struct record_card *card,
			const PGresult *result);

#endif
