/* SPDX-License-Identifier: BSD-2-Clause */
/* bellhop check: the keys of tokens, the secret, and who may name a user. */
#include "config.h"

#include <sys/stat.h>

#include "base/conf.h"
#include "base/secret.h"
#include "cli/checks.h"
#include "web/keyring.h"

enum { SECRET_MIN = 32 };

static void check_ring(struct checks *checks, const struct conf *conf)
{
	struct keyring_source source = {
		.key_file = conf_str(conf, CONF_JWT_KEY_FILE),
		.kid = conf_str(conf, CONF_JWT_KID),
		.keys_dir = conf_str(conf, CONF_JWT_KEYS_DIR),
	};
	struct buf error;
	struct keyring *ring;

	buf_init(&error);
	ring = keyring_load(&source, &error);
	if (ring != NULL)
		checks_add(checks, CHECK_OK, "keys", "%zu for tokens", keyring_count(ring));
	else
		checks_add_lines(checks, CHECK_ERROR, "keys", &error);
	keyring_free(ring);
	buf_deinit(&error);
}

static void check_secret(struct checks *checks, const struct conf *conf)
{
	const char *path = conf_str(conf, CONF_SECRET_FILE);
	struct secret secret = {0};
	struct buf error;

	buf_init(&error);
	if (path[0] == '\0')
		checks_add(checks, CHECK_ERROR, "secret", "BELLHOP_SECRET_FILE is not set");
	else if (secret_load(path, SECRET_MIN, &secret, &error) != 0)
		checks_add_lines(checks, CHECK_ERROR, "secret", &error);
	else
		checks_add(checks, CHECK_OK, "secret", "%s, %zu bytes", path, secret.len);
	secret_wipe(&secret);
	buf_deinit(&error);
}

/* Plain http is for trying things out on one machine. */
static bool is_local(struct str origin)
{
	struct str host;

	str_split(&origin, '/', &host); /* http: and nothing, */
	str_split(&origin, '/', &host);
	if (!str_split(&origin, str_starts(origin, STR("[")) ? ']' : ':', &host))
		return false;
	if (str_starts(host, STR("[")))
		host = (struct str){host.p + 1, host.n - 1};
	return checks_is_loopback(host);
}

static void check_origins(struct checks *checks, struct str list)
{
	struct str origin;

	while (str_word(&list, &origin)) {
		bool secure = str_starts(origin, STR("https://"));

		if (!secure && !str_starts(origin, STR("http://")))
			checks_add(checks, CHECK_ERROR, "origins", "%.*s is not an origin",
				   STR_ARG(origin));
		else if (origin.p[origin.n - 1] == '/')
			checks_add(checks, CHECK_ERROR, "origins",
				   "%.*s ends in a slash, so no browser will match it",
				   STR_ARG(origin));
		else if (!secure && !is_local(origin))
			checks_add(checks, CHECK_WARNING, "origins", "%.*s is not encrypted",
				   STR_ARG(origin));
	}
}

/* Secrets in the settings themselves are for those who may read that file. */
static void check_file(struct checks *checks, const struct conf *conf)
{
	const char *path = conf_secret_file(conf);
	struct stat st;

	if (path != NULL && stat(path, &st) == 0 && (st.st_mode & (S_IROTH | S_IWOTH)) != 0)
		checks_add(
			checks, CHECK_WARNING, "settings",
			"everybody on this machine may read %s, and the secrets in it: chmod 640, or "
			"name files of their own (REDIS_PASSWORD_FILE and so on)",
			path);
}

static void check_life(struct checks *checks, const struct conf *conf)
{
	enum { DAYS_MAX = 92 };
	int64_t days = conf_int(conf, CONF_TOKEN_MAX_DAYS);

	if (days > DAYS_MAX)
		checks_add(
			checks, CHECK_WARNING, "tokens",
			"BELLHOP_TOKEN_MAX_DAYS is %lld: a token that was stolen is good for that "
			"long; %d and less is prudent",
			(long long)days, DAYS_MAX);
}

void check_keys(struct checks *checks, const struct conf *conf)
{
	check_file(checks, conf);
	check_life(checks, conf);
	check_ring(checks, conf);
	check_secret(checks, conf);
	check_origins(checks, str_of(conf_str(conf, CONF_ALLOWED_ORIGINS)));
	check_origins(checks, str_of(conf_str(conf, CONF_CORS_ORIGINS)));
	if (conf_bool(conf, CONF_TRUST_PARAMS) && conf_str(conf, CONF_SOCKET_PEERS)[0] == '\0')
		checks_add(checks, CHECK_WARNING, "trust",
			   "BELLHOP_TRUST_PARAMS without BELLHOP_SOCKET_PEERS: whoever can connect "
			   "to a socket can be anybody");
}
