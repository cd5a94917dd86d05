/* SPDX-License-Identifier: BSD-2-Clause */
/* A server that plays a script. */
#include "config.h"

#include "fake_redis.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void say(int fd, const char *text, size_t step)
{
	size_t n = strlen(text);

	for (size_t i = 0; i < n; i += step) {
		if (send(fd, text + i, i + step <= n ? step : n - i, MSG_NOSIGNAL) < 0)
			return;
	}
}

static void play(int fd, const struct fake_redis_turn *turn)
{
	char heard[65536];

	if (read(fd, heard, sizeof(heard)) <= 0 || turn->hello == NULL)
		return;
	say(fd, turn->hello, 65536);
	if (read(fd, heard, sizeof(heard)) <= 0 || turn->answer == NULL)
		return;
	say(fd, turn->answer, turn->is_dripping ? 1 : 65536);
	while (!turn->is_closing && read(fd, heard, sizeof(heard)) > 0)
		continue;
}

void fake_redis_start(struct fake_redis *fake, const struct fake_redis_turn *turns, size_t n)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const char *path;

	tempdir_init(&fake->dir);
	path = tempdir_name(&fake->dir, "s");
	memcpy(address.sun_path, path, strlen(path) + 1);
	fake->target = (struct redis_target){.path = strdup(path)};
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    listen(listener, 8) != 0)
		abort();
	fake->pid = fork();
	if (fake->pid == 0) {
		for (size_t i = 0; i < n; i++) {
			int fd = accept(listener, NULL, NULL);

			play(fd, &turns[i]);
			close(fd);
		}
		_exit(0);
	}
	close(listener);
}

void fake_redis_stop(struct fake_redis *fake)
{
	kill(fake->pid, SIGKILL);
	waitpid(fake->pid, NULL, 0);
	redis_target_deinit(&fake->target);
	tempdir_deinit(&fake->dir);
}
