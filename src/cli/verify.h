/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What `bellhop verify` looks at: the record against its own rules, and streams against the record. It
 * runs beside the servers: what is only late, or changes while it is looked at, is looked at again
 * before it is called different.
 */
#ifndef BELLHOP_CLI_VERIFY_H
#define BELLHOP_CLI_VERIFY_H

#include "cli/stores.h"

/* What was looked at and found. Differences are printed as they are found, a line each. */
struct verify {
	struct stores *stores;
	struct str ticket; /* at present */
	int64_t tickets;
	int64_t events;
	int64_t streams;
	int64_t differences;
	int64_t here; /* differences of the ticket at present; beyond a few they are only counted */
};

/* Looks at one ticket, at all of them. 0, or -1 after reporting. */
int verify_ticket(struct verify *v, struct str ticket);
int verify_all(struct verify *v);

/* Prints and counts one difference of the ticket at present. */
void verify_differs(struct verify *v, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Is the record of the ticket dense, and are all counts what a recount gives? 0, or -1 after reporting. */
int verify_record(struct verify *v, const struct record_ticket *ticket);

/* Are read marks and unread counts what a recount gives? 0, or -1 after reporting. */
int verify_read(struct verify *v);

/* Does Redis know of no marks but the record's, earlier ones perhaps? 0, or -1 after reporting. */
int verify_read_copies(struct verify *v);

/* Does Redis, where it has the ticket, say the same as the record? 0, or -1 after reporting. */
int verify_stream(struct verify *v);

#define VERIFY_DIFFERENCE_SIZE 160

/*
 * Does `who` in Redis list the participants that the record has? 0, with what differs in *difference_r,
 * "" if nothing does; or -1 after reporting.
 */
int verify_people(struct verify *v, char difference_r[VERIFY_DIFFERENCE_SIZE]);

#endif
