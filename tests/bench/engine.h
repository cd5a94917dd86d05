/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Many HTTP transfers in one thread: libcurl's multi interface driven by epoll, so that an event
 * costs the same whether ten or ten thousand connections are open.
 */
#ifndef BELLHOP_BENCH_ENGINE_H
#define BELLHOP_BENCH_ENGINE_H

#include <curl/curl.h>
#include <stdint.h>

struct engine;

/* A transfer under way; embedded by whoever starts it, in place until done() was called. */
struct engine_transfer {
	CURL *easy;

	/* The transfer is over. It may be started again at once, here too. */
	void (*done)(struct engine_transfer *transfer, CURLcode code);
};

/* Connections are kept for later use up to max_connections. NULL if out of memory. */
struct engine *engine_new(long max_connections);

/* All transfers must have ended or been cancelled. NULL is fine. */
void engine_free(struct engine *engine);

/* Begins transfer->easy. done() is called once, from engine_turn(). 0, or -1. */
int engine_start(struct engine *engine, struct engine_transfer *transfer);

/* Gives it up; done() is not called. Not from within a libcurl callback. */
void engine_cancel(struct engine *engine, struct engine_transfer *transfer);

/* Waits at most wait_ms for something to happen and handles it. 0, or -1 on a fault of the engine. */
int engine_turn(struct engine *engine, int wait_ms);

#endif
