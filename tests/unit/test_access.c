/* SPDX-License-Identifier: BSD-2-Clause */
/* Who may act on a ticket. */
#include "config.h"

#include "chat/access.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "web/authn.h"

static const struct str ticket = {"T-1", 3};

static void test_decides(void **state)
{
	static const struct {
		enum role role;
		bool is_granted;
		enum access_membership membership;
		enum access_verdict verdict;
	} rows[] = {
		/* service and admin act everywhere, whatever is known */
		{ROLE_SERVICE, false, ACCESS_UNASKED, ACCESS_YES},
		{ROLE_ADMIN, false, ACCESS_NONE, ACCESS_YES},
		{ROLE_ADMIN, false, ACCESS_REMOVED, ACCESS_YES},
		/* nothing known is neither permission nor refusal, token or not */
		{ROLE_AGENT, true, ACCESS_UNASKED, ACCESS_ASK},
		{ROLE_AGENT, true, ACCESS_UNTOLD, ACCESS_ASK},
		{ROLE_REQUESTER, true, ACCESS_UNTOLD, ACCESS_ASK},
		{ROLE_REQUESTER, false, ACCESS_UNTOLD, ACCESS_ASK},
		/* a window that can be trusted has nothing against what the token grants */
		{ROLE_REQUESTER, true, ACCESS_UNLISTED, ACCESS_YES},
		{ROLE_AGENT, true, ACCESS_UNLISTED, ACCESS_YES},
		{ROLE_AGENT, false, ACCESS_UNLISTED, ACCESS_ASK},
		/* the record's word is final */
		{ROLE_REQUESTER, true, ACCESS_NONE, ACCESS_YES},
		{ROLE_REQUESTER, false, ACCESS_NONE, ACCESS_NO},
		{ROLE_REQUESTER, false, ACCESS_MEMBER, ACCESS_YES},
		{ROLE_AGENT, false, ACCESS_MEMBER, ACCESS_YES},
		/* removed beats the token */
		{ROLE_REQUESTER, true, ACCESS_REMOVED, ACCESS_NO},
		{ROLE_AGENT, true, ACCESS_REMOVED, ACCESS_NO},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct identity who = {.user_id = STR("u"), .role = rows[i].role};

		if (rows[i].is_granted) {
			who.tickets = &ticket;
			who.n_tickets = 1;
		}
		if (access_decide(&who, ticket, rows[i].membership) != rows[i].verdict)
			fail_msg("row %zu", i);
	}
}

static void test_reads_the_window(void **state)
{
	static const struct {
		struct str value;
		bool is_trusted;
		enum access_membership membership;
	} rows[] = {
		{{"agent", 5}, true, ACCESS_MEMBER}, {{"removed", 7}, true, ACCESS_REMOVED},
		{{NULL, 0}, true, ACCESS_UNLISTED},  {{"agent", 5}, false, ACCESS_UNTOLD},
		{{NULL, 0}, false, ACCESS_UNTOLD},   {{"removed", 7}, false, ACCESS_UNTOLD},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(access_from_window(rows[i].value, rows[i].is_trusted),
				 rows[i].membership);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decides),
		cmocka_unit_test(test_reads_the_window),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
