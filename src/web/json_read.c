/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads JSON. yajl finds the tokens; what it lets through and we do not is
 * checked before it runs (UTF-8, escapes of NUL and of lone surrogates) and in
 * its callbacks (depth, duplicate keys).
 *
 * Values lie in one array in the order in which they begin, linked by index
 * while the array still grows. Strings lie in one block as large as the text,
 * which suffices: no escape is shorter than what it stands for.
 */
#include "config.h"

#include "web/json_read.h"

#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_parse.h>

#include "base/scan.h"
#include "base/utf8.h"

#define NO_VALUE SIZE_MAX /* an index that names none */

struct json_read_value {
	const struct json_read *json;
	struct str key;	 /* of an object's member */
	struct str text; /* of a string or number; a bool's is "true" or "false" */
	size_t next;	 /* sibling */
	size_t child;	 /* first */
	size_t n_children;
	enum json_read_type type;
};

struct json_read {
	struct json_read_value *values;
	size_t n, cap;
	char *strings;
	size_t n_strings;
};

/* What the callbacks know while yajl runs. */
struct builder {
	struct json_read *json;
	size_t open[JSON_READ_DEPTH]; /* containers, outermost first */
	size_t last[JSON_READ_DEPTH]; /* the newest child of each */
	unsigned depth;
	struct str key; /* waits for its value */
	const char *reason;
	bool no_memory;
};

/* ---- before yajl: escapes ---- */

/* The number of a \u escape, after its "\u". */
static int take_hex4(struct scan *s, unsigned *unit_r)
{
	unsigned unit = 0;
	uint8_t c;
	int i;

	for (i = 0; i < 4; i++) {
		if (scan_u8(s, &c) != 0)
			return -1;
		if (c >= '0' && c <= '9')
			unit = unit * 16 + c - '0';
		else if (c >= 'a' && c <= 'f')
			unit = unit * 16 + c - 'a' + 10;
		else if (c >= 'A' && c <= 'F')
			unit = unit * 16 + c - 'A' + 10;
		else
			return -1;
	}
	*unit_r = unit;
	return 0;
}

/* The second half of a pair, "\uDC00" to "\uDFFF". */
static bool take_low_surrogate(struct scan *s)
{
	unsigned unit;
	uint8_t c;

	if (scan_u8(s, &c) != 0 || c != '\\' || scan_u8(s, &c) != 0 || c != 'u')
		return false;
	return take_hex4(s, &unit) == 0 && unit >= 0xdc00 && unit <= 0xdfff;
}

/* What is wrong with the escape behind a backslash, or NULL. */
static const char *escape_fault(struct scan *s)
{
	unsigned unit;
	uint8_t c;

	if (scan_u8(s, &c) != 0 || c != 'u')
		return NULL; /* yajl knows the short ones */
	if (take_hex4(s, &unit) != 0)
		return "bad escape";
	if (unit == 0)
		return "NUL escape";
	if (unit >= 0xdc00 && unit <= 0xdfff)
		return "lone surrogate escape";
	if (unit >= 0xd800 && unit <= 0xdbff && !take_low_surrogate(s))
		return "lone surrogate escape";
	return NULL;
}

/*
 * What is wrong with the escapes of a text, or NULL. A backslash outside of a
 * string is a syntax error anyway, so every backslash may be taken for an
 * escape.
 */
static const char *escapes_fault(struct str text, size_t *at_r)
{
	struct scan s;
	uint8_t c;

	scan_init(&s, text.p, text.n);
	while (scan_u8(&s, &c) == 0) {
		size_t at = text.n - s.left - 1;
		const char *fault = c == '\\' ? escape_fault(&s) : NULL;

		if (fault != NULL) {
			*at_r = at;
			return fault;
		}
	}
	return NULL;
}

/* ---- yajl's callbacks: 1 goes on, 0 stops ---- */

/* Copies bytes into the block of strings, which has room for all of the text. */
static struct str keep(struct json_read *json, const void *bytes, size_t n)
{
	char *to = json->strings + json->n_strings;

	if (n > 0)
		memcpy(to, bytes, n);
	json->n_strings += n;
	return (struct str){to, n};
}

/* Room for one more value. */
static int grow(struct json_read *json)
{
	size_t cap = json->cap == 0 ? 16 : json->cap * 2;
	struct json_read_value *values;

	if (json->n < json->cap)
		return 0;
	values = reallocarray(json->values, cap, sizeof(*values));
	if (values == NULL)
		return -1;
	json->values = values;
	json->cap = cap;
	return 0;
}

