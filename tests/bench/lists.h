/* SPDX-License-Identifier: BSD-2-Clause */
/* Readers of a user's list of conversations, each page checked for its order. */
#ifndef BELLHOP_BENCH_LISTS_H
#define BELLHOP_BENCH_LISTS_H

#include "client.h"
#include "engine.h"
#include "samples.h"

struct lists;

struct lists_counts {
	size_t read;	/* pages */
	size_t tickets; /* on all of them */
	size_t wrong;	/* out of order, or beyond the limit */
	size_t refused; /* another status than 200 */
	int64_t begun_us, ended_us;
	char first_trouble[640];
};

/* Reads options->user's. All of it is borrowed. NULL if out of memory. */
struct lists *lists_new(const struct client *client, struct engine *engine);
void lists_free(struct lists *all);

/* Begins. 0, or -1 on a fault of the engine. */
int lists_start(struct lists *all);
bool lists_is_done(const struct lists *all);

const struct lists_counts *lists_counts(const struct lists *all);

/* Of a page, from the request to the whole answer; making the connection is not part of it. */
struct samples *lists_latencies(struct lists *all);

#endif
