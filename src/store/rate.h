/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rate limits in Redis, by way of the function library bellhop_rate_1: base/gcra.h with the state of a
 * user and policy in a key of its own. Conventions as in hot.h.
 */
#ifndef BELLHOP_STORE_RATE_H
#define BELLHOP_STORE_RATE_H

#include "base/gcra.h"
#include "store/hot.h"

#define RATE_LIBRARY	  "bellhop_rate_1"
#define RATE_LIBRARY_FILE "bellhop_rate_1.lua" /* below BELLHOP_SQL_DIR/redis */

/* One call of a user under a policy, whose rule has a quota. One reply. */
size_t rate_put_take(struct buf *b, const char *prefix, struct str policy, struct str user,
		     const struct gcra_rule *rule);

/* What gcra_take() would have answered. 0, or -1 on an error reply or an odd one. */
int rate_parse_take(const redisReply *reply, const struct gcra_rule *rule, int64_t *answer_r);

#endif
