/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Name-value pairs are the same however the stream is cut. The first byte
 * chooses the size of the pieces.
 */
#include "config.h"

#include "fuzz.h"
#include "web/fcgi_params.h"

/* Decodes a stream in pieces of n bytes and writes what it gave. */
static enum fcgi_params_step decode(const uint8_t *data, size_t size, size_t n, struct buf *out)
{
	struct fcgi_params params;
	enum fcgi_params_step step = FCGI_PARAMS_MORE;
	struct str name, value;

	fcgi_params_init(&params);
	while (size > 0 && step == FCGI_PARAMS_MORE) {
		size_t piece = size < n ? size : n;
		struct scan in;

		scan_init(&in, data, piece);
		while ((step = fcgi_params_next(&params, &in, &name, &value)) == FCGI_PARAMS_PAIR) {
			FUZZ_EXPECT(name.n <= FCGI_PARAMS_NAME_MAX);
			FUZZ_EXPECT(value.n <= FCGI_PARAMS_VALUE_MAX);
			buf_put_str(out, name);
			buf_putc(out, '=');
			buf_put_str(out, value);
			buf_putc(out, ';');
		}
		data += piece;
		size -= piece;
	}
	buf_putc(out, fcgi_params_end(&params) == 0 ? '.' : '!');
	FUZZ_EXPECT(out->len <= FCGI_PARAMS_TOTAL_MAX + 1);
	fcgi_params_deinit(&params);
	return step;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole = BUF_INIT, pieces = BUF_INIT;

	if (size == 0)
		return 0;
	FUZZ_EXPECT(decode(data + 1, size - 1, size, &whole) ==
		    decode(data + 1, size - 1, data[0] % 32 + 1U, &pieces));
	FUZZ_EXPECT(str_eq(buf_str(&whole), buf_str(&pieces)));
	buf_deinit(&whole);
	buf_deinit(&pieces);
	return 0;
}
