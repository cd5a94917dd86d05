/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The text of a row in the lines that export writes and import takes: a member `content`, or, where it is
 * sealed (chat/seal.h), `sealed`, its bytes in base64 (RFC 4648, section 4).
 */
#ifndef BELLHOP_CLI_TEXT_LINE_H
#define BELLHOP_CLI_TEXT_LINE_H

#include "chat/seal.h"
#include "web/json_read.h"

/* Appends the object `row`, which has no such member, with the stored text as its last one. */
void text_line_put(struct buf *out, struct str row, struct str stored);

/*
 * Appends the line to be stored for one that was read: a sealed text as it is, if it opens for its row; a
 * plain one sealed, where there are keys; a line without a text unchanged. Returns NULL, or what is
 * wrong, static text; `out` may have failed, too.
 */
const char *text_line_take(const struct seal *seal, const struct json_read_value *root,
			   struct str line, struct buf *out);

#endif
