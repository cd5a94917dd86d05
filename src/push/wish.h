/* SPDX-License-Identifier: BSD-2-Clause */
/* What a client wants to listen to, and how, as its query says. Pure. */
#ifndef BELLHOP_PUSH_WISH_H
#define BELLHOP_PUSH_WISH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "push/begin.h"
#include "web/ticket_list.h"

struct request;

struct wish {
	/* Of the route; is_many: it names no ticket, the query does. */
	bool is_poll, is_many;

	struct ticket_list tickets; /* of the route, else of the query */
	bool has_inbox;
	struct begin_wish begin;

	/* Of a poll. */
	int64_t wait_ms;
	bool is_ephemeral;
};

/*
 * Adds to what the route has said. Of many tickets there may be so many at most. NULL, or what is wrong
 * with the query, static text. Either way the caller frees the tickets.
 */
const char *wish_parse(struct wish *wish, const struct request *q, size_t max_tickets);

#endif
