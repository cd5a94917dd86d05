/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What was sent and what it became. Each message has a number of its own that travels in its
 * client_msg_id; the ledger learns its seq from the answer to the send or from whichever stream is
 * first, and everybody who says it later must say the same.
 */
#ifndef BELLHOP_BENCH_LEDGER_H
#define BELLHOP_BENCH_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct ledger {
	size_t n_tickets;
	size_t n_messages;
	size_t per_ticket;  /* the most messages that a ticket gets */
	int64_t *begun_us;  /* by message: when its send began; 0: not yet */
	uint32_t *seqs;	    /* by message: 0: not known yet */
	uint32_t *messages; /* by ticket and seq - 1: message + 1; 0: not known yet */
	size_t conflicts;   /* two messages with one seq, or two seqs for one message */
	size_t strangers;   /* events that nobody here sent */
	char run[17];	    /* names this run in ticket and message ids */
};

/* Message i goes into ticket i modulo n_tickets. 0, or -1 if out of memory. */
int ledger_init(struct ledger *ledger, size_t n_tickets, size_t n_messages);
void ledger_deinit(struct ledger *ledger);

/* The ticket's id, into a text of at least LEDGER_TICKET_SIZE. */
#define LEDGER_TICKET_SIZE 48
void ledger_ticket(const struct ledger *ledger, size_t ticket, char *text_r);

/* How many messages a ticket gets. */
size_t ledger_expected(const struct ledger *ledger, size_t ticket);

/* The client_msg_id of a message, appended. */
void ledger_put_id(const struct ledger *ledger, size_t message, struct buf *out);

/* The message of which a JSON text of the server speaks, or -1 if it is not one of this run. */
int64_t ledger_find(const struct ledger *ledger, struct str json);

/* Somebody says that message is seq of its ticket. 0, or -1 if that contradicts what is known. */
int ledger_note(struct ledger *ledger, size_t message, int64_t seq);

/* Whether every message has a seq and the seqs of every ticket are 1, 2, 3 … without a hole. */
bool ledger_is_dense(const struct ledger *ledger);

/*
 * The number behind the first "name": of a JSON text. No parser, for speed; the texts that it is used
 * on hold nothing but what the bench itself sent, so the name cannot occur inside of a string.
 * 0, or -1 if there is none.
 */
int ledger_find_number(struct str json, const char *quoted_name, int64_t *value_r);

#endif
