/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bellhop check: how Redis is reached, who gets in, and what our user may do beyond what it needs. Redis
 * tells nobody but an administrator, so it is tried, with what changes nothing; in ACL LOG that is seen
 * as denied to the client bellhop-check.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/checks.h"
#include "store/redis_conn.h"

enum { TIMEOUT_MS = 3000, TRIALS = 6 };

static void check_transport(struct checks *checks, const struct redis_target *target)
{
	if (target->path != NULL)
		checks_add(checks, CHECK_OK, "redis transport", "a unix socket");
	else if (target->is_tls)
		checks_add(checks, CHECK_OK, "redis transport", "TLS");
	else if (checks_is_loopback(str_of(target->host)))
		checks_add(checks, CHECK_OK, "redis transport", "this machine alone");
	else
		checks_add(checks, CHECK_WARNING, "redis transport",
			   "%s is reached without TLS, password and messages can be read on the "
			   "way: %s (contrib/redis/README)",
			   target->host,
			   redis_tls_is_built() ? "use rediss://" : "use a local stunnel");
}

/* Sends one command by a connection of its own without a name and password. True: it was answered. */
static bool gets_in(const struct redis_target *target, int64_t connect_timeout_ms)
{
	struct redis_target nobody = {0};
	struct redis_conn *redis = NULL;
	struct buf commands = BUF_INIT;
	redisReply *reply = NULL;
	bool is_in = false;

	if (redis_target_copy(target, &nobody) == 0) {
		free(nobody.user);
		redis_target_forget_password(&nobody);
		nobody.user = NULL;
		nobody.db = 0;
		redis = redis_conn_new(&nobody, "bellhop-check", connect_timeout_ms);
	}
	redis_wire_putc(&commands, "TIME", (char *)NULL);
	if (redis != NULL &&
	    redis_conn_exec(redis, &commands, 1, clock_mono_ms() + TIMEOUT_MS, &reply) == ERR_NONE)
		is_in = reply->type != REDIS_REPLY_ERROR;
	redis_conn_release(&reply, 1);
	redis_conn_free(redis);
	redis_target_deinit(&nobody);
	buf_deinit(&commands);
	return is_in;
}

/* The value of CONFIG GET, where that is allowed. */
static bool is_config(const redisReply *reply, const char *value)
{
	return reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
	       reply->element[1]->type == REDIS_REPLY_STRING &&
	       strcmp(reply->element[1]->str, value) == 0;
}

/* Harmless commands, each of which stands for others that a user of ours must not have. */
static void put_trials(struct buf *b)
{
	redis_wire_putc(b, "CONFIG", "GET", "protected-mode", (char *)NULL);
	redis_wire_putc(b, "EVAL", "return 1", "0", (char *)NULL);
	redis_wire_putc(b, "FUNCTION", "LOAD", "", (char *)NULL);
	redis_wire_putc(b, "ACL", "WHOAMI", (char *)NULL);
	redis_wire_putc(b, "GET", "-not-of-bellhop", (char *)NULL);
	redis_wire_putc(b, "PUBLISH", "-not-of-bellhop", "", (char *)NULL);
}

static void check_rights(struct checks *checks, redisReply *const *replies)
{
	static const char *const texts[TRIALS] = {"CONFIG",	    "EVAL",
						  "FUNCTION LOAD",  "ACL WHOAMI",
						  "keys of others", "channels of others"};
	struct buf list = BUF_INIT;

	for (size_t i = 0; i < TRIALS; i++) {
		const redisReply *reply = replies[i];

		if (reply->type == REDIS_REPLY_ERROR &&
		    str_starts((struct str){reply->str, reply->len}, STR("NOPERM")))
			continue;
		buf_printf(&list, "%s%s", list.len > 0 ? ", " : "", texts[i]);
	}
	if (list.len > 0)
		checks_add(checks, CHECK_WARNING, "redis user",
			   "may do more than it needs (%.*s): use the users of "
			   "contrib/redis/users.acl",
			   STR_ARG(buf_str(&list)));
	else
		checks_add(checks, CHECK_OK, "redis user", "may do what it needs");
	buf_deinit(&list);
}

void check_redis_user(struct checks *checks, const struct redis_target *target,
		      struct redis_conn *redis, int64_t connect_timeout_ms)
{
	redisReply *replies[TRIALS] = {NULL};
	struct buf commands = BUF_INIT;
	bool is_open;

	check_transport(checks, target);
	put_trials(&commands);
	if (redis_conn_exec(redis, &commands, TRIALS, clock_mono_ms() + TIMEOUT_MS, replies) !=
	    ERR_NONE) {
		checks_add(checks, CHECK_ERROR, "redis user", "%s", redis_conn_reason(redis));
		goto out;
	}
	is_open = gets_in(target, connect_timeout_ms);
	if (is_open)
		checks_add(
			checks, CHECK_WARNING, "redis password",
			"anybody gets in without one%s: `user default off ~* &* +@all` closes it "
			"(contrib/redis/README)",
			is_config(replies[0], "no") ? ", from other machines too, since "
						      "protected-mode is off"
						    : "");
	else if (target->user == NULL || strcmp(target->user, "default") == 0)
		checks_add(checks, CHECK_WARNING, "redis password",
			   "it is that of the user default: use a user of contrib/redis/users.acl");
	else
		checks_add(checks, CHECK_OK, "redis password", "is asked for");
	check_rights(checks, replies);
out:
	redis_conn_release(replies, TRIALS);
	buf_deinit(&commands);
}
