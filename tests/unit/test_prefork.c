/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The supervisor, with real processes: the test forks a master, whose children report into shared
 * memory.
 */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/daemon.h"
#include "base/log.h"
#include "base/prefork.h"
#include "cmocka_setup.h"
#include "tempdir.h"
#include "wait_for.h"

#define CHILDREN 2
#define ALIVE_MS 20

enum conduct {
	OBEY,	  /* serves until SIGTERM */
	STUBBORN, /* does not stop */
	DIE,	  /* ends at once, before it is ready */
	HANG,	  /* the first is as it should be, the others are silent from the beginning */
};

/* One for all processes of a test. */
struct board {
	atomic_int conduct; /* of children that start from now on */
	atomic_int starts;
	atomic_int pid[CHILDREN]; /* newest child that is ready, of each index */
	atomic_int serving[CHILDREN];
	atomic_int lowest; /* number of serving children of index 0, ever, once it was 1 */
	atomic_int stopped, hups, reloads, gone;
};

static struct board *board;
static pid_t master;
static int64_t hang_timeout_ms; /* of the next master */

static int serve(struct prefork_child *child)
{
	struct pollfd signals = {.fd = child->signal_fd, .events = POLLIN};
	int left;

	atomic_store(&board->pid[child->index], (int)getpid());
	atomic_fetch_add(&board->serving[child->index], 1);
	prefork_ready(child);
	prefork_ready(child);
	for (;;) {
		int signo;

		poll(&signals, 1, ALIVE_MS);
		if (child->index == 0 || atomic_load(&board->conduct) != HANG)
			prefork_alive(child);
		signo = daemon_signals_next(child->signal_fd);
		if (signo == SIGHUP)
			atomic_fetch_add(&board->hups, 1);
		if (signo == SIGTERM && atomic_load(&board->conduct) != STUBBORN)
			break;
	}
	left = atomic_fetch_sub(&board->serving[child->index], 1) - 1;
	if (child->index == 0 && left < atomic_load(&board->lowest))
		atomic_store(&board->lowest, left);
	atomic_fetch_add(&board->stopped, 1);
	return 0;
}

static int run(struct prefork_child *child, void *arg)
{
	(void)arg;
	atomic_fetch_add(&board->starts, 1);
	return atomic_load(&board->conduct) == DIE ? 1 : serve(child);
}

static void count_reload(void *arg)
{
	(void)arg;
	atomic_fetch_add(&board->reloads, 1);
}

static void count_gone(void *arg, int index, int status)
{
	(void)arg;
	(void)status;
	assert_in_range(index, 0, CHILDREN - 1);
	atomic_fetch_add(&board->gone, 1);
}

static void start_master(int64_t stop_timeout_ms)
{
	const struct prefork_opts opts = {
		.n = CHILDREN,
		.stop_timeout_ms = stop_timeout_ms,
		.hang_timeout_ms = hang_timeout_ms,
		.run = run,
		.reload = count_reload,
		.gone = count_gone,
	};

	master = fork();
	assert_true(master >= 0);
	if (master == 0)
		_exit(prefork_run(&opts));
}

static bool all_ready(void)
{
	return atomic_load(&board->serving[0]) >= 1 && atomic_load(&board->serving[1]) >= 1;
}

