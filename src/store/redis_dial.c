/* SPDX-License-Identifier: BSD-2-Clause */
/* A server's addresses, one after the other. */
#include "config.h"

#include "store/redis_dial.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"

enum { REASONS_MAX = 1024 }; /* bytes: whoever asks cuts them, too */

/* A socket on which connect(2) has begun, or -1 with errno. */
static int begin_connect(int family, const struct sockaddr *address, socklen_t size)
{
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd == -1)
		return -1;
	if (family != AF_UNIX) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	}
	if (connect(fd, address, size) == -1 && errno != EINPROGRESS) {
		int saved = errno;

		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

static int connect_unix(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	memcpy(address.sun_path, path, strlen(path) + 1);
	return begin_connect(AF_UNIX, (const struct sockaddr *)&address, sizeof(address));
}

int redis_dial_begin(struct redis_dial *dial, const struct redis_target *target,
		     int64_t deadline_ms)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};

	*dial = (struct redis_dial){
		.target = target, .deadline_ms = deadline_ms, .reasons = {.limit = REASONS_MAX}};
	if (target->path != NULL) {
		dial->count = 1;
	} else if (getaddrinfo(target->host, target->port, &hints, &dial->found) != 0) {
		*dial = (struct redis_dial){0};
		errno = EHOSTUNREACH;
		return -1;
	}
	dial->next = dial->found;
	for (const struct addrinfo *a = dial->found; a != NULL; a = a->ai_next)
		dial->count++;
	dial->left = dial->count;
	return 0;
}

int redis_dial_next(struct redis_dial *dial, int64_t *until_ms_r)
{
	const struct addrinfo *address = dial->next;
	int64_t now_ms = clock_mono_ms();

	*until_ms_r = now_ms + (dial->deadline_ms - now_ms) / (int64_t)dial->left;
	dial->left--;
	if (dial->target->path != NULL)
		return connect_unix(dial->target->path);
	dial->next = address->ai_next;
	return begin_connect(address->ai_family, address->ai_addr, address->ai_addrlen);
}

/* The address that was taken last. */
static void put_address(struct redis_dial *dial)
{
	const struct addrinfo *address = dial->found;
	char host[INET6_ADDRSTRLEN + 16];

	while (address->ai_next != dial->next)
		address = address->ai_next;
	if (getnameinfo(address->ai_addr, address->ai_addrlen, host, sizeof(host), NULL, 0,
			NI_NUMERICHOST) == 0)
		buf_printf(&dial->reasons, "%s: ", host);
}

bool redis_dial_go_on(struct redis_dial *dial, char *reason, size_t size)
{
	const char *all;

	if (dial->count > 1) {
		if (dial->reasons.len > 0)
			buf_puts(&dial->reasons, "; ");
		put_address(dial);
		buf_puts(&dial->reasons, reason);
		all = buf_cstr(&dial->reasons);
		if (dial->left == 0 && all != NULL)
			snprintf(reason, size, "%s", all);
	}
	return dial->left > 0;
}

bool redis_dial_has_more(const struct redis_dial *dial)
{
	return dial->left > 0;
}

void redis_dial_end(struct redis_dial *dial)
{
	if (dial->found != NULL)
		freeaddrinfo(dial->found);
	buf_deinit(&dial->reasons);
	*dial = (struct redis_dial){0};
}
