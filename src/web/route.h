/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finds what a raw path names. Routes are a table of patterns:
 *
 *	static const struct route routes[] = {
 *		{ROUTE_SEND, REQUEST_POST, "/v1/tickets/{ticket}/messages"},
 *		{ROUTE_MESSAGE, REQUEST_GET, "/v1/tickets/{ticket}/messages/{seq}"},
 *	};
 *
 * Segments are compared and decoded one by one, so that an encoded slash never
 * makes two of one. Placeholders are {ticket}, {user} and {seq}, each matched
 * only by a well-formed id. Several rows may share a pattern with other
 * methods. HEAD is answered where GET is.
 */
#ifndef BELLHOP_WEB_ROUTE_H
#define BELLHOP_WEB_ROUTE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "web/ids.h"
#include "web/request.h"

struct route {
	int id;
	unsigned methods; /* of enum request_method */
	const char *pattern;
};

enum route_result { ROUTE_FOUND, ROUTE_NOT_FOUND, ROUTE_BAD_METHOD };

struct route_match {
	int id;		  /* where ROUTE_FOUND */
	unsigned allowed; /* methods of the path, where ROUTE_FOUND or ROUTE_BAD_METHOD */
	char ticket[IDS_TICKET_MAX + 1]; /* decoded, "" where the pattern has none */
	char user[IDS_USER_MAX + 1];
	int64_t seq; /* 1 or more; 0 where the pattern has none */
};

/*
 * Matches a raw path (no query) under base_path ("/chat"; "" and "/" mean the
 * root; a slash at its end is ignored) against n rows. ROUTE_NOT_FOUND where
 * no pattern fits, which includes %2F, %00, "." and ".." as a segment, a bad
 * %, empty segments and ids of the wrong form; ROUTE_BAD_METHOD where only
 * the method does not.
 */
enum route_result route_find(const struct route *table, size_t n, struct str base_path,
			     enum request_method method, struct str path,
			     struct route_match *match_r);

/* Appends the value of an Allow header, "GET, HEAD, POST". */
void route_allow(struct buf *out, unsigned methods);

#endif /* BELLHOP_WEB_ROUTE_H */
