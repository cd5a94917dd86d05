/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The log. A line is put together on the stack and written at once: no allocation, so that running
 * out of memory can be reported, and no line longer than PIPE_BUF, so that a pipe takes it whole. A
 * reader of the log that does not keep up loses lines, which are counted; it never stops a program.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/utf8.h"

#define LINE_MAX_BYTES	PIPE_BUF
#define VALUE_MAX_BYTES 1024
#define TAIL_BYTES	32 /* kept free for the mark of a cut line, its brace and newline */

struct line {
	char text[LINE_MAX_BYTES];
	size_t len;
	bool full;
};

static const char *const level_names[] = {
	[LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARN] = "warn",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_DEBUG] = "debug",
};

static const char *const format_names[] = {
	[LOG_FORMAT_TEXT] = "text",
	[LOG_FORMAT_JSON] = "json",
};

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* The process's log; the one thing that every room may use without being handed it. */
static struct {
	const char *program;
	enum log_level level;
	enum log_format format;
	int fd;
	uint64_t dropped;
} sink = {
	.program = "bellhop",
	.level = LOG_LEVEL_INFO,
	.format = LOG_FORMAT_TEXT,
	.fd = STDERR_FILENO,
};

static int find_name(const char *const *names, size_t n, struct str text)
{
	for (size_t i = 0; i < n; i++) {
		if (str_eq_c(text, names[i]))
			return (int)i;
	}
	return -1;
}

int log_level_parse(struct str text, enum log_level *level_r)
{
	int found = find_name(level_names, LENGTH(level_names), text);

	if (found < 0)
		return -1;
	*level_r = (enum log_level)found;
	return 0;
}

int log_format_parse(struct str text, enum log_format *format_r)
{
	int found = find_name(format_names, LENGTH(format_names), text);

	if (found < 0)
		return -1;
	*format_r = (enum log_format)found;
	return 0;
}

void log_setup(const char *program, enum log_level level, enum log_format format)
{
	sink.program = program;
	sink.level = level;
	sink.format = format;
}

void log_redirect(int fd)
{
	sink.fd = fd;
}

bool log_enabled(enum log_level level)
{
	return level <= sink.level;
}

static void put(struct line *l, const char *bytes, size_t n)
{
	if (l->full || n > sizeof(l->text) - TAIL_BYTES - l->len) {
		l->full = true;
		return;
	}
	memcpy(l->text + l->len, bytes, n);
	l->len += n;
}

static void put_text(struct line *l, const char *text)
{
	put(l, text, strlen(text));
}

static __attribute__((format(printf, 2, 3))) void put_format(struct line *l, const char *format,
							     ...)
{
	char text[128];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (n > 0)
		put(l, text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
}

/*
 * In quotes, with the escapes of JSON, which text lines use as well. Bytes that are not UTF-8 are
 * shown as U+FFFD each if the value as a whole is not valid.
 */
static void put_quoted(struct line *l, struct str s)
{
	size_t n = utf8_cut(s, VALUE_MAX_BYTES);
	bool valid = utf8_is_valid((struct str){s.p, n});

	put_text(l, "\"");
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '"' || c == '\\')
			put_format(l, "\\%c", c);
		else if (c == '\n')
			put_text(l, "\\n");
		else if (c < 0x20 || c == 0x7F)
			put_format(l, "\\u%04x", c);
		else if (c >= 0x80 && !valid)
			put_text(l, "\\ufffd");
		else if (c == 0xC2 && (unsigned char)s.p[i + 1] < 0xA0)
			/* U+0080 to U+009F are control characters too. */
			put_format(l, "\\u%04x", (unsigned char)s.p[++i]);
		else
			put(l, &s.p[i], 1);
	}
	put_text(l, n < s.n ? "...\"" : "\"");
}

/* May a value stand in a text line without quotes? Only printable ASCII may. */
static bool is_plain(struct str s)
{
	if (s.n == 0 || s.n > VALUE_MAX_BYTES)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] <= ' ' || s.p[i] >= 0x7F || strchr("\"\\=", s.p[i]) != NULL)
			return false;
	}
	return true;
}

static void put_field(struct line *l, const struct log_field *field)
{
	size_t len = l->len;

	if (sink.format == LOG_FORMAT_JSON)
		put_format(l, ",\"%s\":", field->name);
	else
		put_format(l, " %s=", field->name);
	if (field->is_number)
		put_format(l, "%" PRId64, field->number);
	else if (sink.format == LOG_FORMAT_TEXT && is_plain(field->text))
		put(l, field->text.p, field->text.n);
	else
		put_quoted(l, field->text);
	/* A field is there in full or not at all, so that JSON stays JSON. */
	if (l->full)
		l->len = len;
}

static void put_head(struct line *l, enum log_level level, const char *text)
{
	char now[CLOCK_TEXT_SIZE];

	clock_format(clock_real_ms(), now);
	if (sink.format == LOG_FORMAT_JSON) {
		put_format(l, "{\"time\":\"%s\",\"level\":\"%s\",\"pid\":%d,\"program\":", now,
			   level_names[level], (int)getpid());
		put_quoted(l, str_of(sink.program));
		put_text(l, ",\"event\":");
		put_quoted(l, str_of(text));
	} else {
		put_format(l, "%s %s[%d] %s: ", now, sink.program, (int)getpid(),
			   level_names[level]);
		put_text(l, text);
	}
}

static void put_context(struct line *l, const struct log_ctx *ctx)
{
	const struct log_field fields[] = {
		LOG_S("request_id", ctx->request_id),
		LOG_S("ticket", ctx->ticket),
		LOG_S("user", ctx->user),
		LOG_S("peer", ctx->peer),
	};

	for (size_t i = 0; i < LENGTH(fields); i++) {
		if (fields[i].text.n > 0)
			put_field(l, &fields[i]);
	}
}

static void write_line(const struct line *l)
{
	struct pollfd ready = {.fd = sink.fd, .events = POLLOUT};

	if (poll(&ready, 1, 0) != 1 || (ready.revents & POLLOUT) == 0 ||
	    write(sink.fd, l->text, l->len) < 0)
		sink.dropped++;
	else
		sink.dropped = 0;
}

void log_write(enum log_level level, const struct log_ctx *ctx, const char *text,
	       const struct log_field *fields, size_t nfields)
{
	struct line l;
	int saved_errno = errno;

	if (!log_enabled(level))
		return;
	l.len = 0;
	l.full = false;
	put_head(&l, level, text);
	if (ctx != NULL)
		put_context(&l, ctx);
	for (size_t i = 0; i < nfields; i++) {
		if (fields[i].name != NULL && (fields[i].is_number || fields[i].text.p != NULL))
			put_field(&l, &fields[i]);
	}
	if (sink.dropped > 0) {
		const struct log_field dropped = LOG_INT("dropped_lines", sink.dropped);

		put_field(&l, &dropped);
	}
	if (l.full) {
		const char *mark = sink.format == LOG_FORMAT_JSON ? ",\"cut\":true" : " cut=true";

		memcpy(l.text + l.len, mark, strlen(mark));
		l.len += strlen(mark);
	}
	if (sink.format == LOG_FORMAT_JSON)
		l.text[l.len++] = '}';
	l.text[l.len++] = '\n';
	write_line(&l);
	errno = saved_errno;
}
