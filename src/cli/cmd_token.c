/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bellhop token: signs a token, explains one, or prints the CSRF token that belongs to one. A token
 * is a password, so one to be looked at may come from a file or from standard input instead of the
 * command line, which others can see.
 */
#include "config.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/conf.h"
#include "base/secret.h"
#include "cli/commands.h"
#include "cli/token_explain.h"
#include "web/authn.h"
#include "web/ids.h"
#include "web/json_write.h"
#include "web/jwt.h"
#include "web/keyring.h"

enum {
	OPTION_ALL_TICKETS = OPTION_LONG,
	OPTION_CSRF,
	OPTION_EXPLAIN,
	OPTION_KEY,
	OPTION_KID,
	OPTION_NAME,
	OPTION_ROLE,
	OPTION_TICKET,
	OPTION_TTL,
	OPTION_USER,
	TICKETS_MAX = 100,
	TTL_S = 3600,
	SECRET_MIN = 32,
};

static const struct command_option options[] = {
	{OPTION_USER, "user", "USER", "the user id (required)"},
	{OPTION_ROLE, "role", "ROLE", "requester (default), agent, service or admin"},
	{OPTION_TICKET, "ticket", "TICKET", "a ticket that the user may act on; may be repeated"},
	{OPTION_ALL_TICKETS, "all-tickets", NULL, "the user may act on every ticket"},
	{OPTION_NAME, "name", "NAME", "the name shown to others"},
	{OPTION_TTL, "ttl", "TIME", "how long the token is good, such as 15m, 8h or 7d (1h)"},
	{OPTION_KEY, "key", "FILE", "sign with this key (BELLHOP_JWT_KEY_FILE)"},
	{OPTION_KID, "kid", "KID", "the name of that key (BELLHOP_JWT_KID)"},
	{OPTION_EXPLAIN, "explain", NULL, "show what TOKEN says and whether it is accepted"},
	{OPTION_CSRF, "csrf", NULL, "print the X-CSRF-Token for a cookie holding TOKEN"},
	{0},
};

struct wanted {
	const char *user;
	const char *name;
	const char *key_file;
	const char *kid;
	struct str tickets[TICKETS_MAX];
	size_t n_tickets;
	enum role role;
	long ttl_s;
	bool all_tickets;
	bool explain;
	bool csrf;
	bool mints; /* an option came that only makes sense for signing */
};

/* The payload of the token wanted; BELLHOP_JWT_ISSUER and _AUDIENCE go into it where they are set. */
static int make_payload(const struct wanted *w, const struct conf *conf, struct buf *payload)
{
	unsigned char random[16];
	char jti[2 * sizeof(random) + 1];
	int64_t now_s = clock_real_ms() / 1000;
	struct json_write json;

	randombytes_buf(random, sizeof(random));
	sodium_bin2hex(jti, sizeof(jti), random, sizeof(random));
	json_write_init(&json, payload);
	json_write_open_object(&json);
	json_write_member_cstr(&json, "sub", w->user);
	if (w->name != NULL)
		json_write_member_cstr(&json, "name", w->name);
	json_write_member_cstr(&json, "role", ids_role_text(w->role));
	if (w->all_tickets) {
		json_write_member_cstr(&json, "tickets", "*");
	} else if (w->n_tickets > 0) {
		json_write_member_array(&json, "tickets");
		for (size_t i = 0; i < w->n_tickets; i++)
			json_write_str(&json, w->tickets[i]);
		json_write_close(&json);
	}
	if (conf_is_set(conf, CONF_JWT_ISSUER))
		json_write_member_cstr(&json, "iss", conf_str(conf, CONF_JWT_ISSUER));
	if (conf_is_set(conf, CONF_JWT_AUDIENCE))
		json_write_member_cstr(&json, "aud", conf_str(conf, CONF_JWT_AUDIENCE));
	json_write_member_int(&json, "iat", now_s);
	json_write_member_int(&json, "exp", now_s + w->ttl_s);
	json_write_member_cstr(&json, "jti", jti);
	json_write_close(&json);
	return json_write_finish(&json);
}

/* Reports the line in error without its end. */
static int fail_with(const struct invocation *in, const char *what, struct buf *error)
{
	struct str line = buf_str(error);

	while (line.n > 0 && line.p[line.n - 1] == '\n')
		line.n--;
	return command_fail(in, "%s: %.*s", what, STR_ARG(line));
}

