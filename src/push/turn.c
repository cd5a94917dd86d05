/* SPDX-License-Identifier: BSD-2-Clause */
/* The end of a turn, and how long writes may wait for company. */
#include "config.h"

#include "push/turn.h"

#include <event2/event.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"

enum {
	LOAD_EVERY_MS = 100, /* how often the load is measured */
	LOAD_EASY = 60,	     /* percent of a processor up to which nothing waits */
	LOAD_FULL = 90,	     /* from here on jobs wait the longest */
};

TAILQ_HEAD(job_list, turn_job);

struct turn {
	struct event_base *base;
	struct event *pace_timer; /* ends the wait of paced jobs */
	struct event *load_timer;
	struct job_list now, paced;
	bool is_waiting; /* pace_timer runs */
	bool is_due;	 /* paced jobs may run */
	int pace_ms;
	int64_t measured_us, cpu_us;
};

int turn_pace_ms(int busy_percent)
{
	if (busy_percent <= LOAD_EASY)
		return 0;
	if (busy_percent >= LOAD_FULL)
		return TURN_PACE_MAX_MS;
	return TURN_PACE_MAX_MS * (busy_percent - LOAD_EASY) / (LOAD_FULL - LOAD_EASY);
}

static int64_t cpu_now_us(void)
{
	struct timespec ts = {0};

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static void on_load(evutil_socket_t fd, short what, void *arg)
{
	struct turn *turn = arg;
	int64_t now = clock_mono_us(), cpu = cpu_now_us();

	(void)fd;
	(void)what;
	if (now > turn->measured_us)
		turn->pace_ms =
			turn_pace_ms((int)((cpu - turn->cpu_us) * 100 / (now - turn->measured_us)));
	turn->measured_us = now;
	turn->cpu_us = cpu;
}

static void on_pace(evutil_socket_t fd, short what, void *arg)
{
	struct turn *turn = arg;

	(void)fd;
	(void)what;
	turn->is_waiting = false;
	turn->is_due = true;
}

struct turn *turn_new(struct event_base *base)
{
	struct turn *turn = calloc(1, sizeof(*turn));
	const struct timeval every = {0, LOAD_EVERY_MS * 1000};

	if (turn == NULL)
		return NULL;
	turn->base = base;
	TAILQ_INIT(&turn->now);
	TAILQ_INIT(&turn->paced);
	turn->measured_us = clock_mono_us();
	turn->cpu_us = cpu_now_us();
	turn->pace_timer = evtimer_new(base, on_pace, turn);
	turn->load_timer = event_new(base, -1, EV_PERSIST, on_load, turn);
	if (turn->pace_timer == NULL || turn->load_timer == NULL ||
	    event_add(turn->load_timer, &every) != 0) {
		turn_free(turn);
		return NULL;
	}
	return turn;
}

void turn_free(struct turn *turn)
{
	if (turn == NULL)
		return;
	if (turn->pace_timer != NULL)
		event_free(turn->pace_timer);
	if (turn->load_timer != NULL)
		event_free(turn->load_timer);
	free(turn);
}

static struct job_list *list_of(struct turn *turn, const struct turn_job *job)
{
	return job->is_paced ? &turn->paced : &turn->now;
}

void turn_ask(struct turn *turn, struct turn_job *job)
{
	if (job->is_queued)
		return;
	job->is_queued = true;
	TAILQ_INSERT_TAIL(list_of(turn, job), job, entry);
}

void turn_cancel(struct turn *turn, struct turn_job *job)
{
	if (!job->is_queued)
		return;
	job->is_queued = false;
	TAILQ_REMOVE(list_of(turn, job), job, entry);
}

static void run_first(struct turn *turn, struct job_list *list)
{
	struct turn_job *job = TAILQ_FIRST(list);

	turn_cancel(turn, job);
	job->run(job);
}

/* Either lets the paced jobs run or sees to it that they will. */
static void run_paced(struct turn *turn)
{
	int64_t end_us = clock_mono_us() + TURN_BUDGET_US;

	if (TAILQ_EMPTY(&turn->paced))
		return;
	if (turn->pace_ms > 0 && !turn->is_due) {
		const struct timeval wait = {0, turn->pace_ms * 1000};

		/* Should the timer fail, nobody waits. */
		if (!turn->is_waiting && event_add(turn->pace_timer, &wait) == 0)
			turn->is_waiting = true;
		if (turn->is_waiting)
			return;
	}
	do
		run_first(turn, &turn->paced);
	while (!TAILQ_EMPTY(&turn->paced) && clock_mono_us() < end_us);
	turn->is_due = !TAILQ_EMPTY(&turn->paced);
}

void turn_settle(struct turn *turn)
{
	while (!TAILQ_EMPTY(&turn->now))
		run_first(turn, &turn->now);
}

int turn_run(struct turn *turn)
{
	bool is_pressing = turn->is_due || !TAILQ_EMPTY(&turn->now);

	if (event_base_loop(turn->base, EVLOOP_ONCE | (is_pressing ? EVLOOP_NONBLOCK : 0)) < 0)
		return -1;
	run_paced(turn);
	turn_settle(turn);
	return 0;
}
