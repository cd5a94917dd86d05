/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What tests with a real PostgreSQL share: the server that live_pg.sh has started, and a relay in
 * front of it that can lose answers at a chosen moment.
 */
#ifndef BELLHOP_TESTS_LIVE_PG_H
#define BELLHOP_TESTS_LIVE_PG_H

#include <stdint.h>

#include "store/pg_conn.h"

/* As the role that bellhop runs under. */
struct pg_opts live_pg_opts(void);

/* A deadline that no sound step misses. */
int64_t live_pg_deadline(void);

/* SQL as a superuser: any text, and one number. They fail the test on error. */
void live_pg_run(const char *format, ...) __attribute__((format(printf, 1, 2)));
int64_t live_pg_number(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Runs a statement that has to succeed and frees it; the result is the caller's. */
PGresult *live_pg_exec(struct pg_conn *c, struct pg_stmt *stmt);

enum relay_mode {
	RELAY_PASS,
	RELAY_CUT,    /* hangs up on both sides instead of passing the server's next answer on */
	RELAY_STALL,  /* keeps the answers of the server for itself */
	RELAY_REFUSE, /* as PASS, but new connections are hung up on */
};

struct relay;

struct relay *relay_start(void);
void relay_stop(struct relay *relay);
void relay_set(struct relay *relay, enum relay_mode mode);

/* live_pg_opts through the relay; valid as long as the relay. */
struct pg_opts relay_opts(const struct relay *relay);

#endif
