/* SPDX-License-Identifier: BSD-2-Clause */
/* Messages and events of a ticket as lines for people; whatever others wrote is escaped. */
#ifndef BELLHOP_CLI_EVENT_TEXT_H
#define BELLHOP_CLI_EVENT_TEXT_H

#include "base/buf.h"
#include "web/json_read.h"

/*
 * Appends "2026-11-20 15:04:05  58  Alice: text" and a line end; further lines of the text are
 * indented. Facts that are missing or of another type are left out.
 */
void event_text_put_message(struct buf *out, const struct json_read_value *message);

/*
 * Appends the line or lines of an event of that type; nothing for those that only programs care
 * about (hello, ping, typing and the like) and for types that are not known.
 */
void event_text_put(struct buf *out, struct str type, const struct json_read_value *data);

#endif
