/* SPDX-License-Identifier: BSD-2-Clause */
/* The syntax of a settings file. */
#include "config.h"

#include <string.h>

#include "base/conf_file.h"
#include "base/utf8.h"

struct reader {
	const char *p;
	const char *end;
	int line;
	const char *where;
	struct buf *report;
	struct buf value;
	bool failed;
};

static void fault(struct reader *r, int line, const char *what)
{
	buf_printf(r->report, "%s:%d: %s\n", r->where, line, what);
	r->failed = true;
}

/* The next character, or -1 at the end. */
static int peek(const struct reader *r)
{
	return r->p < r->end ? (unsigned char)*r->p : -1;
}

static int next(struct reader *r)
{
	int c = peek(r);

	if (c >= 0)
		r->p++;
	if (c == '\n')
		r->line++;
	return c;
}

static bool is_space(int c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static void skip_spaces(struct reader *r)
{
	while (is_space(peek(r)))
		next(r);
}

static void skip_line(struct reader *r)
{
	int c;

	do {
		c = next(r);
	} while (c >= 0 && c != '\n');
}

static bool is_name(struct str s)
{
	if (s.n == 0 || (s.p[0] >= '0' && s.p[0] <= '9'))
		return false;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		      c == '_'))
			return false;
	}
	return true;
}

/* Between single quotes everything stands for itself. The opening quote is read already. */
static int read_single_quoted(struct reader *r)
{
	int c;

	while ((c = next(r)) != '\'') {
		if (c < 0)
			return -1;
		buf_putc(&r->value, (char)c);
	}
	return 0;
}

/* Between double quotes a backslash escapes " \ ` $ and joins lines; else it stands for itself. */
static int read_double_quoted(struct reader *r)
{
	int c;

	while ((c = next(r)) != '"') {
		if (c == '\\') {
			c = next(r);
			if (c == '\n')
				continue;
			if (c >= 0 && strchr("\"\\`$", c) == NULL)
				buf_putc(&r->value, '\\');
		}
		if (c < 0)
			return -1;
		buf_putc(&r->value, (char)c);
	}
	return 0;
}

/*
 * Outside quotes a backslash makes the next character an ordinary one, or joins lines; trailing
 * spaces go. A quote in the middle is an ordinary character. Stops before the newline.
 */
static void read_unquoted(struct reader *r)
{
	size_t keep = r->value.len;

	while (peek(r) >= 0 && peek(r) != '\n') {
		int c = next(r);
		bool escaped = c == '\\';

		if (escaped) {
			c = next(r);
			if (c < 0)
				break;
			if (c == '\n')
				continue;
		}
		buf_putc(&r->value, (char)c);
		if (escaped || !is_space(c))
			keep = r->value.len;
	}
	buf_truncate(&r->value, keep);
}

/* Quoted parts and then, perhaps, an unquoted rest: 'a'"b"c is abc. */
static int read_value(struct reader *r)
{
	int line = r->line;

	buf_reset(&r->value);
	for (;;) {
		int result = 0;

		skip_spaces(r);
		if (peek(r) == '\'') {
			next(r);
			result = read_single_quoted(r);
		} else if (peek(r) == '"') {
			next(r);
			result = read_double_quoted(r);
		} else {
			read_unquoted(r);
			next(r);
			return 0;
		}
		if (result < 0) {
			fault(r, line, "a quote is not closed");
			return -1;
		}
	}
}

static void read_assignment(struct reader *r, conf_file_each *each, void *arg)
{
	const char *start = r->p;
	struct str name, value;
	int line = r->line;

	while (peek(r) >= 0 && peek(r) != '\n' && peek(r) != '=')
		next(r);
	name = str_trim((struct str){start, (size_t)(r->p - start)});
	if (peek(r) != '=') {
		buf_printf(r->report, "%s:%d: no '=' in this line, ignored\n", r->where, line);
		return;
	}
	next(r);
	if (read_value(r) < 0)
		return;
	value = buf_str(&r->value);
	if (!is_name(name))
		fault(r, line, "this is no name of a setting");
	else if (!buf_ok(&r->value))
		fault(r, line, "out of memory");
	else if (!utf8_is_text(value))
		fault(r, line, "the value is not text");
	else
		each(arg, name, value, line);
}

int conf_file_parse(struct str text, const char *where, conf_file_each *each, void *arg,
		    struct buf *report)
{
	struct reader r = {
		.p = text.p,
		.end = text.p + text.n,
		.line = 1,
		.where = where,
		.report = report,
		.value = BUF_INIT,
	};

	for (;;) {
		skip_spaces(&r);
		if (peek(&r) < 0)
			break;
		if (peek(&r) == '\n')
			next(&r);
		else if (peek(&r) == '#' || peek(&r) == ';')
			skip_line(&r);
		else
			read_assignment(&r, each, arg);
	}
	buf_deinit(&r.value);
	return r.failed ? -1 : 0;
}
