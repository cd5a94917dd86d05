/* SPDX-License-Identifier: BSD-2-Clause */
/* The limits of calls, and how answers tell of them. */
#include "config.h"

#include "chat/limits.h"

#include <inttypes.h>
#include <stdio.h>

enum { LOG_EVERY_MS = 1000 };

static void load_rule(struct limits *limits, enum limits_policy policy, struct conf_rate rate)
{
	limits->rules[policy] = gcra_rule(rate.count, rate.seconds);
	limits->windows_s[policy] = rate.seconds;
}

void limits_load(const struct conf *conf, struct limits *limits_r)
{
	*limits_r = (struct limits){.is_dry_run = conf_bool(conf, CONF_LIMIT_DRY_RUN)};
	load_rule(limits_r, LIMITS_SENDS, conf_rate(conf, CONF_LIMIT_SENDS));
	load_rule(limits_r, LIMITS_CALLS, conf_rate(conf, CONF_LIMIT_CALLS));
}

struct str limits_name(enum limits_policy policy)
{
	return policy == LIMITS_SENDS ? STR("sends") : STR("calls");
}

bool limits_apply(const struct limits *limits, enum limits_policy policy,
		  const struct identity *who)
{
	return limits->rules[policy].quota > 0 && who->role != ROLE_SERVICE;
}

/* Rounded up, so that who waits as long as he is told has waited long enough. */
static int64_t seconds_of(int64_t us)
{
	return (us + 999999) / 1000000;
}

void limits_judge(const struct limits *limits, enum limits_policy policy, int64_t answer,
		  struct limits_verdict *verdict_r)
{
	const struct gcra_rule *rule = &limits->rules[policy];
	const struct gcra_state state = gcra_state(rule, answer);
	const int64_t window_s = limits->windows_s[policy];
	const char *name = limits_name(policy).p;

	*verdict_r = (struct limits_verdict){
		.is_refused = !state.is_let_in && !limits->is_dry_run,
		.would_be_refused = !state.is_let_in && limits->is_dry_run,
	};
	snprintf(verdict_r->lines, sizeof(verdict_r->lines),
		 "RateLimit-Policy: \"%s\";q=%" PRId64 ";w=%" PRId64 "\r\n"
		 "RateLimit: \"%s\";r=%" PRId64 ";t=%" PRId64 "\r\n",
		 name, rule->quota, window_s, name, state.remaining, seconds_of(state.more_us));
	if (!verdict_r->is_refused)
		return;
	verdict_r->retry_after_s = (int)seconds_of(state.more_us);
	snprintf(verdict_r->detail, sizeof(verdict_r->detail),
		 "more than %" PRId64 " %s in %" PRId64 " s", rule->quota, name, window_s);
}

void limits_log_verdict(struct limits_log *log, const struct limits_verdict *verdict,
			enum limits_policy policy, const struct log_ctx *ctx, int64_t now_ms)
{
	if (!verdict->would_be_refused)
		return;
	if (now_ms < log->next_ms) {
		log->unsaid++;
		return;
	}
	log_warn(ctx, "a limit would have refused this call", LOG_S("policy", limits_name(policy)),
		 LOG_INT("unsaid", log->unsaid));
	*log = (struct limits_log){.next_ms = now_ms + LOG_EVERY_MS};
}
