/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Borrowed strings: a pointer and a length, never NUL-terminated by promise. Whoever made the bytes
 * owns them. `p == NULL` means absent, which is not the same as empty; both have n == 0, and the
 * functions here treat them alike unless they say otherwise.
 */
#ifndef BELLHOP_BASE_STR_H
#define BELLHOP_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct str {
	const char *p;
	size_t n;
};

/* A string literal as a struct str, without counting at run time. The "" refuses anything else. */
/* NOLINTNEXTLINE(bugprone-macro-parentheses) */
#define STR(literal) ((struct str){("" literal), sizeof(literal) - 1})

/* For printf: `"%.*s", STR_ARG(s)`. */
#define STR_ARG(s) (int)(s).n, ((s).p != NULL ? (s).p : "")

/* Wraps a NUL-terminated string; NULL becomes the absent string. */
struct str str_of(const char *text);

/* Byte for byte. Not for secrets: they are compared with sodium_memcmp(). */
bool str_eq(struct str a, struct str b);
bool str_eq_c(struct str a, const char *b);

/* As str_eq, with the letters A-Z and a-z alike; other bytes must be the same. */
bool str_eq_nocase(struct str a, struct str b);

bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);

/* memcmp() order, the shorter first where one begins the other. */
int str_cmp(struct str a, struct str b);

/* Without leading and trailing spaces and tabs. */
struct str str_trim(struct str s);

/*
 * Cuts the part before the first `separator` off *rest into *head_r and moves *rest behind it. Returns
 * false when *rest is used up (p == NULL); "a,,b" yields "a", "", "b", and "" yields one "".
 */
bool str_split(struct str *rest, char separator, struct str *head_r);

/* The next word of *rest, words being separated by any run of spaces and tabs; false at the end. */
bool str_word(struct str *rest, struct str *word_r);

/* A NUL-terminated copy to be freed with free(), NULL if out of memory. Absent is copied as "". */
char *str_dup(struct str s);

/*
 * A decimal integer in min..max with an optional leading minus and nothing else: no plus, no space,
 * no leading zeros but "0" itself, no overflow. 0, or -1 with *value_r untouched.
 */
int str_to_i64(struct str s, int64_t min, int64_t max, int64_t *value_r);

#endif
