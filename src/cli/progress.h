/* SPDX-License-Identifier: BSD-2-Clause */
/* A bar on standard error for work that takes long; silent where that is no terminal. */
#ifndef BELLHOP_CLI_PROGRESS_H
#define BELLHOP_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool is_shown;
	bool is_open;  /* its line is not ended */
	int64_t total; /* 0: not known, so there is no bar, only the number */
	int64_t done;
	int64_t drawn_at_ms;
};

void progress_start(struct progress *p, int64_t total);

/* So much is done by now; draws at most a few times a second. */
void progress_set(struct progress *p, int64_t done);

/* Ends its line, so that something else can be printed; the next time it is drawn on a new one. */
void progress_break(struct progress *p);

/*
 * Draws for the last time and ends the line; full if all is done. What was broken off before its end is
 * not drawn again.
 */
void progress_end(struct progress *p, bool is_finished);

#endif
