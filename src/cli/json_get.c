/* SPDX-License-Identifier: BSD-2-Clause */
/* Absent members made harmless. */
#include "config.h"

#include "cli/json_get.h"

const struct json_read_value *json_get(const struct json_read_value *value, const char *key)
{
	return value != NULL ? json_read_find(value, key) : NULL;
}

struct str json_get_str(const struct json_read_value *value, const char *key)
{
	const struct json_read_value *member = json_get(value, key);

	return member != NULL ? json_read_str(member) : (struct str){0};
}

int json_get_int(const struct json_read_value *value, const char *key, int64_t min, int64_t max,
		 int64_t *value_r)
{
	const struct json_read_value *member = json_get(value, key);

	return member != NULL ? json_read_int(member, min, max, value_r) : -1;
}

const struct json_read_value *json_get_first(const struct json_read_value *value, const char *key)
{
	const struct json_read_value *member = json_get(value, key);

	return member != NULL ? json_read_first(member) : NULL;
}
