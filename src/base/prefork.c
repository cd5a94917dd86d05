/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The supervisor. It knows processes, not slots: each index wants one process that is not leaving,
 * and whenever that is not so, one is started when its delay has passed. A successor is simply a
 * second one, and being ready makes it send the first away.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/queue.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/daemon.h"
#include "base/log.h"
#include "base/prefork.h"

#define DELAY_FIRST_MS 100
#define DELAY_MAX_MS   5000
#define SHORT_LIFE_MS  10000
#define IDLE_WAIT_MS   60000
#define OVERSLEPT_MS   1000 /* whoever wakes so much too late was stopped, and perhaps all were */

struct process {
	pid_t pid;
	int index;
	int ready_fd; /* the master's end; -1 once it has spoken, or closed its end */
	bool ready;
	bool leaving;
	int64_t started_ms;
	int64_t kill_at_ms;	    /* while leaving */
	_Atomic(int64_t) *alive_ms; /* when it last said that it lives */
	int64_t watched_from_ms;    /* silence before that does not count */
	TAILQ_ENTRY(process) link;
};

/* What remains of an index when its process is gone. */
struct slot {
	int64_t start_at_ms;
	int64_t delay_ms; /* of the next start after a short life; 0 starts at once */
};

struct master {
	const struct prefork_opts *opts;
	int signal_fd;
	struct slot *slots;
	TAILQ_HEAD(, process) processes;
	struct pollfd *polled; /* the signals, then ready_fd of each process in order */
	size_t npolled, polled_cap;
	bool stopping;
	bool announced; /* READY=1 has been said */
	bool killed;
	int64_t watchdog_ms, watchdog_at_ms;
	int64_t due_ms; /* when it had to wake, at the latest */
};

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* ---- starting ---- */

/* The child's side of fork(); does not return. */
static _Noreturn void run_child(struct master *m, struct prefork_child child, pid_t master_pid)
{
	struct process *p;

	/* The parent may have died before the kernel was told to watch it. */
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != master_pid)
		_exit(1);
	close(m->signal_fd);
	TAILQ_FOREACH(p, &m->processes, link) {
		if (p->ready_fd >= 0)
			close(p->ready_fd);
	}
	child.signal_fd = daemon_signals_open();
	if (child.signal_fd < 0) {
		log_error(NULL, "could not open the signal descriptor", LOG_ERRNO(errno));
		_exit(1);
	}
	exit(m->opts->run(&child, m->opts->arg));
}

