/* SPDX-License-Identifier: BSD-2-Clause */
/* Whatever is published: what is accepted makes sense. */
#include "config.h"

#include "fuzz.h"
#include "push/payload.h"
#include "web/ids.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct payload p;

	if (payload_parse((struct str){(const char *)data, size}, &p) != 0)
		return 0;
	if (p.kind == PAYLOAD_INBOX)
		FUZZ_EXPECT(ids_is_ticket(p.ticket) && p.epoch > 0 && p.seq > 0);
	else
		FUZZ_EXPECT(ids_is_user(p.user));
	FUZZ_EXPECT(p.public_seq <= p.seq && p.ms >= 0 && p.seen_ms >= 0);
	payload_deinit(&p);
	FUZZ_EXPECT(p.json == NULL);
	return 0;
}
