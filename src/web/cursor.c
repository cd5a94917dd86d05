/* SPDX-License-Identifier: BSD-2-Clause */
/* Cursors: <epoch>.<seq>, and <epoch>.~<places>. */
#include "config.h"

#include "web/cursor.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>

#include "base/scan.h"
#include "web/base64url.h"

enum {
	KEY_SIZE = 8,
	NUMBER_SIZE = 9, /* 63 bits, seven to a byte */
	PLACES_SIZE = CURSOR_PLACES_MAX * (KEY_SIZE + NUMBER_SIZE),
};

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

/* ---- of several tickets ---- */

uint64_t cursor_key(struct str ticket)
{
	unsigned char hash[crypto_generichash_BYTES_MIN];
	uint64_t key = 0;

	crypto_generichash(hash, sizeof(hash), (const unsigned char *)ticket.p, ticket.n, NULL, 0);
	for (int i = 0; i < KEY_SIZE; i++)
		key = key << 8 | hash[i];
	return key;
}

static int scan_key(struct scan *in, uint64_t *key_r)
{
	*key_r = 0;
	for (int i = 0; i < KEY_SIZE; i++) {
		uint8_t byte;

		if (scan_u8(in, &byte) != 0)
			return -1;
		*key_r = *key_r << 8 | byte;
	}
	return 0;
}

/* Only the shortest form of a number is one. */
static int scan_number(struct scan *in, int64_t *number_r)
{
	uint64_t number = 0;

	for (int i = 0; i < NUMBER_SIZE; i++) {
		uint8_t byte;

		if (scan_u8(in, &byte) != 0)
			return -1;
		number |= (uint64_t)(byte & 0x7f) << 7 * i;
		if (byte < 0x80) {
			*number_r = (int64_t)number;
			return i > 0 && byte == 0 ? -1 : 0;
		}
	}
	return -1;
}

/* The places behind the tilde. */
static int parse_places(struct str text, struct cursor_any *any)
{
	unsigned char bytes[PLACES_SIZE];
	struct scan in;
	size_t n;

	if (base64url_decode(text, bytes, sizeof(bytes), &n) != 0)
		return -1;
	scan_init(&in, bytes, n);
	while (in.left > 0) {
		struct cursor_place *place = &any->places[any->n];

		if (any->n == CURSOR_PLACES_MAX || scan_key(&in, &place->key) != 0 ||
		    scan_number(&in, &place->seq) != 0 ||
		    (any->n > 0 && place->key <= place[-1].key))
			return -1;
		any->n++;
	}
	return 0;
}

void cursor_any_parse(struct str text, struct cursor_any *any_r)
{
	struct cursor one = cursor_parse(text);
	struct str epoch;

	any_r->form = CURSOR_BAD;
	any_r->epoch = one.epoch;
	any_r->seq = one.seq;
	any_r->n = 0;
	if (one.valid) {
		any_r->form = CURSOR_ONE;
		return;
	}
	if (!str_split(&text, '.', &epoch) || text.n == 0 || text.p[0] != '~' ||
	    plain_number(epoch, 1, &any_r->epoch) != 0)
		return;
	if (parse_places((struct str){text.p + 1, text.n - 1}, any_r) == 0)
		any_r->form = CURSOR_MANY;
}

const struct cursor_place *cursor_any_find(const struct cursor_any *any, uint64_t key)
{
	size_t from = 0, to = any->n;

	while (from < to) {
		size_t middle = from + (to - from) / 2;

		if (any->places[middle].key == key)
			return &any->places[middle];
		if (any->places[middle].key < key)
			from = middle + 1;
		else
			to = middle;
	}
	return NULL;
}

static size_t put_place(unsigned char *to, const struct cursor_place *place)
{
	uint64_t number = (uint64_t)place->seq;
	size_t n = 0;

	for (int i = KEY_SIZE - 1; i >= 0; i--)
		to[n++] = (unsigned char)(place->key >> 8 * i);
	while (number >= 0x80) {
		to[n++] = (unsigned char)(number | 0x80);
		number >>= 7;
	}
	to[n++] = (unsigned char)number;
	return n;
}

void cursor_put_places(struct buf *out, int64_t epoch, const struct cursor_place *places, size_t n)
{
	unsigned char bytes[PLACES_SIZE];
	size_t len = 0;

	for (size_t i = 0; i < n && i < CURSOR_PLACES_MAX; i++)
		len += put_place(bytes + len, &places[i]);
	buf_printf(out, "%" PRId64 ".~", epoch);
	base64url_encode(out, bytes, len);
}
