/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cursors: where in a ticket's events a reader stands, printed as
 * <epoch>.<seq>. A cursor comes from clients, so it may be anything; a
 * malformed one is not an error but a cursor that is not valid, which streams
 * answer with a gap.
 */
#ifndef BELLHOP_WEB_CURSOR_H
#define BELLHOP_WEB_CURSOR_H

#include <stdbool.h>
#include <stdint.h>

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

#endif /* BELLHOP_WEB_CURSOR_H */
