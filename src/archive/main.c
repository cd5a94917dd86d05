/* SPDX-License-Identifier: BSD-2-Clause */
/* bellhop-archive: start, the loop and its pace, signals, reload, end. */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "archive/archive.h"
#include "base/clock.h"
#include "base/daemon.h"
#include "base/log.h"
#include "base/startup.h"

/* For --test-config and reload: what the settings table cannot say. */
static int check(const struct conf *conf, struct buf *error)
{
	struct archive a;
	int status = archive_init(&a, conf, error);

	archive_deinit(&a);
	return status;
}

static void reload(struct archive *a, struct startup *startup)
{
	struct conf *old;

	a->should_reload = false;
	daemon_notify_reloading();
	if (startup_reload(startup, &old) == 0) {
		archive_configure(a, startup->conf);
		conf_free(old);
	}
	daemon_notify("READY=1");
}

/* Waits until the time has come, or a signal. */
static void wait_until(struct archive *a, int64_t deadline_ms)
{
	struct pollfd p = {.fd = a->signal_fd, .events = POLLIN};

	while (!archive_is_stopping(a) && !a->should_reload && clock_mono_ms() < deadline_ms) {
		if (poll(&p, 1, clock_wait_ms(deadline_ms)) == -1 && errno != EINTR)
			return;
	}
}

static void run(struct archive *a, struct startup *startup)
{
	int64_t watchdog_ms = daemon_watchdog_ms();
	int64_t next_ms = clock_mono_ms();
	int64_t next_sign_ms = next_ms;

	daemon_notify("READY=1");
	while (!archive_is_stopping(a)) {
		if (a->should_reload)
			reload(a, startup);
		if (clock_mono_ms() >= next_ms) {
			next_ms = clock_mono_ms() + a->sweep_ms;
			archive_tick(a);
		}
		if (watchdog_ms > 0 && clock_mono_ms() >= next_sign_ms) {
			next_sign_ms = clock_mono_ms() + watchdog_ms;
			daemon_notify("WATCHDOG=1");
		}
		wait_until(a, next_ms);
	}
	daemon_notify("STOPPING=1");
}

int main(int argc, char **argv)
{
	static const struct startup_program program = {.name = "bellhop-archive", .check = check};
	struct startup startup;
	struct archive a = {.signal_fd = -1};
	struct buf error = BUF_INIT;
	int status = startup_begin(&program, argc, argv, &startup);

	if (status != STARTUP_GO_ON)
		return status;
	status = 1;
	if (startup_drop_root(&startup, &error) != 0 ||
	    archive_init(&a, startup.conf, &error) != 0) {
		log_error(NULL, "could not start", LOG_S("reason", str_trim(buf_str(&error))));
		goto out;
	}
	a.signal_fd = daemon_signals_open();
	if (a.signal_fd == -1) {
		log_error(NULL, "could not start", LOG_ERRNO(errno));
		goto out;
	}
	log_info(NULL, "started", LOG_INT("sweep_ms", a.sweep_ms));
	run(&a, &startup);
	log_info(NULL, "stopped");
	close(a.signal_fd);
	status = 0;
out:
	archive_deinit(&a);
	buf_deinit(&error);
	startup_end(&startup);
	return status;
}
