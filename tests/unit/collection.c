/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines of fields in which any byte can be written. */
#include "config.h"

#include "collection.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "cmocka_setup.h"

static void decode(struct str text, struct buf *out);

/* *N(text): how much of text that is. */
static size_t decode_repeat(struct str text, struct buf *out)
{
	const char *open = memchr(text.p, '(', text.n), *close;
	long times = strtol(text.p + 1, NULL, 10);
	struct str inner;

	assert_non_null(open);
	close = memchr(open, ')', text.n - (size_t)(open - text.p));
	assert_non_null(close);
	inner = (struct str){open + 1, (size_t)(close - open - 1)};
	while (times-- > 0)
		decode(inner, out);
	return (size_t)(close + 1 - text.p);
}

/* \xHH is a byte, \\ a backslash, \*N(text) is text N times. */
static void decode(struct str text, struct buf *out)
{
	char hex[3] = {0};

	while (text.n > 0) {
		size_t n = 1;

		if (*text.p != '\\') {
			buf_putc(out, *text.p);
		} else if (text.p[1] == 'x') {
			memcpy(hex, text.p + 2, 2);
			buf_putc(out, (char)strtol(hex, NULL, 16));
			n = 4;
		} else if (text.p[1] == '*') {
			n = 1 + decode_repeat((struct str){text.p + 1, text.n - 1}, out);
		} else {
			buf_putc(out, '\\');
			n = 2;
		}
		text.p += n;
		text.n -= n;
	}
}

static void give(struct str line, int number,
		 void (*each)(const struct collection_row *row, void *arg), void *arg)
{
	struct buf decoded[COLLECTION_FIELDS_MAX] = {BUF_INIT, BUF_INIT};
	struct collection_row row = {.line = number};
	struct str field;

	str_split(&line, '\t', &row.outcome);
	for (size_t i = 0; i < COLLECTION_FIELDS_MAX && str_split(&line, '\t', &field); i++) {
		decode(field, &decoded[i]);
		row.fields[i] = buf_str(&decoded[i]);
	}
	each(&row, arg);
	for (size_t i = 0; i < COLLECTION_FIELDS_MAX; i++)
		buf_deinit(&decoded[i]);
}

void collection_each(const char *name, void (*each)(const struct collection_row *row, void *arg),
		     void *arg)
{
	const char *srcdir = getenv("srcdir");
	char path[4096], *line = NULL;
	size_t size = 0;
	int number = 0, rows = 0;
	ssize_t n;
	FILE *file;

	snprintf(path, sizeof(path), "%s/tests/hostile/%s", srcdir != NULL ? srcdir : ".", name);
	file = fopen(path, "rb");
	if (file == NULL)
		fail_msg("no %s", path);
	while ((n = getline(&line, &size, file)) > 0) {
		number++;
		if (line[0] == '#' || line[0] == '\n')
			continue;
		give((struct str){line, (size_t)n - 1}, number, each, arg);
		rows++;
	}
	free(line);
	fclose(file);
	assert_true(rows > 50);
}
