/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A growing byte buffer whose errors are sticky: build first, ask buf_ok() once. After a failure
 * (out of memory, or past `limit`) every put is ignored until buf_reset().
 */
#ifndef BELLHOP_BASE_BUF_H
#define BELLHOP_BASE_BUF_H

#include "base/str.h"

struct buf {
	char *data; /* NULL until the first put; NUL-terminated only through buf_cstr() */
	size_t len;
	size_t cap;
	size_t limit; /* len never grows beyond it; 0 is no limit */
	bool failed;
};

#define BUF_INIT  \
	{         \
		0 \
	}

void buf_init(struct buf *b);

/* Frees the memory and leaves an empty buffer that may be used again; the limit stays. */
void buf_deinit(struct buf *b);

/* Empties it and forgets a failure; the memory is kept for the next use. */
void buf_reset(struct buf *b);

/* Make room for n more bytes. 0, or -1 with the sticky failure set. */
int buf_reserve(struct buf *b, size_t n);

/* Append. All ignore the call once the buffer has failed. */
void buf_put(struct buf *b, const void *bytes, size_t n);
void buf_puts(struct buf *b, const char *text);
void buf_putc(struct buf *b, char c);
void buf_put_str(struct buf *b, struct str s);
void buf_put_i64(struct buf *b, int64_t value);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Drops n bytes from the front (as written to a socket) or all, if there are fewer. */
void buf_consume(struct buf *b, size_t n);

/* Cuts the buffer back to len bytes; longer than it is changes nothing. */
void buf_truncate(struct buf *b, size_t len);

/* True while nothing has failed. */
bool buf_ok(const struct buf *b);

/* The contents as borrowed bytes, valid until the next put. Never absent: an empty one has n 0. */
struct str buf_str(const struct buf *b);

/* NUL-terminated, valid until the next put; NULL once failed. The NUL is not counted in len. */
const char *buf_cstr(struct buf *b);

/*
 * Hands the memory over, NUL-terminated, to be freed with free(), and empties the buffer. NULL once
 * failed. len_r may be NULL.
 */
char *buf_take(struct buf *b, size_t *len_r);

#endif
