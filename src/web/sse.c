/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames of server-sent events. */
#include "config.h"

#include "web/sse.h"

#include <string.h>

/* What may stand in one line of a frame: no line end, and no NUL, which makes clients drop an id. */
static bool fits_line(struct str s)
{
	return s.n == 0 || (memchr(s.p, '\n', s.n) == NULL && memchr(s.p, '\r', s.n) == NULL &&
			    memchr(s.p, '\0', s.n) == NULL);
}

static void put_line(struct buf *out, const char *field, struct str value)
{
	buf_puts(out, field);
	buf_put_str(out, value);
	buf_putc(out, '\n');
}

/* Cuts the first line off *rest; CR LF, LF and CR end a line. False where nothing is left. */
static bool next_line(struct str *rest, struct str *line_r)
{
	size_t i = 0;

	if (rest->p == NULL)
		return false;
	while (i < rest->n && rest->p[i] != '\n' && rest->p[i] != '\r')
		i++;
	*line_r = (struct str){rest->p, i};
	if (i == rest->n) {
		*rest = (struct str){NULL, 0};
		return true;
	}
	if (rest->p[i] == '\r' && i + 1 < rest->n && rest->p[i + 1] == '\n')
		i++;
	*rest = (struct str){rest->p + i + 1, rest->n - i - 1};
	return true;
}

void sse_frame(struct buf *out, const char *event, struct str id, struct str data)
{
	struct str line;

	if (!fits_line(str_of(event)) || !fits_line(id)) {
		out->failed = true;
		return;
	}
	if (id.p != NULL)
		put_line(out, "id: ", id);
	put_line(out, "event: ", str_of(event));
	/* Without a data line a browser drops the event. */
	if (data.p == NULL)
		data = STR("");
	while (next_line(&data, &line))
		put_line(out, "data: ", line);
	buf_putc(out, '\n');
}

void sse_comment(struct buf *out, const char *text)
{
	if (!fits_line(str_of(text))) {
		out->failed = true;
		return;
	}
	put_line(out, ": ", str_of(text));
	buf_putc(out, '\n');
}

void sse_retry(struct buf *out, int retry_ms)
{
	buf_printf(out, "retry: %d\n", retry_ms);
}
