/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys, secret and the rules of identity, from the settings. */
#include "config.h"

#include "api/gate.h"

#include <sodium.h>

#include "web/keyring.h"

enum { SECRET_MIN = 32 };

static int load_digest_key(struct gate *gate, struct buf *error)
{
	unsigned char key[MESSAGE_KEY_SIZE];
	int status;

	message_digest_key((struct str){(const char *)gate->secret.data, gate->secret.len}, key);
	status = secret_copy(key, sizeof(key), &gate->digest_key);
	sodium_memzero(key, sizeof(key));
	if (status != 0)
		buf_puts(error, "out of lockable memory\n");
	return status;
}

int gate_load(const struct conf *conf, struct gate *gate_r, struct buf *error)
{
	const struct keyring_source source = {
		.key_file = conf_str(conf, CONF_JWT_KEY_FILE),
		.kid = conf_str(conf, CONF_JWT_KID),
		.keys_dir = conf_str(conf, CONF_JWT_KEYS_DIR),
	};
	const char *secret_file = conf_str(conf, CONF_SECRET_FILE);

	*gate_r = (struct gate){0};
	if (*secret_file == '\0') {
		buf_puts(error, "BELLHOP_SECRET_FILE is not set\n");
		return -1;
	}
	if (secret_load(secret_file, SECRET_MIN, &gate_r->secret, error) != 0)
		return -1;
	gate_r->ring = keyring_load(&source, error);
	if (gate_r->ring == NULL || load_digest_key(gate_r, error) != 0 ||
	    seal_load(conf_str(conf, CONF_SEAL_KEYS_FILE), &gate_r->seal, error) != 0) {
		gate_deinit(gate_r);
		return -1;
	}
	gate_r->authn = (struct authn){
		.policy = {.ring = gate_r->ring,
			   .issuer = conf_str(conf, CONF_JWT_ISSUER),
			   .audience = conf_str(conf, CONF_JWT_AUDIENCE),
			   .max_days = (int)conf_int(conf, CONF_TOKEN_MAX_DAYS)},
		.secret = {(const char *)gate_r->secret.data, gate_r->secret.len},
		.origins = str_of(conf_str(conf, CONF_ALLOWED_ORIGINS)),
		.trust_params = conf_bool(conf, CONF_TRUST_PARAMS),
	};
	limits_load(conf, &gate_r->limits);
	gate_r->cors = (struct cors){.origins = str_of(conf_str(conf, CONF_CORS_ORIGINS)),
				     .cookie_origins = gate_r->authn.origins};
	return 0;
}

void gate_deinit(struct gate *gate)
{
	keyring_free(gate->ring);
	seal_free(gate->seal);
	secret_wipe(&gate->secret);
	secret_wipe(&gate->digest_key);
	*gate = (struct gate){0};
}
