/* SPDX-License-Identifier: BSD-2-Clause */
/* Clients by the settings, waiting and complaining. */
#include "config.h"

#include "cli/client.h"

#include <poll.h>
#include <sodium.h>
#include <string.h>

#include "base/clock.h"
#include "base/conf.h"
#include "web/ids.h"

enum { CALL_TIMEOUT_MS = 10000 };

/* The setting that holds a role's token, by enum role. */
static const enum conf_key role_tokens[] = {
	[ROLE_REQUESTER] = CONF_TOKEN_REQUESTER,
	[ROLE_AGENT] = CONF_TOKEN_AGENT,
	[ROLE_SERVICE] = CONF_TOKEN_SERVICE,
	[ROLE_ADMIN] = CONF_TOKEN_ADMIN,
};

struct http *client_new(const struct invocation *in, const struct conf *conf, const char *role,
			int *status_r)
{
	enum conf_key key = CONF_TOKEN;
	enum role found;
	struct http_opts opts = {.timeout_ms = CALL_TIMEOUT_MS};
	struct http *http;

	if (role != NULL) {
		if (ids_role_find(str_of(role), &found) != 0) {
			*status_r = command_usage(in, "there is no role '%s'", role);
			return NULL;
		}
		key = role_tokens[found];
	}
	opts.url = conf_str(conf, CONF_URL);
	opts.ca_file = conf_str(conf, CONF_CA);
	opts.token = conf_str(conf, key);
	*status_r = COMMAND_FAILED;
	if (opts.token[0] == '\0') {
		command_fail(in, "no token: set %s%s", conf_table_item(key)->name,
			     role == NULL ? ", or name a role with --as" : "");
		return NULL;
	}
	http = http_new(&opts);
	if (http == NULL)
		command_fail(in, "could not make a client of BELLHOP_URL=%s", opts.url);
	return http;
}

int client_fail(const struct invocation *in, enum err err, const struct http_answer *answer)
{
	struct buf text;

	if (err != ERR_NONE)
		return command_fail(in, "%s", answer->trouble[0] ? answer->trouble : err_text(err));
	buf_init(&text);
	http_describe(answer, &text);
	command_fail(in, "%s", buf_cstr(&text) ? buf_cstr(&text) : err_text(ERR_MEMORY));
	buf_deinit(&text);
	return COMMAND_FAILED;
}

bool client_is_passing(enum err err, const struct http_answer *answer)
{
	if (err != ERR_NONE)
		return err == ERR_UNAVAILABLE || err == ERR_UNCERTAIN || err == ERR_TIMEOUT;
	switch (answer->status) {
	case 429:
	case 500:
	case 502:
	case 503:
	case 504:
		return true;
	default:
		return false;
	}
}

void client_wait_ms(int64_t ms)
{
	int64_t deadline_ms = clock_mono_ms() + ms;

	while (clock_mono_ms() < deadline_ms)
		poll(NULL, 0, clock_wait_ms(deadline_ms));
}

int64_t client_backoff_ms(int64_t base_ms, unsigned int failures, int64_t max_ms)
{
	int64_t ms = base_ms;

	while (failures-- > 1 && ms < max_ms)
		ms *= 2;
	if (ms > max_ms)
		ms = max_ms;
	return ms - (int64_t)randombytes_uniform((uint32_t)(ms / 4 + 1));
}
