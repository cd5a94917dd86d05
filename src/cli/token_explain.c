/* SPDX-License-Identifier: BSD-2-Clause */
/* Explaining tokens. */
#include "config.h"

#include "cli/token_explain.h"

#include "base/clock.h"
#include "cli/escape.h"
#include "cli/json_get.h"

/* Seconds that a clock can show; beyond them a claim is only a number. */
#define TIME_MAX INT64_C(253402300799)

void token_explain_span(struct buf *out, int64_t seconds)
{
	static const struct {
		int64_t seconds;
		const char *name;
	} units[] = {{86400, "day"}, {3600, "hour"}, {60, "minute"}, {1, "second"}};
	size_t i = 0;
	int64_t n;

	/* The largest unit of which there are two, so that nothing is rounded by half. */
	while (i < 3 && seconds < 2 * units[i].seconds)
		i++;
	n = seconds / units[i].seconds;
	buf_printf(out, "%lld %s%s", (long long)n, units[i].name, n == 1 ? "" : "s");
}

static void put_time(struct buf *out, const char *label, const struct json_read_value *claim,
		     int64_t now_s)
{
	char text[CLOCK_TEXT_SIZE];
	int64_t at_s;

	if (claim == NULL)
		return;
	buf_printf(out, "%-9s ", label);
	if (json_read_int(claim, 0, TIME_MAX, &at_s) != 0) {
		buf_puts(out, "not a time\n");
		return;
	}
	clock_format(1000 * at_s, text);
	buf_printf(out, "%s (%s", text, at_s > now_s ? "in " : "");
	token_explain_span(out, at_s > now_s ? at_s - now_s : now_s - at_s);
	buf_puts(out, at_s > now_s ? ")\n" : " ago)\n");
}

static void put_text(struct buf *out, const char *label, struct str text)
{
	if (text.p == NULL)
		return;
	buf_printf(out, "%-9s ", label);
	escape_text(out, text, NULL);
	buf_putc(out, '\n');
}

static void put_tickets(struct buf *out, const struct json_read_value *claims)
{
	const struct json_read_value *ticket = json_get_first(claims, "tickets");
	struct str role = json_get_str(claims, "role");

	buf_puts(out, "tickets   ");
	if (str_eq_c(role, "service") || str_eq_c(role, "admin")) {
		buf_printf(out, "all, by its role\n");
	} else if (str_eq_c(json_get_str(claims, "tickets"), "*")) {
		buf_puts(out, "all\n");
	} else if (ticket == NULL) {
		buf_puts(out, "those that the user participates in\n");
	} else {
		for (; ticket != NULL; ticket = json_read_next(ticket)) {
			escape_text(out, json_read_str(ticket), NULL);
			buf_putc(out, ' ');
		}
		buf_puts(out, "and those that the user participates in\n");
	}
}

static void put_claims(struct buf *out, struct str payload, int64_t now_ms)
{
	struct json_read *json = NULL;
	struct json_read_error error;
	const struct json_read_value *claims;

	if (json_read(payload, &json, &error) != JSON_READ_OK)
		return;
	claims = json_read_root(json);
	put_text(out, "user", json_get_str(claims, "sub"));
	put_text(out, "name", json_get_str(claims, "name"));
	put_text(out, "role", json_get_str(claims, "role"));
	put_tickets(out, claims);
	put_time(out, "issued", json_get(claims, "iat"), now_ms / 1000);
	put_time(out, "begins", json_get(claims, "nbf"), now_ms / 1000);
	put_time(out, "expires", json_get(claims, "exp"), now_ms / 1000);
	json_read_free(json);
}

static void put_verdict(struct buf *out, enum jwt_result result)
{
	if (result == JWT_OK)
		buf_puts(out, "accepted  yes\n");
	else
		buf_printf(out, "accepted  no: %s\n", jwt_result_text(result));
}

enum jwt_result token_explain(struct str token, const struct jwt_policy *policy, int64_t now_ms,
			      struct buf *out)
{
	enum jwt_result result = JWT_OK;
	struct jwt_claims claims;
	struct buf header;
	struct buf payload;

	buf_init(&header);
	buf_init(&payload);
	if (jwt_decode(token, &header, &payload) == 0) {
		buf_puts(out, "header    ");
		escape_json(out, buf_str(&header));
		buf_puts(out, "\nclaims    ");
		escape_json(out, buf_str(&payload));
		buf_putc(out, '\n');
		put_claims(out, buf_str(&payload), now_ms);
	} else {
		result = JWT_MALFORMED;
	}
	if (policy != NULL) {
		result = jwt_verify(policy, token, now_ms, &claims);
		if (result == JWT_OK)
			jwt_claims_deinit(&claims);
	}
	if (policy != NULL || result != JWT_OK)
		put_verdict(out, result);
	buf_deinit(&header);
	buf_deinit(&payload);
	return result;
}