static int mint(struct invocation *in, const struct wanted *w, const struct conf *conf)
{
	struct keyring_source source = {
		.key_file = w->key_file ? w->key_file : conf_str(conf, CONF_JWT_KEY_FILE),
		.kid = w->kid ? w->kid : conf_str(conf, CONF_JWT_KID),
	};
	struct keyring *ring = NULL;
	const struct keyring_key *key;
	struct buf error;
	struct buf payload;
	struct buf token;
	int status = COMMAND_FAILED;

	buf_init(&error);
	buf_init(&payload);
	buf_init(&token);
	if (source.key_file[0] == '\0') {
		status = command_usage(in, "no key: give --key, or set BELLHOP_JWT_KEY_FILE");
		goto out;
	}
	ring = keyring_load(&source, &error);
	key = ring != NULL ? keyring_find(ring, str_of(source.kid)) : NULL;
	if (key == NULL) {
		fail_with(in, "could not load the key", &error);
		goto out;
	}
	if (make_payload(w, conf, &payload) != 0) {
		command_fail(in, "could not write the claims");
		goto out;
	}
	if (jwt_sign(key, str_of(source.kid), buf_str(&payload), &token) != 0) {
		command_fail(in, "could not sign: is %s a public key?", source.key_file);
		goto out;
	}
	printf("%.*s\n", STR_ARG(buf_str(&token)));
	status = COMMAND_OK;
out:
	keyring_free(ring);
	buf_deinit(&error);
	buf_deinit(&payload);
	if (token.data != NULL)
		sodium_memzero(token.data, token.cap);
	buf_deinit(&token);
	return status;
}

/* The token from the operand: itself, @FILE, or - for standard input. 0, or -1 after reporting. */
static int read_token(struct invocation *in, struct buf *token)
{
	const char *operand = in->argc == 1 ? in->argv[0] : "-";
	FILE *file = stdin;
	char part[1024];
	size_t n;

	token->limit = JWT_BYTES_MAX + sizeof(part);
	if (operand[0] != '@' && strcmp(operand, "-") != 0) {
		buf_puts(token, operand);
		return 0;
	}
	if (operand[0] == '@')
		file = fopen(operand + 1, "re");
	if (file == NULL) {
		command_fail(in, "could not open %s: %s", operand + 1, strerror(errno));
		return -1;
	}
	while ((n = fread(part, 1, sizeof(part), file)) > 0)
		buf_put(token, part, n);
	if (file != stdin)
		fclose(file);
	if (!buf_ok(token)) {
		command_fail(in, "that is too long for a token");
		return -1;
	}
	return 0;
}

static struct str without_line_end(struct str token)
{
	while (token.n > 0 && (token.p[token.n - 1] == '\n' || token.p[token.n - 1] == '\r'))
		token.n--;
	return token;
}

static int explain(struct invocation *in, const struct conf *conf, struct str token)
{
	struct keyring_source source = {
		.key_file = conf_str(conf, CONF_JWT_KEY_FILE),
		.kid = conf_str(conf, CONF_JWT_KID),
		.keys_dir = conf_str(conf, CONF_JWT_KEYS_DIR),
	};
	struct jwt_policy policy = {
		.issuer = conf_str(conf, CONF_JWT_ISSUER),
		.audience = conf_str(conf, CONF_JWT_AUDIENCE),
		.max_days = (int)conf_int(conf, CONF_TOKEN_MAX_DAYS),
	};
	struct keyring *ring;
	struct buf error;
	struct buf text;
	enum jwt_result result;

	buf_init(&error);
	buf_init(&text);
	ring = keyring_load(&source, &error);
	policy.ring = ring;
	result = token_explain(token, ring ? &policy : NULL, clock_real_ms(), &text);
	if (buf_ok(&text))
		fwrite(text.data, 1, text.len, stdout);
	if (ring == NULL)
		fail_with(in, "no keys to check it with", &error);
	buf_deinit(&error);
	buf_deinit(&text);
	keyring_free(ring);
	return ring != NULL && result == JWT_OK ? COMMAND_OK : COMMAND_FAILED;
}

static int print_csrf(struct invocation *in, const struct conf *conf, struct str token)
{
	const char *path = conf_str(conf, CONF_SECRET_FILE);
	struct secret secret = {0};
	char csrf[AUTHN_CSRF_SIZE];
	struct buf error;
	int status = COMMAND_FAILED;

	if (path[0] == '\0')
		return command_fail(in, "BELLHOP_SECRET_FILE is not set");
	buf_init(&error);
	if (secret_load(path, SECRET_MIN, &secret, &error) != 0) {
		fail_with(in, "could not load the secret", &error);
	} else if (authn_csrf((struct str){(const char *)secret.data, secret.len}, token, csrf) !=
		   0) {
		command_fail(in, "could not derive the token");
	} else {
		puts(csrf);
		status = COMMAND_OK;
	}
	secret_wipe(&secret);
	buf_deinit(&error);
	return status;
}

