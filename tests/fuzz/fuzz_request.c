/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A request from its parameters to its route and identity: lines of
 * NAME=value, as a web server sends them.
 */
#include "config.h"

#include <sodium.h>

#include "fuzz.h"
#include "web/authn.h"
#include "web/query.h"
#include "web/route.h"

static const struct route table[] = {
	{1, REQUEST_GET, "/v1/healthz"},
	{2, REQUEST_GET | REQUEST_POST, "/v1/tickets/{ticket}/messages"},
	{3, REQUEST_GET | REQUEST_PATCH, "/v1/tickets/{ticket}/messages/{seq}"},
	{4, REQUEST_PUT | REQUEST_DELETE, "/v1/tickets/{ticket}/participants/{user}"},
};

static struct keyring *ring;

static void expect_route(const struct request *q)
{
	struct route_match match;
	enum route_result result = route_find(table, sizeof(table) / sizeof(table[0]), STR("/chat"),
					      q->method, q->path, &match);

	FUZZ_EXPECT((result == ROUTE_NOT_FOUND) == (match.allowed == 0));
	if (result != ROUTE_FOUND)
		return;
	FUZZ_EXPECT(match.allowed & q->method);
	FUZZ_EXPECT((match.id == 1) == (match.ticket[0] == '\0'));
	FUZZ_EXPECT(match.id == 1 || ids_is_ticket(str_of(match.ticket)));
	FUZZ_EXPECT((match.id == 4) == (match.user[0] != '\0'));
	FUZZ_EXPECT(match.id != 4 || ids_is_user(str_of(match.user)));
	FUZZ_EXPECT((match.id == 3) == (match.seq > 0));
}

/* The only identity that can come out is the web server's: nobody here has a key. */
static void expect_identity(const struct request *q)
{
	const struct authn authn = {
		.policy = {.ring = ring, .max_days = 31},
		.secret = STR("CHANGE_ME-CHANGE_ME-CHANGE_ME-CHANGE_ME"),
		.origins = STR("https://support.example.com"),
		.trust_params = true,
	};
	struct authn_refusal refusal;
	struct identity id;

	if (authn_identify(&authn, q, INT64_C(1795190400000), &id, &refusal) != 0) {
		FUZZ_EXPECT(problem_info(refusal.problem)->status == 401);
		return;
	}
	FUZZ_EXPECT(id.via == AUTHN_PARAMS && q->authorization.p == NULL);
	FUZZ_EXPECT(ids_is_user(id.user_id) && str_eq(id.user_id, q->trusted.user));
	for (size_t i = 0; i < id.n_tickets; i++)
		FUZZ_EXPECT(ids_is_ticket(id.tickets[i]));
	(void)authn_check_write(&authn, q, &id, &refusal);
	authn_identity_deinit(&id);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = {(const char *)data, size}, line, name;
	const char *detail = NULL;
	struct request q;
	struct query query;

	if (ring == NULL) {
		FUZZ_EXPECT(sodium_init() >= 0);
		ring = keyring_new();
		FUZZ_EXPECT(ring != NULL);
	}
	request_init(&q);
	while (str_split(&rest, '\n', &line)) {
		str_split(&line, '=', &name);
		request_param(&q, name, line);
	}
	if (request_finish(&q, &detail) == PROBLEM_NONE) {
		FUZZ_EXPECT(detail == NULL);
		FUZZ_EXPECT(q.path.n > 0 && q.path.p[0] == '/' && q.query.p != NULL);
		expect_route(&q);
		expect_identity(&q);
		if (query_parse(&query, q.query, &detail) == QUERY_OK)
			query_deinit(&query);
	} else {
		FUZZ_EXPECT(detail != NULL);
	}
	FUZZ_EXPECT(ids_is_request(str_of(q.request_id)));
	request_deinit(&q);
	return 0;
}
