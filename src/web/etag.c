/* SPDX-License-Identifier: BSD-2-Clause */
/* Entity tags. */
#include "config.h"

#include "web/etag.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

enum { HASH_SIZE = 16 };

struct str etag_of(struct str body, char out[ETAG_TEXT_SIZE])
{
	unsigned char hash[HASH_SIZE];
	char text[ETAG_TEXT_SIZE - 2];
	int n;

	crypto_generichash(hash, sizeof(hash), (const unsigned char *)body.p, body.n, NULL, 0);
	sodium_bin2base64(text, sizeof(text), hash, sizeof(hash),
			  sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	n = snprintf(out, ETAG_TEXT_SIZE, "\"%s\"", text);
	return (struct str){out, (size_t)n};
}

/* The opaque-tag at the start of *rest, quotes included. 0, or -1 where there is none. */
static int take_tag(struct str *rest, struct str *tag_r)
{
	const char *end;

	if (str_starts(*rest, STR("W/"))) {
		rest->p += 2;
		rest->n -= 2;
	}
	if (rest->n < 2 || rest->p[0] != '"')
		return -1;
	end = memchr(rest->p + 1, '"', rest->n - 1);
	if (end == NULL)
		return -1;
	*tag_r = (struct str){rest->p, (size_t)(end - rest->p) + 1};
	rest->p += tag_r->n;
	rest->n -= tag_r->n;
	return 0;
}

bool etag_is_in(struct str if_none_match, struct str etag)
{
	struct str rest = str_trim(if_none_match);
	bool found = false;
	struct str tag;

	if (str_eq_c(rest, "*"))
		return true;
	while (rest.n > 0) {
		/* A list may have empty elements (RFC 9110, section 5.6.1.2). */
		if (rest.p[0] == ',') {
			rest.p++;
			rest.n--;
		} else {
			if (take_tag(&rest, &tag) != 0)
				return false;
			found = found || str_eq(tag, etag);
			rest = str_trim(rest);
			if (rest.n > 0 && rest.p[0] != ',')
				return false;
		}
		rest = str_trim(rest);
	}
	return found;
}
