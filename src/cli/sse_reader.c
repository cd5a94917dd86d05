/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The event stream parser of the command and the bench. Whole lines are read where they lie; only
 * a line that is cut by the end of the input is copied.
 */
#include "config.h"

#include "cli/sse_reader.h"

#include <string.h>

void sse_reader_init(struct sse_reader *reader, size_t limit, sse_reader_sink *sink, void *arg)
{
	memset(reader, 0, sizeof(*reader));
	reader->sink = sink;
	reader->arg = arg;
	reader->limit = limit;
	reader->retry_ms = -1;
	buf_init(&reader->line);
	buf_init(&reader->type);
	buf_init(&reader->data);
	buf_init(&reader->id);
}

void sse_reader_deinit(struct sse_reader *reader)
{
	buf_deinit(&reader->line);
	buf_deinit(&reader->type);
	buf_deinit(&reader->data);
	buf_deinit(&reader->id);
}

void sse_reader_restart(struct sse_reader *reader)
{
	buf_reset(&reader->line);
	buf_reset(&reader->type);
	buf_reset(&reader->data);
	reader->has_id = false;
	reader->after_cr = false;
	reader->begun = false;
	reader->stopped = false;
}

struct str sse_reader_last_id(const struct sse_reader *reader)
{
	return buf_str(&reader->id);
}

static void dispatch(struct sse_reader *reader)
{
	/* An event without data is not dispatched, but its id line counts. */
	if (reader->data.len > 0) {
		struct sse_reader_event event = {
			.type = buf_str(&reader->type),
			.data = {.p = reader->data.data, .n = reader->data.len - 1},
			.id = sse_reader_last_id(reader),
			.has_id = reader->has_id,
		};

		if (event.type.n == 0)
			event.type = STR("message");
		if (reader->sink(reader->arg, &event) != 0)
			reader->stopped = true;
	}
	buf_reset(&reader->type);
	buf_reset(&reader->data);
	reader->has_id = false;
}

/* «If the value consists of only ASCII digits»; a number past all sense is ignored too. */
static void take_retry(struct sse_reader *reader, struct str value)
{
	int64_t ms = 0;

	if (value.n == 0)
		return;
	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] < '0' || value.p[i] > '9' || ms > INT32_MAX)
			return;
		ms = 10 * ms + (value.p[i] - '0');
	}
	reader->retry_ms = ms;
}

static void take_field(struct sse_reader *reader, struct str field, struct str value)
{
	if (str_eq(field, STR("data"))) {
		if (reader->data.len + value.n > reader->limit) {
			reader->stopped = true;
			return;
		}
		buf_put_str(&reader->data, value);
		buf_putc(&reader->data, '\n');
	} else if (str_eq(field, STR("event"))) {
		buf_reset(&reader->type);
		buf_put_str(&reader->type, value);
	} else if (str_eq(field, STR("id"))) {
		/* An id with a NUL is ignored: it could not be sent back in a header. */
		if (value.n > 0 && memchr(value.p, '\0', value.n) != NULL)
			return;
		buf_reset(&reader->id);
		buf_put_str(&reader->id, value);
		reader->has_id = true;
	} else if (str_eq(field, STR("retry"))) {
		take_retry(reader, value);
	}
}

static void take_line(struct sse_reader *reader, struct str line)
{
	static const char mark[] = "\xef\xbb\xbf";
	const char *colon;
	struct str field = line;
	struct str value = {.p = "", .n = 0};

	if (!reader->begun) {
		reader->begun = true;
		if (line.n >= 3 && memcmp(line.p, mark, 3) == 0) {
			line.p += 3;
			line.n -= 3;
			field = line;
		}
	}
	if (line.n == 0) {
		dispatch(reader);
		return;
	}
	colon = memchr(line.p, ':', line.n);
	if (colon == line.p)
		return; /* a comment */
	if (colon != NULL) {
		field.n = (size_t)(colon - line.p);
		value = (struct str){.p = colon + 1, .n = line.n - field.n - 1};
		if (value.n > 0 && value.p[0] == ' ') {
			value.p++;
			value.n--;
		}
	}
	take_field(reader, field, value);
}

/* The length of the line at the start of bytes, or n if its end is not among them. */
static size_t line_length(const char *bytes, size_t n)
{
	const char *end = memchr(bytes, '\n', n);
	const char *cr;

	if (end != NULL)
		n = (size_t)(end - bytes);
	cr = memchr(bytes, '\r', n);
	return cr != NULL ? (size_t)(cr - bytes) : n;
}

/* Ends the line of which `rest` is the last part and takes it. */
static void end_line(struct sse_reader *reader, struct str rest)
{
	if (reader->line.len == 0) {
		take_line(reader, rest);
		return;
	}
	buf_put_str(&reader->line, rest);
	if (!buf_ok(&reader->line)) {
		reader->stopped = true;
		return;
	}
	take_line(reader, buf_str(&reader->line));
	buf_reset(&reader->line);
}

int sse_reader_feed(struct sse_reader *reader, const char *bytes, size_t n)
{
	while (n > 0 && !reader->stopped) {
		size_t length;

		if (reader->after_cr) {
			reader->after_cr = false;
			if (*bytes == '\n') {
				bytes++;
				n--;
				continue;
			}
		}
		length = line_length(bytes, n);
		if (reader->line.len + length > reader->limit) {
			reader->stopped = true;
			break;
		}
		if (length == n) {
			buf_put(&reader->line, bytes, n);
			break;
		}
		reader->after_cr = bytes[length] == '\r';
		end_line(reader, (struct str){.p = bytes, .n = length});
		bytes += length + 1;
		n -= length + 1;
	}
	if (!buf_ok(&reader->line) || !buf_ok(&reader->data) || !buf_ok(&reader->type) ||
	    !buf_ok(&reader->id))
		reader->stopped = true;
	return reader->stopped ? -1 : 0;
}
