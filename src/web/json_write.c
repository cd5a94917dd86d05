/* SPDX-License-Identifier: BSD-2-Clause */
/* Writes JSON: an automaton that refuses what would be malformed. */
#include "config.h"

#include "web/json_write.h"

#include <string.h>

#include "base/utf8.h"

void json_write_init(struct json_write *w, struct buf *out)
{
	*w = (struct json_write){.out = out, .first = true};
}

/* Whether the innermost open level is an object. */
static bool in_object(const struct json_write *w)
{
	return w->depth > 0 && w->closers[w->depth - 1] == '}';
}

/* Writes the comma between two members or elements. */
static void separate(struct json_write *w)
{
	if (!w->first)
		buf_putc(w->out, ',');
	w->first = false;
}

/* To be called before any value. Returns whether one may stand here. */
static bool begin_value(struct json_write *w)
{
	if (w->done || (in_object(w) && !w->keyed))
		w->failed = true;
	if (w->failed)
		return false;
	if (w->keyed)
		w->keyed = false;
	else if (w->depth > 0)
		separate(w);
	return true;
}

/* To be called after a value that is complete. */
static void end_value(struct json_write *w)
{
	if (w->depth == 0)
		w->done = true;
}

static void open_level(struct json_write *w, char opener, char closer)
{
	if (w->depth == JSON_WRITE_DEPTH)
		w->failed = true;
	if (!begin_value(w))
		return;
	buf_putc(w->out, opener);
	w->closers[w->depth++] = closer;
	w->first = true;
}

void json_write_open_object(struct json_write *w)
{
	open_level(w, '{', '}');
}

void json_write_open_array(struct json_write *w)
{
	open_level(w, '[', ']');
}

void json_write_close(struct json_write *w)
{
	if (w->depth == 0 || w->keyed)
		w->failed = true;
	if (w->failed)
		return;
	buf_putc(w->out, w->closers[--w->depth]);
	w->first = false;
	end_value(w);
}

/*
 * Whether the character at p, with left bytes from there on, must be escaped;
 * *n_r is the number of bytes it takes. left is at least 1.
 */
static bool needs_escape(const unsigned char *p, size_t left, size_t *n_r)
{
	*n_r = 1;
	if (p[0] < 0x20 || p[0] == '"' || p[0] == '\\' || p[0] == 0x7f)
		return true;
	/* U+2028 and U+2029 are E2 80 A8 and E2 80 A9. */
	if (p[0] == 0xe2 && left >= 3 && p[1] == 0x80 && (p[2] == 0xa8 || p[2] == 0xa9)) {
		*n_r = 3;
		return true;
	}
	return false;
}

static void put_escape(struct buf *out, const unsigned char *p)
{
	switch (p[0]) {
	case '"':
		buf_puts(out, "\\\"");
		break;
	case '\\':
		buf_puts(out, "\\\\");
		break;
	case '\b':
		buf_puts(out, "\\b");
		break;
	case '\t':
		buf_puts(out, "\\t");
		break;
	case '\n':
		buf_puts(out, "\\n");
		break;
	case '\f':
		buf_puts(out, "\\f");
		break;
	case '\r':
		buf_puts(out, "\\r");
		break;
	case 0xe2:
		buf_puts(out, p[2] == 0xa8 ? "\\u2028" : "\\u2029");
		break;
	default:
		buf_printf(out, "\\u%04x", p[0]);
		break;
	}
}

/* Writes a string with its quotes; plain stretches are copied in one piece. */
static void put_string(struct json_write *w, struct str s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	size_t at = 0, plain = 0, n;

	if (!utf8_is_valid(s)) {
		w->failed = true;
		return;
	}
	buf_putc(w->out, '"');
	while (at < s.n) {
		if (!needs_escape(p + at, s.n - at, &n)) {
			at++;
			continue;
		}
		buf_put(w->out, p + plain, at - plain);
		put_escape(w->out, p + at);
		at += n;
		plain = at;
	}
	if (at > plain)
		buf_put(w->out, p + plain, at - plain);
	buf_putc(w->out, '"');
}

void json_write_key_str(struct json_write *w, struct str key)
{
	if (!in_object(w) || w->keyed)
		w->failed = true;
	if (w->failed)
		return;
	separate(w);
	put_string(w, key);
	buf_putc(w->out, ':');
	w->keyed = true;
}

void json_write_key(struct json_write *w, const char *key)
{
	json_write_key_str(w, str_of(key));
}

void json_write_str(struct json_write *w, struct str s)
{
	if (s.p == NULL) {
		json_write_null(w);
		return;
	}
	if (!begin_value(w))
		return;
	put_string(w, s);
	end_value(w);
}

void json_write_cstr(struct json_write *w, const char *s)
{
	json_write_str(w, str_of(s));
}

void json_write_int(struct json_write *w, int64_t value)
{
	if (!begin_value(w))
		return;
	buf_put_i64(w->out, value);
	end_value(w);
}

void json_write_raw(struct json_write *w, struct str json)
{
	if (json.n == 0)
		w->failed = true;
	if (!begin_value(w))
		return;
	buf_put_str(w->out, json);
	end_value(w);
}

void json_write_bool(struct json_write *w, bool value)
{
	json_write_raw(w, value ? STR("true") : STR("false"));
}

void json_write_null(struct json_write *w)
{
	json_write_raw(w, STR("null"));
}

void json_write_fail(struct json_write *w)
{
	w->failed = true;
}

void json_write_member_str(struct json_write *w, const char *key, struct str s)
{
	json_write_key(w, key);
	json_write_str(w, s);
}

void json_write_member_cstr(struct json_write *w, const char *key, const char *s)
{
	json_write_key(w, key);
	json_write_cstr(w, s);
}

void json_write_member_int(struct json_write *w, const char *key, int64_t value)
{
	json_write_key(w, key);
	json_write_int(w, value);
}

void json_write_member_bool(struct json_write *w, const char *key, bool value)
{
	json_write_key(w, key);
	json_write_bool(w, value);
}

void json_write_member_null(struct json_write *w, const char *key)
{
	json_write_key(w, key);
	json_write_null(w);
}

void json_write_member_object(struct json_write *w, const char *key)
{
	json_write_key(w, key);
	json_write_open_object(w);
}

void json_write_member_array(struct json_write *w, const char *key)
{
	json_write_key(w, key);
	json_write_open_array(w);
}

int json_write_finish(const struct json_write *w)
{
	return w->done && !w->failed && buf_ok(w->out) ? 0 : -1;
}
