/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes as a token that an operator wants explained: what is printed does no harm to a terminal. */
#include "config.h"

#include <sodium.h>

#include "base/utf8.h"
#include "cli/token_explain.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct str token = {(const char *)data, size};
	static struct keyring *ring;
	struct buf out = BUF_INIT;

	if (ring == NULL) {
		FUZZ_EXPECT(sodium_init() >= 0);
		ring = keyring_new();
		FUZZ_EXPECT(ring != NULL);
	}
	(void)token_explain(token, NULL, INT64_C(1795190400000), &out);
	FUZZ_EXPECT(buf_ok(&out) && utf8_is_text(buf_str(&out)));
	buf_reset(&out);
	FUZZ_EXPECT(token_explain(token, &(struct jwt_policy){.ring = ring, .max_days = 31},
				  INT64_C(1795190400000), &out) != JWT_OK);
	FUZZ_EXPECT(buf_ok(&out) && utf8_is_text(buf_str(&out)));
	buf_deinit(&out);
	return 0;
}
