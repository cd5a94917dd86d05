/* SPDX-License-Identifier: BSD-2-Clause */
/* A header names a tag if that is added to it as one more of a list, and no header names every tag but "*". */
#include "config.h"

#include <string.h>

#include "base/buf.h"
#include "fuzz.h"
#include "web/etag.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct str header = {(const char *)data, size};
	const struct str tag = STR("\"bXkgdGFn\""), other = STR("\"b3RoZXI\"");
	struct buf longer = BUF_INIT;
	bool names = etag_is_in(header, tag);

	if (names && !etag_is_in(header, other))
		FUZZ_EXPECT(size >= tag.n && memmem(data, size, tag.p, tag.n) != NULL);
	buf_put_str(&longer, tag);
	buf_putc(&longer, ',');
	buf_put_str(&longer, header);
	if (names && !str_eq_c(str_trim(header), "*"))
		FUZZ_EXPECT(etag_is_in(buf_str(&longer), tag));
	buf_deinit(&longer);
	return 0;
}
