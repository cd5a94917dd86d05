/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How often a user may call: which limit a call falls under, and how an answer tells of it (fields
 * RateLimit and RateLimit-Policy, draft-ietf-httpapi-ratelimit-headers-10; Retry-After, RFC 9110,
 * section 10.2.3). Who counts is the caller's: Redis (store/rate.h), or the table in memory while it is
 * away (store/rate_table.h).
 */
#ifndef BELLHOP_CHAT_LIMITS_H
#define BELLHOP_CHAT_LIMITS_H

#include "base/conf.h"
#include "base/gcra.h"
#include "base/log.h"
#include "web/authn.h"

enum limits_policy {
	LIMITS_NONE, /* not counted */
	LIMITS_SENDS,
	LIMITS_CALLS,
	LIMITS_COUNT
};

struct limits {
	struct gcra_rule rules[LIMITS_COUNT]; /* one without a quota is no limit */
	int64_t windows_s[LIMITS_COUNT];
	bool is_dry_run; /* nothing is refused */
};

/* As the settings say. */
void limits_load(const struct conf *conf, struct limits *limits_r);

/* "sends" or "calls": in headers, in the log, and in keys. Not of LIMITS_NONE. */
struct str limits_name(enum limits_policy policy);

/* Does the policy limit this caller? Services are exempt. */
bool limits_apply(const struct limits *limits, enum limits_policy policy,
		  const struct identity *who);

/* What an answer says of a limit. */
#define LIMITS_LINES_SIZE  128
#define LIMITS_DETAIL_SIZE 80

struct limits_verdict {
	bool is_refused;		 /* never in a dry run */
	bool would_be_refused;		 /* in a dry run */
	int retry_after_s;		 /* refused: whoever waits so long is let in; 1 or more */
	char lines[LIMITS_LINES_SIZE];	 /* the two header lines, each with CRLF; "": none apply */
	char detail[LIMITS_DETAIL_SIZE]; /* refused: for the problem */
};

/* `answer` as of gcra_take(); the policy limits the caller. */
void limits_judge(const struct limits *limits, enum limits_policy policy, int64_t answer,
		  struct limits_verdict *verdict_r);

/* Of the lines of a dry run; {0} to begin with. */
struct limits_log {
	int64_t next_ms;
	int64_t unsaid;
};

/*
 * Logs what a dry run has not refused: at most a line a second, which says how many were left out since the
 * last. ctx names the user; now_ms is of clock_mono_ms().
 */
void limits_log_verdict(struct limits_log *log, const struct limits_verdict *verdict,
			enum limits_policy policy, const struct log_ctx *ctx, int64_t now_ms);

#endif
