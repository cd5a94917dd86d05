/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The syntax of a settings file, which is that of systemd's EnvironmentFile= (systemd.exec(5)): what
 * systemd reads from a file is what is read here.
 */
#ifndef BELLHOP_BASE_CONF_FILE_H
#define BELLHOP_BASE_CONF_FILE_H

#include "base/buf.h"

/*
 * Called for each NAME=value, in order, with the line it begins on; both strings are borrowed for the
 * call. Names are well-formed (letters, digits, underscore; no leading digit).
 */
typedef void conf_file_each(void *arg, struct str name, struct str value, int line);

/*
 * A pure function of the text. `where` names it in *report, which gets a line for each fault. A line
 * without `=` is reported but, as with systemd, is no fault. Returns 0, or -1 if anything is wrong: a
 * malformed name, an open quote, bytes that are no text, or out of memory.
 */
int conf_file_parse(struct str text, const char *where, conf_file_each *each, void *arg,
		    struct buf *report);

#endif
