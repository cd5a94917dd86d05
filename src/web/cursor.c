/* SPDX-License-Identifier: BSD-2-Clause */
/* Cursors: <epoch>.<seq>. */
#include "config.h"

#include "web/cursor.h"

#include <inttypes.h>
#include <stdio.h>

/* A decimal number without a sign; str_to_i64() refuses leading zeros and overflow. */
static int plain_number(struct str text, int64_t min, int64_t *out_r)
{
	if (text.n == 0 || text.p[0] == '-')
		return -1;
	return str_to_i64(text, min, INT64_MAX, out_r);
}

struct cursor cursor_parse(struct str text)
{
	const struct cursor none = {0};
	struct cursor cursor = {.valid = true};
	struct str epoch;

	if (!str_split(&text, '.', &epoch))
		return none;
	if (plain_number(epoch, 1, &cursor.epoch) != 0 || plain_number(text, 0, &cursor.seq) != 0)
		return none;
	return cursor;
}

struct str cursor_format(int64_t epoch, int64_t seq, char out[CURSOR_TEXT_SIZE])
{
	int n = snprintf(out, CURSOR_TEXT_SIZE, "%" PRId64 ".%" PRId64, epoch, seq);

	return (struct str){out, (size_t)n};
}
