/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes as a responder's answer: once it is known it stays so, whatever follows. */
#include "config.h"

#include "cli/fcgi_client.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int known = 0, known_status = 0;

	for (size_t n = 0; n <= size; n += n < 64 ? 1 : 61) {
		int status = 0;
		int result = fcgi_client_parse((struct str){(const char *)data, n}, &status);

		FUZZ_EXPECT(result >= -1 && result <= 1);
		FUZZ_EXPECT(result != 1 || (status >= 100 && status <= 599));
		if (known != 0)
			FUZZ_EXPECT(result == known && (known < 0 || status == known_status));
		known = result;
		known_status = status;
	}
	return 0;
}
