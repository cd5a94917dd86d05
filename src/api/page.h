/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Loads a page of history for somebody: looks at the window, decides about access, and carries the
 * questions of chat/history to Redis and PostgreSQL.
 */
#ifndef BELLHOP_API_PAGE_H
#define BELLHOP_API_PAGE_H

#include "api/stores.h"
#include "chat/history.h"
#include "web/authn.h"

enum page_result {
	PAGE_LOADED,
	PAGE_DENIED,	  /* not a participant */
	PAGE_UNAVAILABLE, /* neither the window nor the record can answer */
	PAGE_SEAM,	  /* … but for what the window holds: history_seam() */
	PAGE_FAILED	  /* out of memory */
};

struct page_query {
	struct str ticket;
	struct history_query history;
};

/* PAGE_LOADED and PAGE_SEAM: *page_r is the caller's to free with history_free(); else NULL. */
enum page_result page_load(struct stores *s, const struct identity *who,
			   const struct page_query *query, const struct log_ctx *log,
			   struct history **page_r);

#endif
