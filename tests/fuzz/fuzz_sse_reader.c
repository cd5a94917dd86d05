/* SPDX-License-Identifier: BSD-2-Clause */
/* An event stream means the same wherever the network cuts it; the first byte says where. */
#include "config.h"

#include "cli/sse_reader.h"
#include "fuzz.h"

enum { LIMIT = 256 };

static int note(void *arg, const struct sse_reader_event *event)
{
	struct buf *out = arg;

	FUZZ_EXPECT(event->data.n <= LIMIT);
	buf_put_str(out, event->type);
	buf_putc(out, event->has_id ? '!' : '|');
	buf_put_str(out, event->id);
	buf_putc(out, '|');
	buf_put_str(out, event->data);
	buf_putc(out, ';');
	return 0;
}

/* Feeds parts of `step` bytes; what came out is appended to out, and whether the reader gave up. */
static void read_stream(struct str stream, size_t step, struct buf *out)
{
	struct sse_reader reader;
	int result = 0;

	sse_reader_init(&reader, LIMIT, note, out);
	while (stream.n > 0 && result == 0) {
		size_t n = stream.n < step ? stream.n : step;

		result = sse_reader_feed(&reader, stream.p, n);
		stream.p += n;
		stream.n -= n;
	}
	buf_printf(out, "%d %lld ", result, (long long)reader.retry_ms);
	buf_put_str(out, sse_reader_last_id(&reader));
	sse_reader_deinit(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole = BUF_INIT;
	struct buf parts = BUF_INIT;
	struct str stream;

	if (size == 0)
		return 0;
	stream = (struct str){(const char *)data + 1, size - 1};
	read_stream(stream, size, &whole);
	read_stream(stream, (size_t)data[0] + 1, &parts);
	FUZZ_EXPECT(str_eq(buf_str(&whole), buf_str(&parts)));
	buf_deinit(&whole);
	buf_deinit(&parts);
	return 0;
}
