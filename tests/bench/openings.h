/* SPDX-License-Identifier: BSD-2-Clause */
/* Streams of many tickets that are opened, greeted and left again: how long `hello` takes. */
#ifndef BELLHOP_BENCH_OPENINGS_H
#define BELLHOP_BENCH_OPENINGS_H

#include "client.h"
#include "engine.h"
#include "ledger.h"
#include "samples.h"

struct openings;

struct openings_counts {
	size_t greeted;
	size_t wrong;	/* a hello that does not know each ticket's newest message */
	size_t refused; /* none at all */
	int64_t begun_us, ended_us;
	char first_trouble[640];
};

/*
 * Of options->many tickets each, out of those that were filled by the ledger's run. All of it is
 * borrowed. NULL if out of memory.
 */
struct openings *openings_new(const struct client *client, struct engine *engine,
			      const struct ledger *ledger);
void openings_free(struct openings *all);

/* Begins. 0, or -1 on a fault of the engine. */
int openings_start(struct openings *all);
bool openings_is_done(const struct openings *all);

const struct openings_counts *openings_counts(const struct openings *all);

/* From the request to the whole of hello; making the connection is not part of it. */
struct samples *openings_latencies(struct openings *all);

#endif
