/* SPDX-License-Identifier: BSD-2-Clause */
/* Bytes of a FastCGI connection. */
#include "config.h"

#include "fcgi_bytes.h"

void fcgi_bytes_record(struct buf *out, int type, uint16_t id, struct str content)
{
	unsigned char head[FCGI_RECORD_HEAD_SIZE];

	fcgi_record_head(head, (enum fcgi_record_type)type, id, content.n);
	buf_put(out, head, sizeof(head));
	buf_put_str(out, content);
}

void fcgi_bytes_begin(struct buf *out)
{
	fcgi_bytes_record(out, FCGI_RECORD_BEGIN_REQUEST, 1, STR("\0\1\0\0\0\0\0\0"));
}

static void put_length(struct buf *out, size_t n, bool is_long)
{
	if (!is_long && n < 0x80) {
		buf_putc(out, (char)n);
		return;
	}
	buf_putc(out, (char)(n >> 24 | 0x80));
	buf_putc(out, (char)(n >> 16));
	buf_putc(out, (char)(n >> 8));
	buf_putc(out, (char)n);
}

void fcgi_bytes_pair(struct buf *out, const char *name, struct str value, bool is_long)
{
	const struct str s = str_of(name);

	put_length(out, s.n, is_long);
	put_length(out, value.n, is_long);
	buf_put_str(out, s);
	buf_put_str(out, value);
}

void fcgi_bytes_post(struct buf *out, const char *announced, struct str body)
{
	struct buf params = BUF_INIT;

	fcgi_bytes_pair(&params, "REQUEST_METHOD", STR("POST"), false);
	fcgi_bytes_pair(&params, "REQUEST_URI", STR("/chat/v1/tickets/T-1/messages"), true);
	fcgi_bytes_pair(&params, "HTTP_X_REQUEST_ID", STR("one"), false);
	fcgi_bytes_pair(&params, "CONTENT_LENGTH", str_of(announced), false);
	fcgi_bytes_begin(out);
	fcgi_bytes_record(out, FCGI_RECORD_PARAMS, 1, buf_str(&params));
	fcgi_bytes_record(out, FCGI_RECORD_PARAMS, 1, STR(""));
	fcgi_bytes_record(out, FCGI_RECORD_STDIN, 1, body);
	fcgi_bytes_record(out, FCGI_RECORD_STDIN, 1, STR(""));
	buf_deinit(&params);
}
