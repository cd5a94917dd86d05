/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The listeners: each follows the event stream of one ticket and checks every event as it comes.
 * A stream that ends is opened again with Last-Event-ID, as a browser does.
 */
#ifndef BELLHOP_BENCH_STREAM_H
#define BELLHOP_BENCH_STREAM_H

#include "client.h"
#include "engine.h"
#include "ledger.h"
#include "samples.h"

struct streams;

struct stream_counts {
	size_t delivered; /* messages of this run, each stream's counted */
	size_t repeated;  /* seen before, or behind a later one */
	size_t lost;	  /* numbers passed over */
	size_t unchained; /* `prev` is not the event before */
	size_t gaps;	  /* `gap` events */
	size_t reopened;
	size_t refused; /* answers that are no event stream */
	int64_t last_us;
	char first_trouble[640];
};

/* All of it is borrowed. NULL if out of memory. */
struct streams *streams_new(const struct client *client, struct engine *engine,
			    struct ledger *ledger);
void streams_free(struct streams *all);

/* Opens all. 0, or -1 on a fault of the engine. */
int streams_open(struct streams *all);

/* How many have got `hello` so far; it counts reopened ones once. */
size_t streams_greeted(const struct streams *all);

/* Opens those again that have ended and waited. -1 on a fault of the engine. */
int streams_turn(struct streams *all);

/* Every stream has seen the last message of its ticket. */
bool streams_are_done(const struct streams *all);

/* What the streams have not seen of their tickets' messages, summed up. */
size_t streams_missing(const struct streams *all);

const struct stream_counts *streams_counts(const struct streams *all);
struct samples *streams_latencies(struct streams *all);

#endif
