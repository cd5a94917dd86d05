/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether pages of other origins may read our answers. */
#include "config.h"

#include "web/cors.h"

#include "web/origin.h"
#include "web/route.h"

/* Those that we read, and that scripts may set if allowed; and those of ours that scripts do not see else. */
#define REQUEST_HEADERS                                                                         \
	"Authorization, Content-Type, X-CSRF-Token, Idempotency-Key, If-Match, If-None-Match, " \
	"Last-Event-ID, X-Request-Id"
#define ANSWER_HEADERS                                                                         \
	"X-Request-Id, Bellhop-Mode, Location, Link, ETag, Idempotent-Replayed, Retry-After, " \
	"RateLimit, RateLimit-Policy, WWW-Authenticate, Allow"

/* Browsers ask again after that, so what is set anew holds soon. */
#define MAX_AGE_S "600"

void cors_put(struct buf *head, const struct cors *cors, struct str origin)
{
	struct str rest = cors->origins, word;

	if (!str_word(&rest, &word))
		return;
	/* Also where the answer is the same for all: a cache must not know better. */
	buf_puts(head, "Vary: Origin\r\n");
	if (!origin_is_listed(cors->origins, origin))
		return;
	buf_puts(head, "Access-Control-Allow-Origin: ");
	buf_put_str(head, origin);
	buf_puts(head, "\r\nAccess-Control-Expose-Headers: " ANSWER_HEADERS "\r\n");
	if (origin_is_listed(cors->cookie_origins, origin))
		buf_puts(head, "Access-Control-Allow-Credentials: true\r\n");
}

bool cors_is_preflight(const struct cors *cors, const struct request *q)
{
	return q->method == REQUEST_OPTIONS && origin_is_listed(cors->origins, q->origin);
}

void cors_preflight(struct reply *reply, unsigned methods)
{
	struct buf names = BUF_INIT;

	reply_empty(reply, 204);
	route_allow(&names, methods);
	reply_header(reply, "Access-Control-Allow-Methods", buf_str(&names));
	reply_header(reply, "Access-Control-Allow-Headers", STR(REQUEST_HEADERS));
	reply_header(reply, "Access-Control-Max-Age", STR(MAX_AGE_S));
	reply->head.failed = reply->head.failed || !buf_ok(&names);
	buf_deinit(&names);
}