static void *share(size_t n)
{
	void *memory = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

static void process_free(struct process *p)
{
	if (p != NULL && p->alive_ms != NULL)
		munmap(p->alive_ms, sizeof(*p->alive_ms));
	free(p);
}

static int start(struct master *m, int index)
{
	struct process *p = calloc(1, sizeof(*p));
	pid_t master_pid = getpid();
	int ready[2] = {-1, -1};

	if (p == NULL || (p->alive_ms = share(sizeof(*p->alive_ms))) == NULL ||
	    pipe2(ready, O_CLOEXEC | O_NONBLOCK) < 0)
		goto failed;
	p->pid = fork();
	if (p->pid < 0)
		goto failed;
	if (p->pid == 0) {
		const struct prefork_child child = {
			.index = index,
			.ready_fd = ready[1],
			.signal_fd = -1,
			.alive_ms = p->alive_ms,
		};

		close(ready[0]);
		free(p);
		run_child(m, child, master_pid);
	}
	close(ready[1]);
	p->index = index;
	p->ready_fd = ready[0];
	p->started_ms = clock_mono_ms();
	p->watched_from_ms = p->started_ms;
	TAILQ_INSERT_TAIL(&m->processes, p, link);
	return 0;

failed:
	log_error(NULL, "could not start a child", LOG_INT("index", index), LOG_ERRNO(errno));
	if (ready[0] >= 0)
		close(ready[0]);
	if (ready[1] >= 0)
		close(ready[1]);
	process_free(p);
	return -1;
}

static struct process *find_serving(struct master *m, int index)
{
	struct process *p;

	TAILQ_FOREACH(p, &m->processes, link) {
		if (p->index == index && !p->leaving)
			return p;
	}
	return NULL;
}

/* Notes when the index may start again. */
static void schedule(struct slot *slot, int64_t now_ms)
{
	slot->start_at_ms = now_ms + slot->delay_ms;
	slot->delay_ms = slot->delay_ms == 0 ? DELAY_FIRST_MS
					     : earlier(slot->delay_ms * 2, DELAY_MAX_MS);
}

/* Starts what is missing and due; returns when the next one is due. */
static int64_t start_missing(struct master *m, int64_t now_ms)
{
	int64_t due_ms = now_ms + IDLE_WAIT_MS;

	for (int index = 0; index < m->opts->n && !m->stopping; index++) {
		struct slot *slot = &m->slots[index];

		if (find_serving(m, index) != NULL)
			continue;
		if (slot->start_at_ms <= now_ms && start(m, index) < 0)
			schedule(slot, now_ms);
		if (slot->start_at_ms > now_ms)
			due_ms = earlier(due_ms, slot->start_at_ms);
	}
	return due_ms;
}

/* ---- ending ---- */

static void send_away(struct master *m, struct process *p)
{
	if (p->leaving)
		return;
	p->leaving = true;
	p->kill_at_ms = clock_mono_ms() + m->opts->stop_timeout_ms;
	kill(p->pid, SIGTERM);
}

/* Kills whoever has overstayed; returns when the next one will have. */
static int64_t kill_late(struct master *m, int64_t now_ms)
{
	int64_t due_ms = now_ms + IDLE_WAIT_MS;
	struct process *p;

	TAILQ_FOREACH(p, &m->processes, link) {
		if (!p->leaving)
			continue;
		if (p->kill_at_ms <= now_ms) {
			log_warn(NULL, "child does not stop, killing it",
				 LOG_INT("child_pid", p->pid), LOG_INT("index", p->index));
			kill(p->pid, SIGKILL);
			m->killed = true;
			p->kill_at_ms = now_ms + IDLE_WAIT_MS;
		}
		due_ms = earlier(due_ms, p->kill_at_ms);
	}
	return due_ms;
}

/*
 * Kills whoever hangs: nothing else ends what does not even look for signals. Returns when the next one
 * might. A master that could not look itself, because the machine or all of the service stood still,
 * waits anew.
 */
static int64_t kill_hanging(struct master *m, int64_t now_ms)
{
	const int64_t timeout_ms = m->opts->hang_timeout_ms;
	const bool overslept = now_ms > m->due_ms + OVERSLEPT_MS;
	int64_t due_ms = now_ms + IDLE_WAIT_MS;
	struct process *p;

	TAILQ_FOREACH(p, &m->processes, link) {
		int64_t heard_ms;

		if (timeout_ms == 0 || p->leaving)
			continue;
		if (overslept)
			p->watched_from_ms = now_ms;
		heard_ms = later(atomic_load(p->alive_ms), p->watched_from_ms);
		if (heard_ms + timeout_ms <= now_ms) {
			log_error(NULL, "child gives no sign of life, killing it",
				  LOG_INT("child_pid", p->pid), LOG_INT("index", p->index),
				  LOG_INT("silent_ms", now_ms - heard_ms));
			kill(p->pid, SIGKILL);
			p->watched_from_ms = heard_ms = now_ms;
		}
		due_ms = earlier(due_ms, heard_ms + timeout_ms);
	}
	return due_ms;
}

static void forget(struct master *m, struct process *p, int status)
{
	int64_t now_ms = clock_mono_ms();
	struct slot *slot = &m->slots[p->index];

	TAILQ_REMOVE(&m->processes, p, link);
	if (!p->leaving) {
		log_error(NULL, "child ended unasked", LOG_INT("child_pid", p->pid),
			  LOG_INT("index", p->index),
			  LOG_INT("exit_status", WIFEXITED(status) ? WEXITSTATUS(status) : -1),
			  LOG_STR("signal",
				  WIFSIGNALED(status) ? sigdescr_np(WTERMSIG(status)) : NULL));
		if (now_ms - p->started_ms >= SHORT_LIFE_MS)
			slot->delay_ms = 0;
		/* A successor, or the one that it was to replace, makes a start needless. */
		if (find_serving(m, p->index) == NULL)
			schedule(slot, now_ms);
	}
	if (m->opts->gone != NULL)
		m->opts->gone(m->opts->arg, p->index, status);
	if (p->ready_fd >= 0)
		close(p->ready_fd);
	process_free(p);
}

static void reap(struct master *m)
{
	struct process *p;
	pid_t pid;
	int status;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		TAILQ_FOREACH(p, &m->processes, link) {
			if (p->pid == pid)
				break;
		}
		if (p != NULL)
			forget(m, p, status);
	}
}

/* ---- becoming ready ---- */

static void announce_when_ready(struct master *m)
{
	for (int index = 0; index < m->opts->n && !m->announced; index++) {
		const struct process *p = find_serving(m, index);

		if (p == NULL || !p->ready)
			return;
	}
	if (!m->announced) {
		daemon_notify("READY=1");
		log_info(NULL, "ready", LOG_INT("children", m->opts->n));
	}
	m->announced = true;
}

/* The child has written its byte, or gone: reads which, and lets a predecessor go. */
static void hear(struct master *m, struct process *p)
{
	struct process *other;
	char byte;

	p->ready = read(p->ready_fd, &byte, 1) == 1;
	close(p->ready_fd);
	p->ready_fd = -1;
	if (!p->ready || p->leaving)
		return;
	TAILQ_FOREACH(other, &m->processes, link) {
		if (other != p && other->index == p->index)
			send_away(m, other);
	}
	announce_when_ready(m);
}

void prefork_ready(struct prefork_child *child)
{
	if (child->ready_fd < 0)
		return;
	/* One byte always fits into a new pipe; a master that is gone needs none. */
	if (write(child->ready_fd, "r", 1) < 0)
		log_debug(NULL, "could not report to the master", LOG_ERRNO(errno));
	close(child->ready_fd);
	child->ready_fd = -1;
}

