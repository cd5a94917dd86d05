/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The query of a URL as application/x-www-form-urlencoded (WHATWG URL,
 * section 5.1): decodes names and values ('+' is a space), and refuses what
 * could be read in two ways: a bad %, invalid UTF-8, NUL and other control
 * characters, a name that comes twice.
 */
#ifndef BELLHOP_WEB_QUERY_H
#define BELLHOP_WEB_QUERY_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* Most parameters and most bytes of a query. */
#define QUERY_PAIRS_MAX 32
#define QUERY_BYTES_MAX 8192

struct query_pair {
	struct str name;
	struct str value;
};

struct query {
	struct query_pair pairs[QUERY_PAIRS_MAX];
	size_t n;
	char *text; /* the decoded bytes that the pairs point into */
};

enum query_result { QUERY_OK, QUERY_BAD, QUERY_MEMORY };

/*
 * Decodes what follows the '?' of a URI. QUERY_OK: the caller owns q until
 * query_deinit(). QUERY_BAD: *detail_r is a static text for the problem
 * invalid_field. Unknown names are kept; parameters without a name are
 * skipped. q needs no deinit unless QUERY_OK, but tolerates it.
 */
enum query_result query_parse(struct query *q, struct str text, const char **detail_r);

/* Frees what query_parse() took. */
void query_deinit(struct query *q);

/* The value of a parameter; p = NULL where it is absent, an empty string for "a" and "a=". */
struct str query_find(const struct query *q, const char *name);

enum query_int { QUERY_INT_OK, QUERY_INT_ABSENT, QUERY_INT_BAD };

/*
 * A parameter as a decimal integer within [min, max] into *out_r, which is
 * left alone unless QUERY_INT_OK.
 */
enum query_int query_int(const struct query *q, const char *name, int64_t min, int64_t max,
			 int64_t *out_r);

#endif /* BELLHOP_WEB_QUERY_H */
