/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A server that plays a script to the Redis carriers, in a child process: what a real one does only
 * when something is broken.
 */
#ifndef BELLHOP_TESTS_FAKE_REDIS_H
#define BELLHOP_TESTS_FAKE_REDIS_H

#include <sys/types.h>

#include "store/redis_wire.h"
#include "tempdir.h"

/* One connection: what is said to the hello and what to the next thing heard. */
struct fake_redis_turn {
	const char *hello;  /* NULL: closes instead */
	const char *answer; /* NULL: closes instead; "": nothing is ever said */
	bool is_dripping;   /* the answer comes byte by byte */
	bool is_closing;    /* closes after the answer; else waits for the client to go */
};

struct fake_redis {
	struct tempdir dir;
	struct redis_target target;
	pid_t pid;
};

/* The turns are played one connection after the other, and then nobody listens any more. */
void fake_redis_start(struct fake_redis *fake, const struct fake_redis_turn *turns, size_t n);
void fake_redis_stop(struct fake_redis *fake);

#endif
