/* SPDX-License-Identifier: BSD-2-Clause */
/* The senders: each has a connection and one request at a time, and takes the next message due. */
#ifndef BELLHOP_BENCH_SENDER_H
#define BELLHOP_BENCH_SENDER_H

#include "client.h"
#include "engine.h"
#include "ledger.h"
#include "samples.h"

struct senders;

/* What became of the sends. */
struct sender_counts {
	size_t answered; /* 201, or 200 to a repeated attempt */
	size_t spooled;	 /* 202 */
	size_t failed;	 /* a final refusal */
	size_t retried;	 /* attempts beyond the first */
	int64_t begun_us, ended_us;
	char first_failure[640];
};

/* All of it is borrowed. NULL if out of memory. */
struct senders *senders_new(const struct client *client, struct engine *engine,
			    struct ledger *ledger);
void senders_free(struct senders *all);

/* Opens the connections with a harmless request each, so that the first sends do not pay for it. */
int senders_connect(struct senders *all);
bool senders_are_connected(const struct senders *all);

/*
 * Starts what is due on idle senders. Returns for how long there is nothing to do here, in ms, or -1
 * on a fault of the engine.
 */
int senders_turn(struct senders *all);

/* Every message was answered, one way or another. */
bool senders_are_done(const struct senders *all);

const struct sender_counts *senders_counts(const struct senders *all);
struct samples *senders_latencies(struct senders *all);

#endif
