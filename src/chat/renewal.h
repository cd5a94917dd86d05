/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A token was replaced by a newer one of the same user: what the api tells the push processes, so that
 * the streams of the old one go on with the new. It travels by Redis, where no token may be: only what the
 * token said. One JSON object:
 *
 *	{"event":"renewed","user_id","replaced","token_id","name","role","tickets","exp","iat"}
 *
 * `replaced` and `token_id` are as in struct identity, `tickets` a list or "*", the times as in tokens,
 * `iat` null where there was none.
 */
#ifndef BELLHOP_CHAT_RENEWAL_H
#define BELLHOP_CHAT_RENEWAL_H

#include "web/authn.h"

struct json_read_value;

struct renewal {
	struct str replaced;	  /* the token_id of the old one */
	struct jwt_claims claims; /* of the new one; its jti is the token_id */
};

/* Appends it: `fresh` takes the place of the token of that id. A buffer that has failed says so. */
void renewal_put(struct buf *out, const struct identity *fresh, struct str replaced);

/*
 * Reads it, all but its `event`; strictly. 0, with strings borrowed from the tree and renewal_deinit() the
 * caller's; or -1 if it is none, or memory ran out.
 */
int renewal_read(const struct json_read_value *root, struct renewal *renewal_r);

/* {0} is fine. */
void renewal_deinit(struct renewal *renewal);

#endif