/* Adds a value to the innermost container. */
static int add(struct builder *b, enum json_read_type type, struct str text)
{
	struct json_read *json = b->json;
	size_t index = json->n;

	if (grow(json) != 0) {
		b->no_memory = true;
		return 0;
	}
	json->n++;
	json->values[index] = (struct json_read_value){
		.json = json,
		.key = b->key,
		.text = text,
		.next = NO_VALUE,
		.child = NO_VALUE,
		.type = type,
	};
	b->key = (struct str){NULL, 0};
	if (b->depth > 0) {
		struct json_read_value *parent = &json->values[b->open[b->depth - 1]];
		size_t *last = &b->last[b->depth - 1];

		if (*last == NO_VALUE)
			parent->child = index;
		else
			json->values[*last].next = index;
		*last = index;
		parent->n_children++;
	}
	return 1;
}

static int on_null(void *ctx)
{
	return add(ctx, JSON_READ_NULL, (struct str){NULL, 0});
}

static int on_bool(void *ctx, int value)
{
	return add(ctx, JSON_READ_BOOL, value ? STR("true") : STR("false"));
}

static int on_number(void *ctx, const char *text, size_t n)
{
	struct builder *b = ctx;

	return add(b, JSON_READ_NUMBER, keep(b->json, text, n));
}

static int on_string(void *ctx, const unsigned char *bytes, size_t n)
{
	struct builder *b = ctx;

	return add(b, JSON_READ_STRING, keep(b->json, bytes, n));
}

static int on_key(void *ctx, const unsigned char *bytes, size_t n)
{
	struct builder *b = ctx;

	b->key = keep(b->json, bytes, n);
	return 1;
}

static int open_container(struct builder *b, enum json_read_type type)
{
	size_t index = b->json->n;

	if (b->depth == JSON_READ_DEPTH) {
		b->reason = "nested too deep";
		return 0;
	}
	if (!add(b, type, (struct str){NULL, 0}))
		return 0;
	b->open[b->depth] = index;
	b->last[b->depth] = NO_VALUE;
	b->depth++;
	return 1;
}

static int on_start_map(void *ctx)
{
	return open_container(ctx, JSON_READ_OBJECT);
}

static int on_start_array(void *ctx)
{
	return open_container(ctx, JSON_READ_ARRAY);
}

static int on_end_array(void *ctx)
{
	struct builder *b = ctx;

	b->depth--;
	return 1;
}

