/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Brings hubs up to date from PostgreSQL: every CHASE_EVERY_MS those whose partition Redis cannot be
 * trusted with, and those with a hole that the record cannot fill, all in one query; at once those that
 * were asked for, because of a hole or because a stream is not where its hub is. After another epoch has begun, it also finds the hubs' new starts, and
 * asks who may still listen; so it does where the record itself has lost events.
 */
#ifndef BELLHOP_PUSH_CHASE_H
#define BELLHOP_PUSH_CHASE_H

#include "push/hub.h"

struct chase;
struct event_base;
struct hubs;
struct stores;

enum { CHASE_EVERY_MS = 500 };

/* Runs after a hub whose hole was filled, or that was restarted, can be followed in Redis again. */
typedef void chase_filled_cb(void *arg, struct hub *hub);

struct chase_opts {
	struct event_base *base;
	struct stores *stores;
	struct hubs *hubs;
	chase_filled_cb *filled;
	void *arg;
};

/* The options are copied. NULL when out of memory. */
struct chase *chase_new(const struct chase_opts *opts);
void chase_free(struct chase *chase);

/* Compare the hub with the record soon, once. */
void chase_ask(struct chase *chase, struct hub *hub);

/* Ask the record who may still listen to the hub; should it not answer, whoever is unproven has to go. */
void chase_people(struct chase *chase, struct hub *hub);

/* As chase_ask(), and the hub has a hole: it cannot go on before. */
void chase_hole(struct chase *chase, struct hub *hub);

/* Something about the stores has changed: perhaps there is something to do. */
void chase_look(struct chase *chase);

/* The hub is about to be freed. */
void chase_forget(struct chase *chase, struct hub *hub);

#endif
