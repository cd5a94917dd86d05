/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The log: one line an event to stderr, as text or as JSON, written with one write(2) so that lines
 * of several processes do not mix. A message text is fixed; what varies travels in fields:
 *
 *	log_warn(&conn->log, "could not connect to redis", LOG_STR("reason", err_text(err)),
 *		 LOG_INT("retry_ms", delay_ms));
 *
 * Wording: lower case, no full stop, «could not X: reason». Never a secret, a token or what somebody
 * wrote. Values are escaped, so a peer's bytes cannot forge a line; one longer than 1 KiB is cut.
 */
#ifndef BELLHOP_BASE_LOG_H
#define BELLHOP_BASE_LOG_H

#include "base/str.h"

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
};

enum log_format {
	LOG_FORMAT_TEXT,
	LOG_FORMAT_JSON,
};

/*
 * What every line of a request or a connection carries; embedded in it, strings borrowed from it.
 * An absent or empty string is left out.
 */
struct log_ctx {
	struct str request_id;
	struct str ticket;
	struct str user;
	struct str peer; /* the connection or reader that this is about */
};

struct log_field {
	const char *name; /* lower snake case; NULL is skipped */
	struct str text;
	int64_t number;
	bool is_number;
};

/* `program` must outlive the log. Until this is called, lines go out as text from level info up. */
void log_setup(const char *program, enum log_level level, enum log_format format);

/* For settings: "error", "warn", "info", "debug"; "text", "json". 0, or -1 with *_r untouched. */
int log_level_parse(struct str text, enum log_level *level_r);
int log_format_parse(struct str text, enum log_format *format_r);

/* Is this level written? To spare the making of costly fields. */
bool log_enabled(enum log_level level);

/* Where lines go: 2 (stderr) unless a test says otherwise. */
void log_redirect(int fd);

/* Prefer the macros below. ctx may be NULL. errno is preserved. */
void log_write(enum log_level level, const struct log_ctx *ctx, const char *text,
	       const struct log_field *fields, size_t nfields);

/* Fields. LOG_STR takes a NUL-terminated string (NULL leaves the field out), LOG_S a struct str. */
#define LOG_STR(field, value) ((struct log_field){.name = (field), .text = str_of(value)})
#define LOG_S(field, value)   ((struct log_field){.name = (field), .text = (value)})
#define LOG_INT(field, value) \
	((struct log_field){.name = (field), .number = (int64_t)(value), .is_number = true})

/* strerror of the given errno value, as field `reason`. */
#define LOG_ERRNO(value) LOG_STR("reason", strerrordesc_np(value))

#define LOG_WRITE_(level, ctx, text, ...)                                                 \
	log_write((level), (ctx), (text), (const struct log_field[]){{0}, ##__VA_ARGS__}, \
		  sizeof((const struct log_field[]){{0}, ##__VA_ARGS__}) /                \
			  sizeof(struct log_field))

#define log_error(ctx, text, ...) LOG_WRITE_(LOG_LEVEL_ERROR, ctx, text, ##__VA_ARGS__)
#define log_warn(ctx, text, ...)  LOG_WRITE_(LOG_LEVEL_WARN, ctx, text, ##__VA_ARGS__)
#define log_info(ctx, text, ...)  LOG_WRITE_(LOG_LEVEL_INFO, ctx, text, ##__VA_ARGS__)
#define log_debug(ctx, text, ...)                                              \
	do {                                                                   \
		if (log_enabled(LOG_LEVEL_DEBUG))                              \
			LOG_WRITE_(LOG_LEVEL_DEBUG, ctx, text, ##__VA_ARGS__); \
	} while (0)

#endif
