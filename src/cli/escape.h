/* SPDX-License-Identifier: BSD-2-Clause */
/* Text that somebody else wrote, made safe to show on a terminal. */
#ifndef BELLHOP_CLI_ESCAPE_H
#define BELLHOP_CLI_ESCAPE_H

#include "base/buf.h"

/*
 * Appends text to *out so that it can neither drive the terminal nor pass for a line of ours:
 * C0 and C1 controls and DEL, the bidirectional overrides and bytes that are not UTF-8 are written
 * as \x1b or \u202e, a tab stays, and each \n is followed by `indent`. indent NULL escapes \n too.
 */
void escape_text(struct buf *out, struct str text, const char *indent);

/*
 * Appends a JSON text to *out on one line. JSON escapes C0 itself; line ends between its tokens
 * become spaces, DEL, C1 and the bidirectional overrides become \u escapes, which mean the same.
 */
void escape_json(struct buf *out, struct str json);

#endif