/* The master's exit status once it has ended, -1 while it runs. */
static int master_status(void)
{
	int status;

	if (waitpid(master, &status, WNOHANG) != master)
		return -1;
	master = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int setup(void **state)
{
	(void)state;
	board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	if (board == MAP_FAILED)
		return -1;
	atomic_store(&board->lowest, 99);
	hang_timeout_ms = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (master > 0) {
		kill(master, SIGKILL);
		waitpid(master, NULL, 0);
		master = 0;
	}
	/* As their subreaper this process gets the children of a killed master. */
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	munmap(board, sizeof(*board));
	return 0;
}

static void stops(void **state)
{
	int64_t asked_ms;
	int status;

	(void)state;
	start_master(5000);
	WAIT_FOR(all_ready());
	asked_ms = clock_mono_ms();
	kill(master, SIGTERM);
	WAIT_FOR((status = master_status()) >= 0);
	assert_int_equal(status, 0);
	assert_in_range(clock_mono_ms() - asked_ms, 0, 1000);
	assert_int_equal(atomic_load(&board->stopped), CHILDREN);
	assert_int_equal(atomic_load(&board->gone), CHILDREN);
	assert_int_equal(atomic_load(&board->starts), CHILDREN);
}

static void kills_the_stubborn(void **state)
{
	int status;

	(void)state;
	atomic_store(&board->conduct, STUBBORN);
	start_master(100);
	WAIT_FOR(all_ready());
	kill(master, SIGINT);
	WAIT_FOR((status = master_status()) >= 0);
	assert_int_equal(status, 1);
	assert_int_equal(atomic_load(&board->stopped), 0);
	assert_int_equal(atomic_load(&board->gone), CHILDREN);
}

static void respawns(void **state)
{
	int before, other;

	(void)state;
	start_master(5000);
	WAIT_FOR(all_ready());
	before = atomic_load(&board->pid[0]);
	other = atomic_load(&board->pid[1]);
	kill((pid_t)before, SIGKILL);
	WAIT_FOR(atomic_load(&board->pid[0]) != before);
	assert_int_equal(atomic_load(&board->pid[1]), other);
	assert_int_equal(atomic_load(&board->gone), 1);
	assert_int_equal(master_status(), -1);
}

/* Children that die at once: the master lives on, tries ever less often, and recovers. */
static void backs_off(void **state)
{
	int64_t start_ms = clock_mono_ms();
	int starts;

	(void)state;
	atomic_store(&board->conduct, DIE);
	start_master(5000);
	/* For each index: at once, at once, then after 100, 200, 400 ms. */
	WAIT_FOR(atomic_load(&board->starts) >= 5 * CHILDREN);
	assert_true(clock_mono_ms() - start_ms >= 600);
	starts = atomic_load(&board->starts);
	assert_in_range(starts, 5 * CHILDREN, 6 * CHILDREN);
	assert_int_equal(master_status(), -1);
	atomic_store(&board->conduct, OBEY);
	WAIT_FOR(all_ready());
}

static void reloads(void **state)
{
	(void)state;
	start_master(5000);
	WAIT_FOR(all_ready());
	kill(master, SIGHUP);
	WAIT_FOR(atomic_load(&board->hups) == CHILDREN);
	assert_int_equal(atomic_load(&board->reloads), 1);
	assert_int_equal(atomic_load(&board->starts), CHILDREN);
}

static void replaces(void **state)
{
	int before[CHILDREN];

	(void)state;
	start_master(5000);
	WAIT_FOR(all_ready());
	for (int i = 0; i < CHILDREN; i++)
		before[i] = atomic_load(&board->pid[i]);
	kill(master, SIGUSR2);
	WAIT_FOR(atomic_load(&board->stopped) == CHILDREN);
	for (int i = 0; i < CHILDREN; i++) {
		assert_int_not_equal(atomic_load(&board->pid[i]), before[i]);
		assert_int_equal(atomic_load(&board->serving[i]), 1);
	}
	/* The old one left when the new one served already. */
	assert_int_equal(atomic_load(&board->lowest), 1);
	assert_int_equal(atomic_load(&board->starts), 2 * CHILDREN);
	assert_int_equal(master_status(), -1);
}

/* A successor that cannot start leaves its predecessor in office. */
static void keeps_the_old_if_the_new_dies(void **state)
{
	int before;

	(void)state;
	start_master(5000);
	WAIT_FOR(all_ready());
	before = atomic_load(&board->pid[0]);
	atomic_store(&board->conduct, DIE);
	kill(master, SIGUSR2);
	WAIT_FOR(atomic_load(&board->gone) == CHILDREN);
	assert_int_equal(atomic_load(&board->starts), 2 * CHILDREN);
	assert_int_equal(atomic_load(&board->stopped), 0);
	assert_int_equal(atomic_load(&board->pid[0]), before);
	/* And is still supervised. */
	atomic_store(&board->conduct, OBEY);
	kill((pid_t)before, SIGKILL);
	WAIT_FOR(atomic_load(&board->pid[0]) != before);
}

/* A child that is silent is killed and started again, also the one that comes after it; the other stays. */
static void replaces_who_hangs(void **state)
{
	int talking, silent;

	(void)state;
	hang_timeout_ms = 1000;
	atomic_store(&board->conduct, HANG);
	start_master(5000);
	WAIT_FOR(all_ready());
	talking = atomic_load(&board->pid[0]);
	silent = atomic_load(&board->pid[1]);
	WAIT_FOR(atomic_load(&board->gone) >= 2);
	assert_int_not_equal(atomic_load(&board->pid[1]), silent);
	assert_int_equal(atomic_load(&board->pid[0]), talking);
	assert_int_equal(atomic_load(&board->stopped), 0);
	assert_int_equal(master_status(), -1);
}

/* A stopped process cannot even be asked to go. */
static void replaces_who_is_stopped(void **state)
{
	int before;

	(void)state;
	hang_timeout_ms = 1000;
	start_master(5000);
	WAIT_FOR(all_ready());
	before = atomic_load(&board->pid[1]);
	kill((pid_t)before, SIGSTOP);
	WAIT_FOR(atomic_load(&board->pid[1]) != before);
	assert_int_equal(atomic_load(&board->gone), 1);
}

/* Where everything stood still, nobody is to blame for silence. */
static void forgives_a_pause_of_all(void **state)
{
	int before[CHILDREN];
	int64_t until_ms;

	(void)state;
	hang_timeout_ms = 500;
	start_master(5000);
	WAIT_FOR(all_ready());
	for (int i = 0; i < CHILDREN; i++) {
		before[i] = atomic_load(&board->pid[i]);
		kill((pid_t)before[i], SIGSTOP);
	}
	kill(master, SIGSTOP);
	until_ms = clock_mono_ms() + 2000;
	WAIT_FOR(clock_mono_ms() >= until_ms);
	kill(master, SIGCONT);
	for (int i = 0; i < CHILDREN; i++)
		kill((pid_t)before[i], SIGCONT);
	kill(master, SIGHUP);
	WAIT_FOR(atomic_load(&board->hups) == CHILDREN);
	assert_int_equal(atomic_load(&board->gone), 0);
}

static void children_follow_the_master(void **state)
{
	(void)state;
	start_master(5000);
	WAIT_FOR(all_ready());
	kill(master, SIGKILL);
	WAIT_FOR(atomic_load(&board->stopped) == CHILDREN);
}

/* The next message that systemd would get, or "". */
static const char *notice(int fd)
{
	static char text[128];
	ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void tells_systemd(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct tempdir dir;
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	(void)state;
	tempdir_init(&dir);
	snprintf(address.sun_path, sizeof(address.sun_path), "%.100s",
		 tempdir_name(&dir, "notify"));
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	setenv("NOTIFY_SOCKET", address.sun_path, 1);
	setenv("WATCHDOG_USEC", "40000", 1);
	atomic_store(&board->conduct, DIE);
	start_master(5000);
	WAIT_FOR(atomic_load(&board->starts) >= CHILDREN);
	/* Not ready, but alive. */
	WAIT_FOR(strcmp(notice(fd), "WATCHDOG=1") == 0);
	atomic_store(&board->conduct, OBEY);
	WAIT_FOR(strcmp(notice(fd), "READY=1") == 0);
	assert_true(all_ready());
	kill(master, SIGHUP);
	WAIT_FOR(strncmp(notice(fd), "RELOADING=1\n", 12) == 0);
	WAIT_FOR(strcmp(notice(fd), "READY=1") == 0);
	kill(master, SIGTERM);
	WAIT_FOR(strcmp(notice(fd), "STOPPING=1") == 0);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	close(fd);
	tempdir_deinit(&dir);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(stops),
		TEST(kills_the_stubborn),
		TEST(respawns),
		TEST(backs_off),
		TEST(reloads),
		TEST(replaces),
		TEST(keeps_the_old_if_the_new_dies),
		TEST(replaces_who_hangs),
		TEST(replaces_who_is_stopped),
		TEST(forgives_a_pause_of_all),
		TEST(children_follow_the_master),
		TEST(tells_systemd),
	};

	unsetenv("NOTIFY_SOCKET");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
