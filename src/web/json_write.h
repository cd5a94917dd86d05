/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes JSON (RFC 8259) into a buffer. A small automaton that cannot emit
 * malformed JSON: a call that is not allowed at this place (a value without a
 * key, a key in an array, a close of the wrong kind, a second top-level value,
 * a string that is not UTF-8) sets a sticky failure instead. Build first,
 * check json_write_finish() once.
 *
 *	struct json_write w;
 *
 *	json_write_init(&w, &reply.body);
 *	json_write_open_object(&w);
 *	json_write_key(&w, "seq");
 *	json_write_int(&w, 58);
 *	json_write_close(&w);
 *	if (json_write_finish(&w) != 0)
 *		…
 */
#ifndef BELLHOP_WEB_JSON_WRITE_H
#define BELLHOP_WEB_JSON_WRITE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

/* Deepest nesting that can be written. */
#define JSON_WRITE_DEPTH 16

struct json_write {
	struct buf *out;
	unsigned depth;
	char closers[JSON_WRITE_DEPTH]; /* '}' or ']' of each open level */
	bool first;			/* nothing in the innermost level yet */
	bool keyed;			/* a key waits for its value */
	bool done;			/* the top-level value is complete */
	bool failed;
};

/* Starts a document that is appended to out, which the caller owns. */
void json_write_init(struct json_write *w, struct buf *out);

void json_write_open_object(struct json_write *w);
void json_write_open_array(struct json_write *w);

/* Closes the innermost object or array. */
void json_write_close(struct json_write *w);

/* A member's name, UTF-8; the next call writes its value. */
void json_write_key(struct json_write *w, const char *key);
void json_write_key_str(struct json_write *w, struct str key);

/*
 * A string, given as bytes, which must be valid UTF-8; s.p = NULL writes null.
 * Escaped are what RFC 8259 demands, DEL, and U+2028 and U+2029, which
 * JavaScript once took for line ends; the output never holds a line break.
 */
void json_write_str(struct json_write *w, struct str s);

/* The same of a C string; NULL writes null. */
void json_write_cstr(struct json_write *w, const char *s);

void json_write_int(struct json_write *w, int64_t value);
void json_write_bool(struct json_write *w, bool value);
void json_write_null(struct json_write *w);

/* A value that is already JSON, made by another writer; taken as it is, must not be empty. */
void json_write_raw(struct json_write *w, struct str json);

/* What is to be written must not be: json_write_finish() will say so. */
void json_write_fail(struct json_write *w);

/* Members shorter: key and value in one. */
void json_write_member_str(struct json_write *w, const char *key, struct str s);
void json_write_member_cstr(struct json_write *w, const char *key, const char *s);
void json_write_member_int(struct json_write *w, const char *key, int64_t value);
void json_write_member_bool(struct json_write *w, const char *key, bool value);
void json_write_member_null(struct json_write *w, const char *key);

/* Members shorter: a key and the start of its object or array. */
void json_write_member_object(struct json_write *w, const char *key);
void json_write_member_array(struct json_write *w, const char *key);

/* Whether one complete value stands in the buffer. Returns 0, or -1 (misuse, or out of memory). */
int json_write_finish(const struct json_write *w);

#endif /* BELLHOP_WEB_JSON_WRITE_H */
