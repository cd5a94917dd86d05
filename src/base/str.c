/* SPDX-License-Identifier: BSD-2-Clause */
/* Borrowed strings: comparing, cutting, reading numbers. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"

struct str str_of(const char *text)
{
	return (struct str){text, text != NULL ? strlen(text) : 0};
}

bool str_eq(struct str a, struct str b)
{
	/* memcmp() must not see NULL, even for no bytes. */
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool str_eq_c(struct str a, const char *b)
{
	return str_eq(a, str_of(b));
}

/* tolower() would depend on the locale. */
static unsigned char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (unsigned char)(c - 'A' + 'a') : (unsigned char)c;
}

bool str_eq_nocase(struct str a, struct str b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++) {
		if (lower(a.p[i]) != lower(b.p[i]))
			return false;
	}
	return true;
}

bool str_starts(struct str s, struct str prefix)
{
	return s.n >= prefix.n && str_eq((struct str){s.p, prefix.n}, prefix);
}

bool str_ends(struct str s, struct str suffix)
{
	if (s.n < suffix.n)
		return false;
	return suffix.n == 0 || memcmp(s.p + s.n - suffix.n, suffix.p, suffix.n) == 0;
}

int str_cmp(struct str a, struct str b)
{
	size_t common = a.n < b.n ? a.n : b.n;
	int order = common > 0 ? memcmp(a.p, b.p, common) : 0;

	if (order != 0)
		return order;
	return (a.n > b.n) - (a.n < b.n);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

struct str str_trim(struct str s)
{
	while (s.n > 0 && is_blank(s.p[0])) {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

bool str_split(struct str *rest, char separator, struct str *head_r)
{
	const char *cut;

	if (rest->p == NULL)
		return false;
	cut = memchr(rest->p, separator, rest->n);
	if (cut == NULL) {
		*head_r = *rest;
		*rest = (struct str){0};
		return true;
	}
	head_r->p = rest->p;
	head_r->n = (size_t)(cut - rest->p);
	rest->p = cut + 1;
	rest->n -= head_r->n + 1;
	return true;
}

bool str_word(struct str *rest, struct str *word_r)
{
	size_t n = 0;

	*rest = str_trim(*rest);
	if (rest->n == 0)
		return false;
	while (n < rest->n && !is_blank(rest->p[n]))
		n++;
	*word_r = (struct str){rest->p, n};
	rest->p += n;
	rest->n -= n;
	return true;
}

char *str_dup(struct str s)
{
	char *copy = malloc(s.n + 1);

	if (copy == NULL)
		return NULL;
	if (s.n > 0)
		memcpy(copy, s.p, s.n);
	copy[s.n] = '\0';
	return copy;
}

int str_to_i64(struct str s, int64_t min, int64_t max, int64_t *value_r)
{
	bool negative = s.n > 0 && s.p[0] == '-';
	size_t i = negative ? 1 : 0;
	int64_t value = 0;

	if (i == s.n || (s.p[i] == '0' && s.n > 1))
		return -1;
	/* Counted downwards, because INT64_MIN has no positive counterpart. */
	for (; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return -1;
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_sub_overflow(value, s.p[i] - '0', &value))
			return -1;
	}
	if (!negative) {
		if (value == INT64_MIN)
			return -1;
		value = -value;
	}
	if (value < min || value > max)
		return -1;
	*value_r = value;
	return 0;
}
