/* SPDX-License-Identifier: BSD-2-Clause */
/* Readers of history: newest pages and pages from anywhere, each checked for order and holes. */
#ifndef BELLHOP_BENCH_PAGES_H
#define BELLHOP_BENCH_PAGES_H

#include "client.h"
#include "engine.h"
#include "ledger.h"
#include "samples.h"

struct pages;

struct pages_counts {
	size_t read;	/* pages */
	size_t wrong;	/* not the page that was asked for */
	size_t refused; /* another status than 200 */
	int64_t begun_us, ended_us;
	char first_trouble[640];
};

/*
 * Reads of the tickets that were filled by the ledger's run, or of options->ticket. All of it is
 * borrowed. NULL if out of memory.
 */
struct pages *pages_new(const struct client *client, struct engine *engine,
			const struct ledger *ledger);
void pages_free(struct pages *all);

/* Begins. 0, or -1 on a fault of the engine. */
int pages_start(struct pages *all);
bool pages_is_done(const struct pages *all);

const struct pages_counts *pages_counts(const struct pages *all);

/* Latencies of newest pages, and of pages that end at a number anywhere in the ticket. */
struct samples *pages_newest(struct pages *all);
struct samples *pages_older(struct pages *all);

#endif
