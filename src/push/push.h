/* SPDX-License-Identifier: BSD-2-Clause */
/* What the subscribers of one process share; made by child.c, which also says what the parts are. */
#ifndef BELLHOP_PUSH_PUSH_H
#define BELLHOP_PUSH_PUSH_H

#include <stddef.h>
#include <stdint.h>

#include "chat/limits.h"

struct event_base;
struct chase;
struct fcgi_server;
struct hubs;
struct inbox;
struct leases;
struct limiter;
struct revoked;
struct live;
struct notices;
struct openings;
struct restore;
struct stores;
struct subscribers;
struct tail;
struct turn;

/* Settings that apply to subscribers; a reload changes them in place. */
struct push_limits {
	int64_t heartbeat_ms;
	int64_t retry_ms;
	size_t slow_bytes;
	size_t connections;
	size_t streams;	       /* of one user; 0: as many as he likes */
	size_t stream_tickets; /* of one subscriber; 0: as many as there may be */
	struct limits rates;   /* of polls */
};

struct push {
	struct event_base *base;
	struct turn *turn;
	struct fcgi_server *server;
	struct stores *stores;
	struct hubs *hubs;
	struct leases *leases;	 /* who is there */
	struct live *live;	 /* what may be lost, */
	struct notices *notices; /* and those who tell of it */
	struct inbox *inbox;
	struct tail *tail;
	struct chase *chase;
	struct restore *restore;
	struct revoked *revoked;
	struct limiter *limiter;
	struct subscribers *subscribers;
	struct openings *openings; /* those who will be */
	struct push_limits limits;
};

/* A time to wait, spread by half of it to either side so that not all come back at once. */
int64_t push_jitter_ms(int64_t ms);

#endif
