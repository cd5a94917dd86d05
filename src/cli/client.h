/* SPDX-License-Identifier: BSD-2-Clause */
/* What the commands that talk to a bellhop server over HTTP share. */
#ifndef BELLHOP_CLI_CLIENT_H
#define BELLHOP_CLI_CLIENT_H

#include <stdbool.h>

#include "cli/command.h"
#include "cli/http.h"

struct conf;

/* What `--as` and the sentence about it are called in every table of options. */
#define CLIENT_AS_ARGUMENT "ROLE"
#define CLIENT_AS_HELP	   "use BELLHOP_TOKEN_ROLE: agent, requester, service or admin"

/*
 * A client of BELLHOP_URL with BELLHOP_CA and the token of that role, or with BELLHOP_TOKEN where
 * role is NULL. NULL after reporting why not; *status_r is then the exit status.
 */
struct http *client_new(const struct invocation *in, const struct conf *conf, const char *role,
			int *status_r);

/* Reports why a call did not bring what it should; returns COMMAND_FAILED. */
int client_fail(const struct invocation *in, enum err err, const struct http_answer *answer);

/* May the same call succeed a little later? After ERR_NONE the status decides. */
bool client_is_passing(enum err err, const struct http_answer *answer);

/* Waits. */
void client_wait_ms(int64_t ms);

/* base_ms doubled for each of `failures` but the first, at most max_ms, less up to a quarter. */
int64_t client_backoff_ms(int64_t base_ms, unsigned int failures, int64_t max_ms);

#endif
