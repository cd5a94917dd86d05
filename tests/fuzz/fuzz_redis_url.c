/* SPDX-License-Identifier: BSD-2-Clause */
/* Any text as REDIS_URL: a target is a host with a port, or a socket; a refusal has a reason. */
#include "config.h"

#include <string.h>

#include "fuzz.h"
#include "store/redis_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct redis_target target = {0}, copy = {0};
	struct buf error = BUF_INIT;
	char text[REDIS_TARGET_TEXT_SIZE];
	char *url = malloc(size + 1);

	FUZZ_EXPECT(url != NULL);
	memcpy(url, data, size);
	url[size] = '\0';
	if (redis_target_parse(url, NULL, &target, &error) == 0) {
		FUZZ_EXPECT((target.path == NULL) == (target.host != NULL && target.port != NULL));
		FUZZ_EXPECT(target.db >= 0);
		redis_target_text(&target, text);
		FUZZ_EXPECT(strlen(text) < sizeof(text));
		FUZZ_EXPECT(redis_target_copy(&target, &copy) == 0);
	} else {
		FUZZ_EXPECT(error.len > 0);
	}
	redis_target_deinit(&target);
	redis_target_deinit(&copy);
	buf_deinit(&error);
	free(url);
	return 0;
}
