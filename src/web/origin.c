/* SPDX-License-Identifier: BSD-2-Clause */
/* Where a browser's request may come from. */
#include "config.h"

#include "web/origin.h"

bool origin_is_listed(struct str list, struct str origin)
{
	struct str word;

	/* "null" is what sandboxed frames and data: documents send, whoever made them. */
	if (origin.n == 0 || str_eq_c(origin, "null"))
		return false;
	while (str_word(&list, &word)) {
		if (str_eq(word, origin))
			return true;
	}
	return false;
}

bool origin_may_write(struct str list, struct str origin, struct str sec_fetch_site)
{
	if (origin.p != NULL)
		return origin_is_listed(list, origin);
	return str_eq_c(sec_fetch_site, "same-origin");
}

bool origin_may_listen(struct str list, struct str origin, struct str sec_fetch_site)
{
	if (origin.p != NULL && !origin_is_listed(list, origin))
		return false;
	return sec_fetch_site.p == NULL || str_eq_c(sec_fetch_site, "same-origin") ||
	       str_eq_c(sec_fetch_site, "none");
}
