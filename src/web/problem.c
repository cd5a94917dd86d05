/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of problems. */
#include "config.h"

#include "web/problem.h"

static const struct problem_info problems[PROBLEM_COUNT] = {
	[PROBLEM_BAD_JSON] = {"bad_json", 400, "The body is not acceptable JSON"},
	[PROBLEM_INVALID_FIELD] = {"invalid_field", 400, "A field or parameter is invalid"},
	[PROBLEM_BAD_REQUEST] = {"bad_request", 400, "The request is malformed"},
	[PROBLEM_UNAUTHENTICATED] = {"unauthenticated", 401, "Authentication is required"},
	[PROBLEM_TOKEN_EXPIRED] = {"token_expired", 401, "The token has expired"},
	[PROBLEM_TOKEN_REVOKED] = {"token_revoked", 401, "The token was revoked"},
	[PROBLEM_NOT_A_PARTICIPANT] = {"not_a_participant", 403, "You may not act on this ticket"},
	[PROBLEM_FORBIDDEN] = {"forbidden", 403, "Your role does not allow this"},
	[PROBLEM_CSRF] = {"csrf", 403, "The request may come from another site"},
	[PROBLEM_NOT_FOUND] = {"not_found", 404, "There is nothing here"},
	[PROBLEM_METHOD_NOT_ALLOWED] = {"method_not_allowed", 405,
					"The method is not allowed here"},
	[PROBLEM_TICKET_CLOSED] = {"ticket_closed", 409, "The ticket is closed"},
	[PROBLEM_DELETED] = {"deleted", 409, "The message was deleted"},
	[PROBLEM_ON_HOLD] = {"on_hold", 409, "The ticket is on legal hold"},
	[PROBLEM_IN_PROGRESS] = {"in_progress", 409, "The same request is still in progress"},
	[PROBLEM_NEWER_MESSAGES] = {"newer_messages", 412, "There are newer messages"},
	[PROBLEM_STALE_REVISION] = {"stale_revision", 412, "The message was edited meanwhile"},
	[PROBLEM_TOO_LARGE] = {"too_large", 413, "The request body is too large"},
	[PROBLEM_UNSUPPORTED_MEDIA_TYPE] = {"unsupported_media_type", 415,
					    "The body must be application/json"},
	[PROBLEM_IDEMPOTENCY_MISMATCH] = {"idempotency_mismatch", 422,
					  "The client_msg_id was used for another message"},
	[PROBLEM_RATE_LIMITED] = {"rate_limited", 429, "Too many requests"},
	[PROBLEM_INTERNAL] = {"internal", 500, "Something went wrong here"},
	[PROBLEM_UNAVAILABLE] = {"unavailable", 503, "The service is unavailable for now"},
};

const struct problem_info *problem_info(enum problem problem)
{
	if ((int)problem <= PROBLEM_NONE || problem >= PROBLEM_COUNT)
		return &problems[PROBLEM_INTERNAL];
	return &problems[problem];
}
