/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where a browser's request may come from when it is authenticated by a
 * cookie. An allow-list is a text of exact origins separated by spaces
 * ("https://support.example.com"); an empty list names nobody. Absent headers
 * are given as p = NULL.
 */
#ifndef BELLHOP_WEB_ORIGIN_H
#define BELLHOP_WEB_ORIGIN_H

#include <stdbool.h>

#include "base/str.h"

/* Whether a word of the list equals the origin, byte by byte; "null" never does. */
bool origin_is_listed(struct str list, struct str origin);

/* Writes: Origin must be listed; where it is absent, Sec-Fetch-Site must be same-origin. */
bool origin_may_write(struct str list, struct str origin, struct str sec_fetch_site);

/*
 * Streams and polls: refused where Origin is present and not listed, or
 * Sec-Fetch-Site is present and neither same-origin nor none.
 */
bool origin_may_listen(struct str list, struct str origin, struct str sec_fetch_site);

#endif /* BELLHOP_WEB_ORIGIN_H */