static int compare_keys(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* Sorts an object's keys to find equal neighbours: a hostile body cannot make this quadratic. */
static int on_end_map(void *ctx)
{
	struct builder *b = ctx;
	const struct json_read_value *object = &b->json->values[b->open[--b->depth]];
	struct str *keys;
	size_t i, n = 0;
	int go_on = 1;

	if (object->n_children < 2)
		return 1;
	keys = calloc(object->n_children, sizeof(*keys));
	if (keys == NULL) {
		b->no_memory = true;
		return 0;
	}
	for (i = object->child; i != NO_VALUE; i = b->json->values[i].next)
		keys[n++] = b->json->values[i].key;
	qsort(keys, n, sizeof(*keys), compare_keys);
	for (i = 1; i < n && go_on; i++) {
		if (str_eq(keys[i - 1], keys[i])) {
			b->reason = "duplicate key";
			go_on = 0;
		}
	}
	free(keys);
	return go_on;
}

static const yajl_callbacks callbacks = {
	.yajl_null = on_null,
	.yajl_boolean = on_bool,
	.yajl_number = on_number,
	.yajl_string = on_string,
	.yajl_start_map = on_start_map,
	.yajl_map_key = on_key,
	.yajl_end_map = on_end_map,
	.yajl_start_array = on_start_array,
	.yajl_end_array = on_end_array,
};

/* ---- reading ---- */

/* Runs yajl over a text that passed the checks before it. */
static enum json_read_result parse(struct json_read *json, struct str text,
				   struct json_read_error *error)
{
	struct builder b = {.json = json};
	yajl_handle yajl = yajl_alloc(&callbacks, NULL, &b);
	yajl_status status;

	if (yajl == NULL)
		return JSON_READ_MEMORY;
	/* Ours was stricter. */
	yajl_config(yajl, yajl_dont_validate_strings, 1);
	status = yajl_parse(yajl, (const unsigned char *)text.p, text.n);
	error->at = yajl_get_bytes_consumed(yajl);
	if (status == yajl_status_ok)
		status = yajl_complete_parse(yajl);
	yajl_free(yajl);

	if (b.no_memory)
		return JSON_READ_MEMORY;
	if (status == yajl_status_ok && json->n > 0)
		return JSON_READ_OK;
	error->reason = b.reason != NULL ? b.reason : "syntax error";
	return JSON_READ_BAD;
}

/* What is wrong with a text before its syntax is looked at, or NULL. */
static const char *bytes_fault(struct str text, size_t *at_r)
{
	*at_r = 0;
	if (text.n == 0)
		return "empty";
	if (!utf8_is_valid(text))
		return "invalid UTF-8";
	/* White space to yajl, though not to RFC 8259 (section 2), and never good within a string. */
	if (memchr(text.p, '\v', text.n) != NULL || memchr(text.p, '\f', text.n) != NULL)
		return "control character";
	return escapes_fault(text, at_r);
}

enum json_read_result json_read(struct str text, struct json_read **json_r,
				struct json_read_error *error_r)
{
	struct json_read *json;
	enum json_read_result result;

	*json_r = NULL;
	error_r->reason = bytes_fault(text, &error_r->at);
	if (error_r->reason != NULL)
		return JSON_READ_BAD;

	json = calloc(1, sizeof(*json));
	if (json == NULL)
		return JSON_READ_MEMORY;
	json->strings = malloc(text.n);
	result = json->strings == NULL ? JSON_READ_MEMORY : parse(json, text, error_r);
	if (result != JSON_READ_OK) {
		json_read_free(json);
		return result;
	}
	*json_r = json;
	return JSON_READ_OK;
}

void json_read_free(struct json_read *json)
{
	if (json == NULL)
		return;
	free(json->values);
	free(json->strings);
	free(json);
}

/* ---- looking at values ---- */

const struct json_read_value *json_read_root(const struct json_read *json)
{
	return &json->values[0];
}

enum json_read_type json_read_type(const struct json_read_value *value)
{
	return value->type;
}

bool json_read_is_null(const struct json_read_value *value)
{
	return value->type == JSON_READ_NULL;
}

bool json_read_is_object(const struct json_read_value *value)
{
	return value->type == JSON_READ_OBJECT;
}

bool json_read_is_array(const struct json_read_value *value)
{
	return value->type == JSON_READ_ARRAY;
}

bool json_read_is_string(const struct json_read_value *value)
{
	return value->type == JSON_READ_STRING;
}

bool json_read_is_bool(const struct json_read_value *value)
{
	return value->type == JSON_READ_BOOL;
}

bool json_read_is_number(const struct json_read_value *value)
{
	return value->type == JSON_READ_NUMBER;
}

/* The value of an index, or NULL. */
static const struct json_read_value *value_at(const struct json_read *json, size_t index)
{
	return index == NO_VALUE ? NULL : &json->values[index];
}

const struct json_read_value *json_read_first(const struct json_read_value *value)
{
	return value_at(value->json, value->child);
}

const struct json_read_value *json_read_next(const struct json_read_value *value)
{
	return value_at(value->json, value->next);
}

const struct json_read_value *json_read_find(const struct json_read_value *value, const char *key)
{
	const struct json_read_value *member;

	if (value->type != JSON_READ_OBJECT)
		return NULL;
	for (member = json_read_first(value); member != NULL; member = json_read_next(member)) {
		if (str_eq_c(member->key, key))
			return member;
	}
	return NULL;
}

size_t json_read_count(const struct json_read_value *value)
{
	return value->n_children;
}

struct str json_read_key(const struct json_read_value *value)
{
	return value->key;
}

struct str json_read_str(const struct json_read_value *value)
{
	if (value->type != JSON_READ_STRING && value->type != JSON_READ_NUMBER)
		return (struct str){NULL, 0};
	return value->text;
}

bool json_read_bool(const struct json_read_value *value)
{
	return value->type == JSON_READ_BOOL && str_eq_c(value->text, "true");
}

int json_read_int(const struct json_read_value *value, int64_t min, int64_t max, int64_t *out_r)
{
	if (value->type != JSON_READ_NUMBER)
		return -1;
	return str_to_i64(value->text, min, max, out_r);
}
