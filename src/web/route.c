/* SPDX-License-Identifier: BSD-2-Clause */
/* Finds what a raw path names. */
#include "config.h"

#include "web/route.h"

#include <string.h>

#include "web/percent.h"

#define SEGMENTS_MAX 8
#define SEGMENT_MAX  64 /* decoded bytes; ids are not longer */

/* A path, cut at its slashes and then decoded. */
struct segments {
	struct str at[SEGMENTS_MAX];
	size_t n;
	char text[SEGMENTS_MAX][SEGMENT_MAX];
};

/* Decodes one segment. Returns 0, or -1 where no route can have it. */
static int add_segment(struct segments *segments, struct str raw)
{
	char *text = segments->text[segments->n];
	struct str s = {.p = text};

	if (percent_decode(raw, false, text, SEGMENT_MAX, &s.n) != 0 || s.n == 0)
		return -1;
	if (memchr(s.p, '/', s.n) != NULL || memchr(s.p, '\0', s.n) != NULL)
		return -1;
	if (str_eq_c(s, ".") || str_eq_c(s, ".."))
		return -1;
	segments->at[segments->n++] = s;
	return 0;
}

/* Cuts the base path off and splits the rest. Returns 0, or -1. */
static int split_path(struct segments *segments, struct str base_path, struct str path)
{
	struct str raw;

	segments->n = 0;
	if (base_path.n > 0 && base_path.p[base_path.n - 1] == '/')
		base_path.n--;
	if (!str_starts(path, base_path) || path.n == base_path.n || path.p[base_path.n] != '/')
		return -1;
	path.p += base_path.n + 1;
	path.n -= base_path.n + 1;
	while (str_split(&path, '/', &raw)) {
		if (segments->n == SEGMENTS_MAX || add_segment(segments, raw) != 0)
			return -1;
	}
	return 0;
}

/* Compares one segment with one of a pattern, and keeps what a placeholder stands for. */
static bool match_segment(struct str pattern, struct str segment, struct route_match *match)
{
	if (str_eq_c(pattern, "{ticket}")) {
		if (!ids_is_ticket(segment))
			return false;
		memcpy(match->ticket, segment.p, segment.n);
		return true;
	}
	if (str_eq_c(pattern, "{user}")) {
		if (!ids_is_user(segment))
			return false;
		memcpy(match->user, segment.p, segment.n);
		return true;
	}
	if (str_eq_c(pattern, "{seq}"))
		return str_to_i64(segment, 1, INT64_MAX, &match->seq) == 0;
	return str_eq(pattern, segment);
}

static bool match_pattern(const char *pattern, const struct segments *segments,
			  struct route_match *match_r)
{
	struct str rest = str_of(pattern + 1); /* behind its first slash */
	struct str part;
	size_t i;

	*match_r = (struct route_match){0};
	for (i = 0; str_split(&rest, '/', &part); i++) {
		if (i == segments->n || !match_segment(part, segments->at[i], match_r))
			return false;
	}
	return i == segments->n;
}

enum route_result route_find(const struct route *table, size_t n, struct str base_path,
			     enum request_method method, struct str path,
			     struct route_match *match_r)
{
	struct segments segments;
	struct route_match match;
	unsigned allowed = 0;
	bool found = false;

	*match_r = (struct route_match){0};
	if (split_path(&segments, base_path, path) != 0)
		return ROUTE_NOT_FOUND;
	for (size_t i = 0; i < n; i++) {
		unsigned methods = table[i].methods;

		if (!match_pattern(table[i].pattern, &segments, &match))
			continue;
		if (methods & REQUEST_GET)
			methods |= REQUEST_HEAD;
		allowed |= methods;
		if (!found && (methods & method)) {
			found = true;
			*match_r = match;
			match_r->id = table[i].id;
		}
	}
	match_r->allowed = allowed;
	if (found)
		return ROUTE_FOUND;
	return allowed != 0 ? ROUTE_BAD_METHOD : ROUTE_NOT_FOUND;
}

void route_allow(struct buf *out, unsigned methods)
{
	static const struct {
		enum request_method method;
		const char *text;
	} names[] = {
		{REQUEST_GET, "GET"},	      {REQUEST_HEAD, "HEAD"},	{REQUEST_POST, "POST"},
		{REQUEST_PUT, "PUT"},	      {REQUEST_PATCH, "PATCH"}, {REQUEST_DELETE, "DELETE"},
		{REQUEST_OPTIONS, "OPTIONS"},
	};
	const char *separator = "";

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!(methods & names[i].method))
			continue;
		buf_puts(out, separator);
		buf_puts(out, names[i].text);
		separator = ", ";
	}
}
