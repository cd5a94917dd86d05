/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is done once at the end of a turn of the event loop, however often it was asked for during
 * it: writing to a connection, freeing what callbacks still stood on.
 *
 * Writing is paced. While this process has little to do, everything goes out at the end of the turn
 * in which it came. As the processor fills up, jobs wait up to TURN_PACE_MAX_MS, so that several
 * frames for one subscriber leave together: the web server's cost is per write, not per byte. One
 * turn never spends more than TURN_BUDGET_US on paced jobs; the rest waits for the next.
 */
#ifndef BELLHOP_PUSH_TURN_H
#define BELLHOP_PUSH_TURN_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stdint.h>

enum { TURN_PACE_MAX_MS = 20, TURN_BUDGET_US = 10000 };

struct event_base;
struct turn;

/* Embedded in what it is about; {.run = …} is ready for use. */
struct turn_job {
	TAILQ_ENTRY(turn_job) entry;
	bool is_queued;
	bool is_paced;
	void (*run)(struct turn_job *job);
};

/* NULL when out of memory. */
struct turn *turn_new(struct event_base *base);
void turn_free(struct turn *turn);

/* Runs the job at the end of this turn; paced jobs perhaps a little later. Asking again is fine. */
void turn_ask(struct turn *turn, struct turn_job *job);

/* Takes it back; a job that is not queued is fine. */
void turn_cancel(struct turn *turn, struct turn_job *job);

/* Runs what is to be run at the end of the turn now, but for the paced jobs; before freeing things. */
void turn_settle(struct turn *turn);

/*
 * One turn: waits until something is to be done, lets the loop's callbacks run, then the jobs. -1
 * when the loop itself failed.
 */
int turn_run(struct turn *turn);

/* How long paced jobs wait at a load of `busy_percent` of a processor; for turn.c and its test. */
int turn_pace_ms(int busy_percent);

#endif
