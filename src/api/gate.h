/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What requests are let in by: keys, secret, the rules of identity and limits, as the settings say. Built
 * at start and again on reload; the old one stays in force when the new one is faulty.
 */
#ifndef BELLHOP_API_GATE_H
#define BELLHOP_API_GATE_H

#include "base/conf.h"
#include "base/secret.h"
#include "chat/limits.h"
#include "chat/message.h"
#include "chat/seal.h"
#include "web/authn.h"
#include "web/cors.h"

struct gate {
	struct keyring *ring;
	struct secret secret;
	struct authn authn;
	struct cors cors;
	struct limits limits;
	struct seal *seal;	  /* of texts; NULL: they are stored as they are */
	struct secret digest_key; /* MESSAGE_KEY_SIZE */
};

/*
 * Loads keys and secret. The gate borrows from conf, which must outlive it. 0, or -1 with lines of
 * reason appended to *error, and *gate_r empty.
 */
int gate_load(const struct conf *conf, struct gate *gate_r, struct buf *error);

/* Wipes and frees; an empty gate is fine. */
void gate_deinit(struct gate *gate);

#endif
