/* SPDX-License-Identifier: BSD-2-Clause */
/* What a web server puts on a FastCGI connection, built piece by piece. */
#ifndef BELLHOP_TESTS_FCGI_BYTES_H
#define BELLHOP_TESTS_FCGI_BYTES_H

#include "base/buf.h"
#include "web/fcgi_record.h"

/* Appends one record; content at most FCGI_RECORD_CONTENT_MAX. */
void fcgi_bytes_record(struct buf *out, int type, uint16_t id, struct str content);

/* Appends the beginning of request 1, for a responder. */
void fcgi_bytes_begin(struct buf *out);

/* Appends one name-value pair with lengths in their long form where `is_long`. */
void fcgi_bytes_pair(struct buf *out, const char *name, struct str value, bool is_long);

/* Appends a whole POST of `body`, announced as `announced` bytes. */
void fcgi_bytes_post(struct buf *out, const char *announced, struct str body);

#endif