void prefork_alive(struct prefork_child *child)
{
	atomic_store(child->alive_ms, clock_mono_ms());
}

/* ---- signals ---- */

static void stop(struct master *m)
{
	struct process *p;

	if (m->stopping)
		return;
	m->stopping = true;
	daemon_notify("STOPPING=1");
	log_info(NULL, "stopping");
	TAILQ_FOREACH(p, &m->processes, link) {
		send_away(m, p);
	}
}

static void reload(struct master *m)
{
	struct process *p;

	if (m->announced)
		daemon_notify_reloading();
	if (m->opts->reload != NULL)
		m->opts->reload(m->opts->arg);
	TAILQ_FOREACH(p, &m->processes, link) {
		if (!p->leaving)
			kill(p->pid, SIGHUP);
	}
	if (m->announced)
		daemon_notify("READY=1");
}

static void replace(struct master *m)
{
	log_info(NULL, "replacing the children", LOG_INT("children", m->opts->n));
	for (int index = 0; index < m->opts->n; index++) {
		/* An index that has none, or one that is still starting, gets a fresh one anyway. */
		struct process *p = find_serving(m, index);

		if (p != NULL && p->ready)
			start(m, index);
	}
}

static void handle_signals(struct master *m)
{
	int signo;

	while ((signo = daemon_signals_next(m->signal_fd)) != 0) {
		if (signo == SIGCHLD)
			reap(m);
		else if (signo == SIGTERM || signo == SIGINT)
			stop(m);
		else if (signo == SIGHUP && !m->stopping)
			reload(m);
		else if (signo == SIGUSR2 && !m->stopping)
			replace(m);
	}
}

/* ---- the loop ---- */

static int grow_polled(struct master *m, size_t need)
{
	struct pollfd *polled;

	if (need <= m->polled_cap)
		return 0;
	polled = reallocarray(m->polled, need * 2, sizeof(*polled));
	if (polled == NULL)
		return -1;
	m->polled = polled;
	m->polled_cap = need * 2;
	return 0;
}

static int fill_polled(struct master *m)
{
	struct process *p;
	size_t count = 1;

	TAILQ_FOREACH(p, &m->processes, link) {
		count++;
	}
	if (grow_polled(m, count) < 0)
		return -1;
	m->polled[0] = (struct pollfd){.fd = m->signal_fd, .events = POLLIN};
	m->npolled = 1;
	TAILQ_FOREACH(p, &m->processes, link) {
		/* poll() passes over -1. */
		m->polled[m->npolled++] = (struct pollfd){.fd = p->ready_fd, .events = POLLIN};
	}
	return 0;
}

static int64_t feed_watchdog(struct master *m, int64_t now_ms)
{
	if (m->watchdog_ms == 0)
		return now_ms + IDLE_WAIT_MS;
	if (m->watchdog_at_ms <= now_ms) {
		daemon_notify("WATCHDOG=1");
		m->watchdog_at_ms = now_ms + m->watchdog_ms;
	}
	return m->watchdog_at_ms;
}

static void turn(struct master *m)
{
	int64_t now_ms = clock_mono_ms();
	int64_t due_ms = earlier(start_missing(m, now_ms), kill_late(m, now_ms));
	struct process *p;
	size_t i = 1;

	due_ms = earlier(due_ms, earlier(kill_hanging(m, now_ms), feed_watchdog(m, now_ms)));
	if (fill_polled(m) < 0) {
		/* Signals are what matters; who is ready can be heard when there is memory again. */
		m->npolled = 1;
		due_ms = earlier(due_ms, now_ms + DELAY_FIRST_MS);
	}
	m->due_ms = due_ms;
	if (poll(m->polled, m->npolled, clock_wait_ms(due_ms)) < 0)
		return;
	/* Before the signals, which may change the list that the order is taken from. */
	TAILQ_FOREACH(p, &m->processes, link) {
		if (i < m->npolled && m->polled[i++].revents != 0)
			hear(m, p);
	}
	handle_signals(m);
}

int prefork_run(const struct prefork_opts *opts)
{
	struct master m = {
		.opts = opts,
		.signal_fd = daemon_signals_open(),
		.slots = calloc((size_t)opts->n, sizeof(*m.slots)),
		.watchdog_ms = daemon_watchdog_ms(),
		.due_ms = clock_mono_ms(),
	};
	int result = 1;

	TAILQ_INIT(&m.processes);
	if (m.signal_fd < 0 || m.slots == NULL || grow_polled(&m, (size_t)opts->n + 1) < 0) {
		log_error(NULL, "could not start the master", LOG_ERRNO(errno));
		goto out;
	}
	m.polled[0] = (struct pollfd){.fd = m.signal_fd, .events = POLLIN};
	while (!m.stopping || !TAILQ_EMPTY(&m.processes))
		turn(&m);
	result = m.killed ? 1 : 0;
out:
	if (m.signal_fd >= 0)
		close(m.signal_fd);
	free(m.polled);
	free(m.slots);
	return result;
}
