/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads one JSON text (RFC 8259) into a read-only tree. Stricter than the
 * RFC, and than yajl, which does the lexing: refused are nesting over 16,
 * duplicate keys, invalid UTF-8 anywhere (overlong forms, surrogates, above
 * U+10FFFF), NUL bytes and NUL escapes, lone-surrogate escapes, NaN and
 * infinities, comments, an empty text, bytes after the value.
 *
 * A tree is one small block of memory; values and the strings taken from
 * them are valid until json_read_free(). The text need not outlive the call.
 */
#ifndef BELLHOP_WEB_JSON_READ_H
#define BELLHOP_WEB_JSON_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* Deepest nesting of objects and arrays that is read. */
#define JSON_READ_DEPTH 16

enum json_read_type {
	JSON_READ_NULL,
	JSON_READ_BOOL,
	JSON_READ_NUMBER,
	JSON_READ_STRING,
	JSON_READ_ARRAY,
	JSON_READ_OBJECT
};

enum json_read_result { JSON_READ_OK, JSON_READ_BAD, JSON_READ_MEMORY };

/* Why and where a text was refused. */
struct json_read_error {
	size_t at;	    /* offset of the byte; 0 where it concerns the whole text */
	const char *reason; /* static text, lower case, without the input */
};

struct json_read;	/* a tree */
struct json_read_value; /* one value in a tree */

/*
 * Reads text. JSON_READ_OK: the caller owns *json_r. JSON_READ_BAD: *error_r
 * is filled. Otherwise *json_r is NULL.
 */
enum json_read_result json_read(struct str text, struct json_read **json_r,
				struct json_read_error *error_r);

/* Frees a tree; NULL is accepted. */
void json_read_free(struct json_read *json);

/* The top-level value; never NULL. */
const struct json_read_value *json_read_root(const struct json_read *json);

enum json_read_type json_read_type(const struct json_read_value *value);
bool json_read_is_null(const struct json_read_value *value);
bool json_read_is_object(const struct json_read_value *value);
bool json_read_is_array(const struct json_read_value *value);
bool json_read_is_string(const struct json_read_value *value);
bool json_read_is_bool(const struct json_read_value *value);
bool json_read_is_number(const struct json_read_value *value);

/* An object's member of that name, or NULL; NULL too where value is no object. */
const struct json_read_value *json_read_find(const struct json_read_value *value, const char *key);

/* The first child of an object or array and the one after a child; NULL at the end. */
const struct json_read_value *json_read_first(const struct json_read_value *value);
const struct json_read_value *json_read_next(const struct json_read_value *value);

/* Number of children of an object or array, else 0. */
size_t json_read_count(const struct json_read_value *value);

/* The name of an object's member; empty for others. */
struct str json_read_key(const struct json_read_value *value);

/* The bytes of a string, or the text of a number as it was written; p = NULL for other types. */
struct str json_read_str(const struct json_read_value *value);

/* true for the literal true only. */
bool json_read_bool(const struct json_read_value *value);

/*
 * An integer within [min, max] into *out_r. Returns 0, or -1 where the value
 * is no number, has a fraction or an exponent, or is out of range, however
 * large: there is never a wrapped or rounded result.
 */
int json_read_int(const struct json_read_value *value, int64_t min, int64_t max, int64_t *out_r);

#endif /* BELLHOP_WEB_JSON_READ_H */
