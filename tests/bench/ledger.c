/* SPDX-License-Identifier: BSD-2-Clause */
/* The bench's book of messages. */
#include "config.h"

#include "ledger.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int ledger_init(struct ledger *ledger, size_t n_tickets, size_t n_messages)
{
	unsigned char random[8];

	memset(ledger, 0, sizeof(*ledger));
	ledger->n_tickets = n_tickets;
	ledger->n_messages = n_messages;
	ledger->per_ticket = (n_messages + n_tickets - 1) / n_tickets;
	ledger->begun_us = calloc(n_messages + 1, sizeof(*ledger->begun_us));
	ledger->seqs = calloc(n_messages + 1, sizeof(*ledger->seqs));
	ledger->messages = calloc(n_tickets * ledger->per_ticket + 1, sizeof(*ledger->messages));
	if (ledger->begun_us == NULL || ledger->seqs == NULL || ledger->messages == NULL) {
		ledger_deinit(ledger);
		return -1;
	}
	randombytes_buf(random, sizeof(random));
	sodium_bin2hex(ledger->run, sizeof(ledger->run), random, sizeof(random));
	return 0;
}

void ledger_deinit(struct ledger *ledger)
{
	free(ledger->begun_us);
	free(ledger->seqs);
	free(ledger->messages);
	memset(ledger, 0, sizeof(*ledger));
}

void ledger_ticket(const struct ledger *ledger, size_t ticket, char *text_r)
{
	snprintf(text_r, LEDGER_TICKET_SIZE, "bench-%s-%zu", ledger->run, ticket);
}

size_t ledger_expected(const struct ledger *ledger, size_t ticket)
{
	return ledger->n_messages / ledger->n_tickets +
	       (ticket < ledger->n_messages % ledger->n_tickets);
}

void ledger_put_id(const struct ledger *ledger, size_t message, struct buf *out)
{
	buf_puts(out, "b-");
	buf_puts(out, ledger->run);
	buf_putc(out, '-');
	buf_put_i64(out, (int64_t)message);
}

/* The digits at the start of text as a number, -1 if there are none or too many. */
static int64_t leading_number(struct str text)
{
	size_t n = 0;
	int64_t value;

	while (n < text.n && text.p[n] >= '0' && text.p[n] <= '9')
		n++;
	text.n = n;
	return str_to_i64(text, 0, INT64_MAX, &value) == 0 ? value : -1;
}

/* What follows the first occurrence of a word; absent if it does not occur. */
static struct str behind(struct str text, const char *word)
{
	size_t length = strlen(word);
	const char *at = text.n > 0 ? memmem(text.p, text.n, word, length) : NULL;

	if (at == NULL)
		return (struct str){0};
	at += length;
	return (struct str){.p = at, .n = text.n - (size_t)(at - text.p)};
}

int ledger_find_number(struct str json, const char *quoted_name, int64_t *value_r)
{
	struct str rest = behind(json, quoted_name);
	int64_t value = leading_number(rest);

	if (value < 0)
		return -1;
	*value_r = value;
	return 0;
}

int64_t ledger_find(const struct ledger *ledger, struct str json)
{
	struct str rest = behind(json, "\"client_msg_id\":\"b-");
	size_t length = sizeof(ledger->run) - 1;
	int64_t message;

	if (rest.n <= length + 1 || memcmp(rest.p, ledger->run, length) != 0)
		return -1;
	rest.p += length + 1;
	rest.n -= length + 1;
	message = leading_number(rest);
	return message < (int64_t)ledger->n_messages ? message : -1;
}

int ledger_note(struct ledger *ledger, size_t message, int64_t seq)
{
	size_t ticket = message % ledger->n_tickets;
	uint32_t *owner;

	if (seq < 1 || seq > (int64_t)ledger->per_ticket) {
		ledger->conflicts++;
		return -1;
	}
	owner = &ledger->messages[ticket * ledger->per_ticket + (size_t)seq - 1];
	if (*owner == 0 && ledger->seqs[message] == 0) {
		*owner = (uint32_t)message + 1;
		ledger->seqs[message] = (uint32_t)seq;
		return 0;
	}
	if (*owner == message + 1 && ledger->seqs[message] == seq)
		return 0;
	ledger->conflicts++;
	return -1;
}

bool ledger_is_dense(const struct ledger *ledger)
{
	for (size_t ticket = 0; ticket < ledger->n_tickets; ticket++)
		for (size_t i = 0; i < ledger_expected(ledger, ticket); i++)
			if (ledger->messages[ticket * ledger->per_ticket + i] == 0)
				return false;
	return true;
}
