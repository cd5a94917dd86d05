/* SPDX-License-Identifier: BSD-2-Clause */
/* What `bellhop check` finds, line by line, and the examinations, one a file. */
#ifndef BELLHOP_CLI_CHECKS_H
#define BELLHOP_CLI_CHECKS_H

#include <stdbool.h>

#include "web/json_write.h"

struct conf;
struct pg_conn;
struct redis_conn;
struct redis_target;

/* In the order of badness; also the exit status. */
enum check_level {
	CHECK_OK = 0,
	CHECK_WARNING = 1, /* works, but not as it should */
	CHECK_ERROR = 2,   /* does not work */
};

struct checks {
	bool json;	 /* print one JSON text at the end instead of lines */
	struct buf text; /* of that JSON */
	struct json_write w;
	enum check_level worst;
};

void checks_init(struct checks *checks, bool json);
void checks_deinit(struct checks *checks);

/* Notes one finding, and prints it now unless it goes into the JSON. */
void checks_add(struct checks *checks, enum check_level level, const char *what, const char *format,
		...) __attribute__((format(printf, 4, 5)));

/* The same for each line of a report. */
void checks_add_lines(struct checks *checks, enum check_level level, const char *what,
		      const struct buf *lines);

/* Prints what is still to be printed and returns the worst level. */
enum check_level checks_finish(struct checks *checks);

/* Whether nothing leaves this machine on the way to a host: a name, or an address without brackets. */
bool checks_is_loopback(struct str host);

/* The examinations. Each reports all it finds; a time-out is a finding. */
void check_keys(struct checks *checks, const struct conf *conf);
void check_postgres(struct checks *checks, const struct conf *conf);
void check_redis(struct checks *checks, const struct conf *conf);
void check_redis_user(struct checks *checks, const struct redis_target *target,
		      struct redis_conn *redis,
		      int64_t connect_timeout_ms);	    /* part of the former */
void check_role(struct checks *checks, struct pg_conn *pg); /* part of check_postgres() */
void check_seal(struct checks *checks, const struct conf *conf);
void check_sockets(struct checks *checks, const struct conf *conf);
void check_url(struct checks *checks, const struct conf *conf);

#endif
