/* SPDX-License-Identifier: BSD-2-Clause */
/* What the bench prints at the end, as text or as JSON. */
#ifndef BELLHOP_BENCH_REPORT_H
#define BELLHOP_BENCH_REPORT_H

#include "ledger.h"
#include "lists.h"
#include "openings.h"
#include "options.h"
#include "pages.h"
#include "sender.h"
#include "stream.h"

/* What took part; NULL what did not. */
struct report {
	const struct options *options;
	const struct ledger *ledger;
	struct senders *senders;
	struct streams *streams;
	struct pages *pages;
	struct openings *openings;
	struct lists *lists;
	double opening_s; /* until all streams had said hello */
	bool stalled;	  /* nothing happened for options->patience_ms */
};

/* Prints it. True if all is well: everything was sent, delivered and read once and in order. */
bool report_print(const struct report *report);

#endif
