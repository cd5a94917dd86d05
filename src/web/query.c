/* SPDX-License-Identifier: BSD-2-Clause */
/* The query of a URL. */
#include "config.h"

#include "web/query.h"

#include <stdlib.h>

#include "base/utf8.h"
#include "web/percent.h"

/* Valid UTF-8 without control characters. */
static bool is_clean(struct str s)
{
	size_t i;

	if (!utf8_is_text(s))
		return false;
	for (i = 0; i < s.n; i++) {
		if (s.p[i] == '\t' || s.p[i] == '\n' || s.p[i] == '\r')
			return false;
	}
	return true;
}

/* Decodes one name or value behind the bytes used so far. Returns what is wrong, or NULL. */
static const char *decode(struct query *q, struct str raw, size_t *used, struct str *out_r)
{
	char *to = q->text + *used;
	size_t n;

	if (percent_decode(raw, true, to, raw.n, &n) != 0)
		return "the query holds a malformed percent escape";
	*out_r = (struct str){to, n};
	if (!is_clean(*out_r))
		return "the query holds invalid UTF-8 or control characters";
	*used += n;
	return NULL;
}

/* Adds one "name=value". Returns what is wrong, or NULL. */
static const char *add_pair(struct query *q, struct str raw_pair, size_t *used)
{
	struct query_pair pair = {.value = STR("")};
	struct str raw_name;
	const char *fault;

	str_split(&raw_pair, '=', &raw_name);
	fault = decode(q, raw_name, used, &pair.name);
	if (fault == NULL && raw_pair.p != NULL)
		fault = decode(q, raw_pair, used, &pair.value);
	if (fault != NULL || pair.name.n == 0)
		return fault;
	for (size_t i = 0; i < q->n; i++) {
		if (str_eq(q->pairs[i].name, pair.name))
			return "a query parameter came twice";
	}
	if (q->n == QUERY_PAIRS_MAX)
		return "too many query parameters";
	q->pairs[q->n++] = pair;
	return NULL;
}

enum query_result query_parse(struct query *q, struct str text, const char **detail_r)
{
	struct str raw_pair;
	size_t used = 0;

	q->n = 0;
	q->text = NULL;
	*detail_r = NULL;
	if (text.n == 0)
		return QUERY_OK;
	if (text.n > QUERY_BYTES_MAX) {
		*detail_r = "the query is too long";
		return QUERY_BAD;
	}
	/* Decoding never makes it longer. */
	q->text = malloc(text.n);
	if (q->text == NULL)
		return QUERY_MEMORY;
	while (*detail_r == NULL && str_split(&text, '&', &raw_pair))
		*detail_r = add_pair(q, raw_pair, &used);
	if (*detail_r == NULL)
		return QUERY_OK;
	query_deinit(q);
	return QUERY_BAD;
}

void query_deinit(struct query *q)
{
	free(q->text);
	q->text = NULL;
	q->n = 0;
}

struct str query_find(const struct query *q, const char *name)
{
	for (size_t i = 0; i < q->n; i++) {
		if (str_eq_c(q->pairs[i].name, name))
			return q->pairs[i].value;
	}
	return (struct str){NULL, 0};
}

enum query_int query_int(const struct query *q, const char *name, int64_t min, int64_t max,
			 int64_t *out_r)
{
	struct str value = query_find(q, name);

	if (value.p == NULL)
		return QUERY_INT_ABSENT;
	return str_to_i64(value, min, max, out_r) == 0 ? QUERY_INT_OK : QUERY_INT_BAD;
}
