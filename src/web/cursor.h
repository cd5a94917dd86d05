/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cursors: where in a ticket's events a reader stands, printed as
 * <epoch>.<seq>; or where it stands in several, as <epoch>.~<base64url> of
 * their places: for each the 8-byte key of the ticket, big-endian, and seq as
 * a LEB128 number, in ascending order of the keys. A cursor comes from
 * clients, so it may be anything; a malformed one is not an error but a cursor
 * that is not valid, which streams answer with a gap.
 */
#ifndef BELLHOP_WEB_CURSOR_H
#define BELLHOP_WEB_CURSOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

/* Room for any cursor with its terminating NUL. */
#define CURSOR_TEXT_SIZE 42

struct cursor {
	int64_t epoch; /* 1 or more where valid */
	int64_t seq;   /* 0 or more where valid; 0 is before the first event */
	bool valid;
};

/*
 * Parses the single-ticket form: two decimal numbers without sign or leading
 * zeros and a dot between them. Everything else, the multi-ticket form
 * <epoch>.~… included, is a cursor with valid = false and both numbers 0.
 */
struct cursor cursor_parse(struct str text);

/* Prints <epoch>.<seq>, NUL-terminated, and returns the text, which lies in out. */
struct str cursor_format(int64_t epoch, int64_t seq, char out[CURSOR_TEXT_SIZE]);

/* ---- of several tickets ---- */

/* Most places of a cursor: however long the numbers, it stays below 3 KB. */
enum { CURSOR_PLACES_MAX = 128 };

/* In place of a number: what the reader knew of this ticket is void, and it was not told yet. */
#define CURSOR_VOID INT64_MAX

struct cursor_place {
	uint64_t key; /* cursor_key() of the ticket */
	int64_t seq;
};

enum cursor_form {
	CURSOR_BAD, /* neither form */
	CURSOR_ONE, /* one number, which says nothing of which ticket */
	CURSOR_MANY
};

/* A cursor of either form. */
struct cursor_any {
	enum cursor_form form;
	int64_t epoch;
	int64_t seq; /* CURSOR_ONE */
	size_t n;    /* CURSOR_MANY; perhaps 0 */
	struct cursor_place places[CURSOR_PLACES_MAX];
};

/* What a ticket is called in cursors: the same in every process, different for any two tickets. */
uint64_t cursor_key(struct str ticket);

/* Parses either form. */
void cursor_any_parse(struct str text, struct cursor_any *any_r);

/* Finds a ticket's place in a CURSOR_MANY. NULL where it names none. */
const struct cursor_place *cursor_any_find(const struct cursor_any *any, uint64_t key);

/* Appends <epoch>.~…; the places are in ascending order of their keys. */
void cursor_put_places(struct buf *out, int64_t epoch, const struct cursor_place *places, size_t n);

#endif /* BELLHOP_WEB_CURSOR_H */