static int look_at_token(struct invocation *in, const struct wanted *w, const struct conf *conf)
{
	struct buf token;
	struct str trimmed;
	int status = COMMAND_FAILED;

	buf_init(&token);
	if (read_token(in, &token) == 0) {
		trimmed = without_line_end(buf_str(&token));
		status = w->explain ? explain(in, conf, trimmed) : print_csrf(in, conf, trimmed);
	}
	if (token.data != NULL)
		sodium_memzero(token.data, token.cap);
	buf_deinit(&token);
	return status;
}

/* Takes an option that shapes the token to sign; COMMAND_OK or what to return. */
static int take_claim(struct invocation *in, struct wanted *w, int id)
{
	struct str value = str_of(in->value);

	w->mints = true;
	switch (id) {
	case OPTION_USER:
		w->user = in->value;
		if (!ids_is_user(value))
			return command_usage(in, "'%s' cannot be a user", in->value);
		break;
	case OPTION_NAME:
		w->name = in->value;
		if (!ids_is_name(value))
			return command_usage(in, "a name is 1 to %d bytes of one line",
					     IDS_NAME_MAX);
		break;
	case OPTION_ROLE:
		if (ids_role_find(value, &w->role) != 0)
			return command_usage(in, "there is no role '%s'", in->value);
		break;
	case OPTION_TICKET:
		if (!ids_is_ticket(value))
			return command_usage(in, "'%s' cannot be a ticket", in->value);
		if (w->n_tickets == TICKETS_MAX)
			return command_usage(in, "at most %d tickets", TICKETS_MAX);
		w->tickets[w->n_tickets++] = value;
		break;
	case OPTION_ALL_TICKETS:
		w->all_tickets = true;
		break;
	case OPTION_TTL:
		w->ttl_s = command_duration_s(in->value);
		if (w->ttl_s <= 0)
			return command_usage(in, "'%s' is not a time such as 15m or 8h", in->value);
		break;
	}
	return COMMAND_OK;
}

static int take_option(struct invocation *in, struct wanted *w, int id)
{
	switch (id) {
	case OPTION_EXPLAIN:
		w->explain = true;
		return COMMAND_OK;
	case OPTION_CSRF:
		w->csrf = true;
		return COMMAND_OK;
	case OPTION_KEY:
		w->key_file = in->value;
		w->mints = true;
		return COMMAND_OK;
	case OPTION_KID:
		w->kid = in->value;
		w->mints = true;
		return COMMAND_OK;
	default:
		return take_claim(in, w, id);
	}
}

/* Do the options make sense together? COMMAND_OK or what to return. */
static int check_wanted(struct invocation *in, const struct wanted *w, const struct conf *conf)
{
	int64_t max_days = conf_int(conf, CONF_TOKEN_MAX_DAYS);

	if (w->explain || w->csrf) {
		if (w->mints || (w->explain && w->csrf))
			return command_usage(in,
					     "signing, --explain and --csrf exclude each other");
		if (in->argc > 1)
			return command_usage(in, "it takes one TOKEN");
		return COMMAND_OK;
	}
	if (w->user == NULL)
		return command_usage(in, "--user is missing");
	if (in->argc > 0)
		return command_usage(in, "'%s' is not expected here", in->argv[0]);
	if (w->all_tickets && w->n_tickets > 0)
		return command_usage(in, "--ticket and --all-tickets exclude each other");
	if (w->ttl_s > max_days * 86400)
		return command_usage(in,
				     "a token is good for at most %lld days "
				     "(BELLHOP_TOKEN_MAX_DAYS)",
				     (long long)max_days);
	return COMMAND_OK;
}

static int run(struct invocation *in)
{
	struct wanted w = {.ttl_s = TTL_S, .role = ROLE_REQUESTER};
	struct conf *conf;
	int status;
	int id;

	while ((id = command_option(in)) > 0) {
		status = take_option(in, &w, id);
		if (status != COMMAND_OK)
			return status;
	}
	if (id < 0)
		return in->status;
	conf = command_conf(in);
	if (conf == NULL)
		return COMMAND_FAILED;
	status = check_wanted(in, &w, conf);
	if (status == COMMAND_OK)
		status = w.explain || w.csrf ? look_at_token(in, &w, conf) : mint(in, &w, conf);
	conf_free(conf);
	return status;
}

const struct command cmd_token = {
	.name = "token",
	.operands = "[TOKEN | @FILE | -]",
	.summary = "sign a token, or explain one",
	.options = options,
	.run = run,
};
