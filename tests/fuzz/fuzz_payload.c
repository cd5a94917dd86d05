/* SPDX-License-Identifier: BSD-2-Clause */
/* Whatever is published: what is accepted makes sense. */
#include "config.h"

#include "fuzz.h"
#include "push/payload.h"
#include "web/ids.h"

static void expect_renewal(const struct renewal *renewal)
{
	const struct jwt_claims *claims = &renewal->claims;
	struct identity who;

	FUZZ_EXPECT(authn_is_token_id(renewal->replaced) && authn_is_token_id(claims->jti));
	FUZZ_EXPECT(claims->exp_s > 0 && claims->exp_s <= JWT_TIME_MAX && claims->iat_s >= -1);
	FUZZ_EXPECT(claims->name.p == NULL || ids_is_name(claims->name));
	for (size_t i = 0; i < claims->n_tickets; i++)
		FUZZ_EXPECT(ids_is_ticket(claims->tickets[i]));
	FUZZ_EXPECT(authn_identity_of(claims, AUTHN_COOKIE, &who) == 0);
	FUZZ_EXPECT(str_eq(who.user_id, claims->sub) && who.exp_ms > 0);
	authn_identity_deinit(&who);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct payload p;

	if (payload_parse((struct str){(const char *)data, size}, &p) != 0)
		return 0;
	if (p.kind == PAYLOAD_RENEWED)
		expect_renewal(&p.renewal);
	if (p.kind == PAYLOAD_INBOX)
		FUZZ_EXPECT(ids_is_ticket(p.ticket) && p.epoch > 0 && p.seq > 0);
	else
		FUZZ_EXPECT(ids_is_user(p.user));
	FUZZ_EXPECT(p.public_seq <= p.seq && p.ms >= 0 && p.seen_ms >= 0);
	payload_deinit(&p);
	FUZZ_EXPECT(p.json == NULL);
	return 0;
}
