/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Members of JSON objects that may not be there: one question instead of three. `value` may be NULL
 * or no object; the answer is then the same as for an absent member.
 */
#ifndef BELLHOP_CLI_JSON_GET_H
#define BELLHOP_CLI_JSON_GET_H

#include "web/json_read.h"

/* The member, or NULL. */
const struct json_read_value *json_get(const struct json_read_value *value, const char *key);

/* A string's bytes or a number's text; p NULL for anything else. */
struct str json_get_str(const struct json_read_value *value, const char *key);

/* An integer within [min, max]. 0, or -1 with *value_r untouched. */
int json_get_int(const struct json_read_value *value, const char *key, int64_t min, int64_t max,
		 int64_t *value_r);

/* The first child of an object or array, or NULL. */
const struct json_read_value *json_get_first(const struct json_read_value *value, const char *key);

#endif
