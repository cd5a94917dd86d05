/* SPDX-License-Identifier: BSD-2-Clause */
/* The growing byte buffer. */
#include "config.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

#define FIRST_CAP 256

void buf_init(struct buf *b)
{
	*b = (struct buf)BUF_INIT;
}

void buf_deinit(struct buf *b)
{
	free(b->data);
	*b = (struct buf){.limit = b->limit};
}

void buf_reset(struct buf *b)
{
	b->len = 0;
	b->failed = false;
}

int buf_reserve(struct buf *b, size_t n)
{
	size_t need, cap;
	char *data;

	if (b->failed)
		return -1;
	/* One byte more than asked for keeps room for the NUL of buf_cstr(). */
	if (__builtin_add_overflow(b->len, n, &need) || need >= SIZE_MAX / 2 ||
	    (b->limit != 0 && need > b->limit)) {
		b->failed = true;
		return -1;
	}
	if (need < b->cap)
		return 0;
	cap = b->cap != 0 ? b->cap : FIRST_CAP;
	while (cap <= need)
		cap *= 2;
	data = realloc(b->data, cap);
	if (data == NULL) {
		b->failed = true;
		return -1;
	}
	b->data = data;
	b->cap = cap;
	return 0;
}

void buf_put(struct buf *b, const void *bytes, size_t n)
{
	if (n == 0 || buf_reserve(b, n) < 0)
		return;
	memcpy(b->data + b->len, bytes, n);
	b->len += n;
}

void buf_puts(struct buf *b, const char *text)
{
	buf_put(b, text, strlen(text));
}

void buf_putc(struct buf *b, char c)
{
	buf_put(b, &c, 1);
}

void buf_put_str(struct buf *b, struct str s)
{
	buf_put(b, s.p, s.n);
}

void buf_put_i64(struct buf *b, int64_t value)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%" PRId64, value);

	buf_put(b, text, (size_t)n);
}

void buf_printf(struct buf *b, const char *format, ...)
{
	va_list args;
	bool cut;
	int n;

	if (buf_reserve(b, 0) < 0)
		return;
	va_start(args, format);
	n = vsnprintf(b->data + b->len, b->cap - b->len, format, args);
	va_end(args);
	if (n < 0) {
		b->failed = true;
		return;
	}
	cut = (size_t)n >= b->cap - b->len;
	if (buf_reserve(b, (size_t)n) < 0)
		return;
	if (cut) {
		va_start(args, format);
		vsnprintf(b->data + b->len, b->cap - b->len, format, args);
		va_end(args);
	}
	b->len += (size_t)n;
}

void buf_consume(struct buf *b, size_t n)
{
	if (n >= b->len) {
		b->len = 0;
		return;
	}
	memmove(b->data, b->data + n, b->len - n);
	b->len -= n;
}

void buf_truncate(struct buf *b, size_t len)
{
	if (len < b->len)
		b->len = len;
}

bool buf_ok(const struct buf *b)
{
	return !b->failed;
}

struct str buf_str(const struct buf *b)
{
	return (struct str){b->data != NULL ? b->data : "", b->len};
}

const char *buf_cstr(struct buf *b)
{
	if (buf_reserve(b, 0) < 0)
		return NULL;
	b->data[b->len] = '\0';
	return b->data;
}

char *buf_take(struct buf *b, size_t *len_r)
{
	char *data;

	if (buf_cstr(b) == NULL)
		return NULL;
	data = b->data;
	if (len_r != NULL)
		*len_r = b->len;
	*b = (struct buf){.limit = b->limit};
	return data;
}
