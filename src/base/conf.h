/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The settings in force: read once, immutable, checked, so that getting one cannot fail. A value
 * comes from the environment, else from the file, else from conf_table. A secret NAME may be given
 * as NAME_FILE, a file that holds it (secret_load() says which files are refused). An empty value
 * brings the default back.
 *
 * The file has the syntax of systemd's EnvironmentFile= (systemd.exec(5)): NAME=value lines, `#` and
 * `;` comments, values in single or double quotes, a backslash at the end of a line continues it.
 */
#ifndef BELLHOP_BASE_CONF_H
#define BELLHOP_BASE_CONF_H

#include "base/buf.h"
#include "base/conf_table.h"

#define CONF_DEFAULT_PATH BELLHOP_SYSCONFDIR "/bellhop.conf"

struct conf;

/*
 * path NULL is CONF_DEFAULT_PATH, which need not exist; a named file must. Returns NULL when anything
 * is wrong (all faults are listed, not the first only). *report gets one line per fault, or, when
 * the result is not NULL, per warning (unknown BELLHOP_* names, in the environment and in the file).
 * Lines end in \n and never show a secret.
 */
struct conf *conf_load(const char *path, struct buf *report);

/* NULL is fine. Wipes secrets. Strings that were got from it are gone with it. */
void conf_free(struct conf *conf);

/* NUL-terminated, never NULL; "" where it is not set. Works for every type. */
const char *conf_str(const struct conf *conf, enum conf_key key);

/* CONF_TYPE_INT and CONF_TYPE_MODE, within the row's range. */
int64_t conf_int(const struct conf *conf, enum conf_key key);

/* CONF_TYPE_RATE: so many in so many seconds; count 0 where there is no limit. */
struct conf_rate {
	int64_t count;
	int64_t seconds;
};

struct conf_rate conf_rate(const struct conf *conf, enum conf_key key);

bool conf_bool(const struct conf *conf, enum conf_key key);

/* True if it came from the environment or the file rather than from the table. */
bool conf_is_set(const struct conf *conf, enum conf_key key);

/* The file that was read, where a password or token stands in it; else NULL. */
const char *conf_secret_file(const struct conf *conf);

/*
 * For SIGHUP: in `fresh`, puts the values of `current` back where they differ and the row is not
 * reloadable, with one line to *report for each ("NAME changed: takes effect at the next start").
 * 0, or -1 if out of memory, and then `fresh` must not be used.
 */
int conf_keep_fixed(struct conf *fresh, const struct conf *current, struct buf *report);

/*
 * Every setting, in the syntax of the file: those that were set as NAME=value below a comment that
 * says where, the others commented out with their defaults; secrets as (hidden).
 */
void conf_print(const struct conf *conf, struct buf *out);

/* A commented sample file with the defaults. */
void conf_sample(struct buf *out);

#endif
