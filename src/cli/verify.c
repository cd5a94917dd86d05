/* SPDX-License-Identifier: BSD-2-Clause */
/* bellhop verify: one ticket after the other. */
#include "config.h"

#include "cli/verify.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/record_copy.h"

enum { LINES_MAX = 20 }; /* of one ticket */

void verify_differs(struct verify *v, const char *format, ...)
{
	va_list ap;

	v->differences++;
	if (v->here++ == LINES_MAX)
		printf("%.*s: and more\n", STR_ARG(v->ticket));
	if (v->here > LINES_MAX)
		return;
	printf("%.*s: ", STR_ARG(v->ticket));
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	putchar('\n');
}

int verify_ticket(struct verify *v, struct str ticket)
{
	struct record_ticket row;

	v->ticket = ticket;
	v->here = 0;
	if (stores_ticket(v->stores, ticket, &row) != 0)
		return -1;
	v->tickets += row.is_begun;
	if (!row.is_begun)
		verify_differs(v, "there is no such ticket");
	else if (verify_record(v, &row) != 0 || verify_read(v) != 0)
		return -1;
	if (v->stores->redis == NULL || !row.is_begun)
		return 0;
	return verify_stream(v) != 0 ? -1 : verify_read_copies(v);
}

int verify_all(struct verify *v)
{
	char *after = str_dup(STR(""));
	bool is_last = false;
	int status = 0;

	while (!is_last && status == 0) {
		struct pg_stmt stmt;
		struct str ticket = {0};
		PGresult *result;
		size_t n;

		record_copy_put_tickets(&stmt, str_of(after));
		result = stores_ask(v->stores, &stmt);
		n = result != NULL ? record_copy_count_tickets(result) : 0;
		status = result != NULL ? 0 : -1;
		is_last = n < RECORD_LIMIT_MAX;
		for (size_t i = 0; i < n && status == 0; i++)
			status = record_copy_parse_ticket(result, i, &ticket) != 0
					 ? stores_odd(v->stores, "PostgreSQL")
					 : verify_ticket(v, ticket);
		free(after);
		after = str_dup(ticket);
		if (after == NULL)
			status = -1;
		PQclear(result);
	}
	free(after);
	return status;
}
