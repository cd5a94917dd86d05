/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Accepts connections in the event loop: some at a time, only from peers that may, and not while
 * descriptors are scarce. The caller's bound leaves enough of them for the stores, so that listening
 * can never starve what it needs.
 */
#ifndef BELLHOP_PUSH_LISTEN_H
#define BELLHOP_PUSH_LISTEN_H

#include <stddef.h>
#include <stdint.h>

struct daemon_peers;
struct event_base;
struct fcgi_server;
struct listen;

enum {
	LISTEN_BATCH = 64,     /* accepted in one turn */
	LISTEN_PAUSE_MS = 1000 /* after EMFILE and its like */
};

struct listen_opts {
	struct event_base *base;
	int fd;				  /* listening, non-blocking; stays the caller's */
	const struct daemon_peers *peers; /* borrowed */
	struct fcgi_server *server;
	size_t max; /* connections; accepting pauses when there are so many */
};

/* Not accepting yet. NULL when out of memory. */
struct listen *listen_new(const struct listen_opts *opts);
void listen_free(struct listen *listen);

void listen_start(struct listen *listen);
void listen_stop(struct listen *listen);

/* A connection is gone: there may be room again. */
void listen_room(struct listen *listen);

#endif
