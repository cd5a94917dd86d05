/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Settings: gathered from file and environment first, so that one overrides the other as a whole,
 * then checked row by row, so that every fault is reported.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/conf.h"
#include "base/conf_file.h"
#include "base/gcra.h"
#include "base/secret.h"

#define FILE_MAX_BYTES ((size_t)1024 * 1024)

enum origin {
	FROM_DEFAULT,
	FROM_FILE,
	FROM_ENVIRONMENT,
};

struct value {
	char *text;	 /* in force; NULL only while loading */
	int64_t number;	 /* of the types that have one */
	int64_t seconds; /* CONF_TYPE_RATE */
	enum origin origin;
	int line;      /* FROM_FILE */
	bool indirect; /* NAME_FILE: while loading, text is the file's path */
};

struct conf {
	char *path; /* the file that was read, if it was there */
	struct value values[CONF_COUNT];
};

struct loader {
	struct conf *conf;
	struct buf *report;
	enum origin origin;
	bool failed;
};

static bool has(const struct conf_item *item, enum conf_flag flag)
{
	return (item->flags & flag) != 0;
}

static void value_clear(struct value *value)
{
	if (value->text != NULL) {
		sodium_memzero(value->text, strlen(value->text));
		free(value->text);
	}
	*value = (struct value){0};
}

void conf_free(struct conf *conf)
{
	if (conf == NULL)
		return;
	for (int key = 0; key < CONF_COUNT; key++)
		value_clear(&conf->values[key]);
	free(conf->path);
	free(conf);
}

/* ---- gathering ---- */

/* Where a value came from, for people. */
static void put_origin(struct buf *out, const struct conf *conf, const struct value *value)
{
	switch (value->origin) {
	case FROM_DEFAULT:
		buf_puts(out, "default");
		break;
	case FROM_FILE:
		buf_printf(out, "%s:%d", conf->path, value->line);
		break;
	case FROM_ENVIRONMENT:
		buf_puts(out, "environment");
		break;
	}
}

static void fault(struct loader *l, enum conf_key key, const char *what)
{
	buf_printf(l->report, "%s (", conf_table_item(key)->name);
	put_origin(l->report, l->conf, &l->conf->values[key]);
	buf_printf(l->report, "): %s\n", what);
	l->failed = true;
}

/* The key of NAME, or of NAME_FILE where NAME is a secret; -1 if there is none. */
static int find_key(struct str name, bool *indirect_r)
{
	const struct str suffix = STR("_FILE");
	int key = conf_table_find(name);

	*indirect_r = false;
	if (key >= 0 || !str_ends(name, suffix))
		return key;
	*indirect_r = true;
	key = conf_table_find((struct str){name.p, name.n - suffix.n});
	return key >= 0 && has(conf_table_item((enum conf_key)key), CONF_SECRET) ? key : -1;
}

/* Notes a value of the present origin, which overrides an earlier one. False for an unknown name. */
static bool take(struct loader *l, struct str name, struct str text, int line)
{
	struct value *value;
	bool indirect;
	int key = find_key(name, &indirect);

	if (key < 0)
		return false;
	value = &l->conf->values[key];
	if (value->text != NULL && value->origin == l->origin && value->indirect != indirect)
		fault(l, (enum conf_key)key, "given directly and as _FILE; one of them must go");
	value_clear(value);
	*value = (struct value){
		.text = str_dup(text),
		.origin = l->origin,
		.line = line,
		.indirect = indirect,
	};
	if (value->text == NULL)
		fault(l, (enum conf_key)key, "out of memory");
	return true;
}

static void take_from_file(void *arg, struct str name, struct str text, int line)
{
	struct loader *l = arg;

	if (!take(l, name, text, line))
		buf_printf(l->report, "%s:%d: unknown setting %.*s\n", l->conf->path, line,
			   STR_ARG(name));
}

static void take_environment(struct loader *l)
{
	l->origin = FROM_ENVIRONMENT;
	for (char **entry = environ; entry != NULL && *entry != NULL; entry++) {
		struct str rest = str_of(*entry), name;

		if (!str_split(&rest, '=', &name) || rest.p == NULL)
			continue;
		if (!take(l, name, rest, 0) && str_starts(name, STR("BELLHOP_")))
			buf_printf(l->report, "environment: unknown setting %.*s\n", STR_ARG(name));
	}
}

/* The whole file into *text. 0, or -1 with errno. */
static int read_file(const char *path, struct buf *text)
{
	char chunk[4096];
	ssize_t got;
	int saved_errno, fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return -1;
	while ((got = read(fd, chunk, sizeof(chunk))) > 0)
		buf_put(text, chunk, (size_t)got);
	if (got == 0 && !buf_ok(text)) {
		errno = EFBIG;
		got = -1;
	}
	saved_errno = errno;
	sodium_memzero(chunk, sizeof(chunk));
	close(fd);
	errno = saved_errno;
	return got < 0 ? -1 : 0;
}

static void take_file(struct loader *l, const char *path)
{
	struct buf text = {.limit = FILE_MAX_BYTES};
	bool must_exist = path != NULL;

	if (path == NULL)
		path = CONF_DEFAULT_PATH;
	l->origin = FROM_FILE;
	l->conf->path = str_dup(str_of(path));
	if (l->conf->path == NULL || read_file(path, &text) < 0) {
		if (must_exist || errno != ENOENT) {
			buf_printf(l->report, "could not read %s: %s\n", path, strerror(errno));
			l->failed = true;
		}
		goto out;
	}
	if (conf_file_parse(buf_str(&text), path, take_from_file, l, l->report) < 0)
		l->failed = true;
out:
	if (text.data != NULL)
		sodium_memzero(text.data, text.len);
	buf_deinit(&text);
}

/* ---- checking ---- */

static void check_number(struct loader *l, enum conf_key key, struct value *value)
{
	const struct conf_item *item = conf_table_item(key);
	char what[128];

	if (str_to_i64(str_of(value->text), item->min, item->max, &value->number) == 0)
		return;
	snprintf(what, sizeof(what), "must be a whole number from %" PRId64 " to %" PRId64,
		 item->min, item->max);
	fault(l, key, what);
}

static void check_mode(struct loader *l, enum conf_key key, struct value *value)
{
	const struct conf_item *item = conf_table_item(key);
	int64_t mode = 0;

	for (const char *p = value->text; *p != '\0' && mode >= 0; p++) {
		mode = *p >= '0' && *p <= '7' ? mode * 8 + (*p - '0') : -1;
		if (mode > item->max)
			mode = -1;
	}
	if (mode < item->min)
		fault(l, key, "must be an octal mode such as 0660");
	value->number = mode;
}

static void check_bool(struct loader *l, enum conf_key key, struct value *value)
{
	static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(value->text, words[i]) == 0) {
			value->number = (int64_t)(i % 2);
			return;
		}
	}
	fault(l, key, "must be yes or no");
}

static void check_rate(struct loader *l, enum conf_key key, struct value *value)
{
	struct str rest = str_of(value->text), count;
	char what[128];

	if (str_eq_c(rest, "0"))
		return;
	if (str_split(&rest, '/', &count) &&
	    str_to_i64(count, 1, GCRA_QUOTA_MAX, &value->number) == 0 &&
	    str_to_i64(rest, 1, GCRA_WINDOW_MAX, &value->seconds) == 0)
		return;
	snprintf(what, sizeof(what),
		 "must be N/S, such as 20/10 for 20 in 10 seconds (up to %d/%d), or 0",
		 GCRA_QUOTA_MAX, GCRA_WINDOW_MAX);
	fault(l, key, what);
}

static void check_choice(struct loader *l, enum conf_key key, struct value *value)
{
	struct str rest = str_of(conf_table_item(key)->choices), word;
	char what[128];

	while (str_word(&rest, &word)) {
		if (str_eq_c(word, value->text))
			return;
	}
	snprintf(what, sizeof(what), "must be one of: %s", conf_table_item(key)->choices);
	fault(l, key, what);
}

static void check_url_path(struct loader *l, enum conf_key key, struct value *value)
{
	size_t n = strlen(value->text);

	if (value->text[0] != '/' || (n > 1 && value->text[n - 1] == '/') ||
	    strpbrk(value->text, "?#% \t\r\n") != NULL)
		fault(l, key, "must be a path such as /chat, without a slash at its end");
}

static void check(struct loader *l, enum conf_key key, struct value *value)
{
	switch (conf_table_item(key)->type) {
	case CONF_TYPE_INT:
		check_number(l, key, value);
		break;
	case CONF_TYPE_MODE:
		check_mode(l, key, value);
		break;
	case CONF_TYPE_BOOL:
		check_bool(l, key, value);
		break;
	case CONF_TYPE_CHOICE:
		check_choice(l, key, value);
		break;
	case CONF_TYPE_URL_PATH:
		check_url_path(l, key, value);
		break;
	case CONF_TYPE_RATE:
		check_rate(l, key, value);
		break;
	case CONF_TYPE_TEXT:
	case CONF_TYPE_PATH:
	case CONF_TYPE_LIST:
		break;
	}
}

/* NAME_FILE: puts what is in the file in the place of its path. */
static int follow(struct loader *l, enum conf_key key, struct value *value)
{
	struct secret secret = {0};
	char *text = NULL;

	if (secret_load(value->text, 1, &secret, l->report) < 0) {
		fault(l, key, "the file that should hold it is of no use");
		return -1;
	}
	if (memchr(secret.data, '\0', secret.len) != NULL)
		fault(l, key, "the file holds a NUL byte");
	else
		text = str_dup((struct str){(char *)secret.data, secret.len});
	secret_wipe(&secret);
	if (text == NULL)
		return -1;
	free(value->text);
	value->text = text;
	return 0;
}

static void settle(struct loader *l, enum conf_key key)
{
	struct value *value = &l->conf->values[key];

	if (value->text != NULL && value->indirect && value->text[0] != '\0' &&
	    follow(l, key, value) < 0) {
		l->failed = true;
		return;
	}
	if (value->text == NULL || value->text[0] == '\0') {
		value_clear(value);
		value->text = str_dup(str_of(conf_table_item(key)->fallback));
		if (value->text == NULL) {
			fault(l, key, "out of memory");
			return;
		}
	}
	check(l, key, value);
}

struct conf *conf_load(const char *path, struct buf *report)
{
	struct loader l = {.conf = calloc(1, sizeof(*l.conf)), .report = report};

	if (l.conf == NULL) {
		buf_puts(report, "could not load the settings: out of memory\n");
		return NULL;
	}
	take_file(&l, path);
	take_environment(&l);
	for (int key = 0; key < CONF_COUNT; key++)
		settle(&l, (enum conf_key)key);
	if (l.failed) {
		conf_free(l.conf);
		return NULL;
	}
	return l.conf;
}

/* A URL is a secret by the password in it, which for PostgreSQL may be among its parameters. */
static bool is_telling(struct str text)
{
	const char *scheme = memmem(text.p, text.n, "://", 3);
	const char *at = memrchr(text.p, '@', text.n);

	return scheme == NULL || memmem(text.p, text.n, "password=", 9) != NULL ||
	       (at != NULL && at > scheme + 3 &&
		memchr(scheme + 3, ':', (size_t)(at - scheme - 3)) != NULL);
}

const char *conf_secret_file(const struct conf *conf)
{
	for (int key = 0; key < CONF_COUNT; key++) {
		const struct value *value = &conf->values[key];

		if (has(conf_table_item((enum conf_key)key), CONF_SECRET) &&
		    value->origin == FROM_FILE && !value->indirect && value->text[0] != '\0' &&
		    is_telling(str_of(value->text)))
			return conf->path;
	}
	return NULL;
}

int conf_keep_fixed(struct conf *fresh, const struct conf *current, struct buf *report)
{
	for (int key = 0; key < CONF_COUNT; key++) {
		const struct conf_item *item = conf_table_item((enum conf_key)key);
		const struct value *old = &current->values[key];
		struct value *new = &fresh->values[key];
		char *text;

		if (has(item, CONF_RELOADABLE) || strcmp(new->text, old->text) == 0)
			continue;
		buf_printf(report, "%s changed: takes effect at the next start\n", item->name);
		text = str_dup(str_of(old->text));
		if (text == NULL)
			return -1;
		value_clear(new);
		*new = *old;
		new->text = text;
	}
	return 0;
}

/* ---- asking ---- */

const char *conf_str(const struct conf *conf, enum conf_key key)
{
	return conf->values[key].text;
}

int64_t conf_int(const struct conf *conf, enum conf_key key)
{
	return conf->values[key].number;
}

struct conf_rate conf_rate(const struct conf *conf, enum conf_key key)
{
	const struct value *value = &conf->values[key];

	return (struct conf_rate){.count = value->number, .seconds = value->seconds};
}

bool conf_bool(const struct conf *conf, enum conf_key key)
{
	return conf->values[key].number != 0;
}

bool conf_is_set(const struct conf *conf, enum conf_key key)
{
	return conf->values[key].origin != FROM_DEFAULT;
}

/* ---- showing ---- */

/* So that the file's syntax reads it back. */
static void put_value(struct buf *out, const char *text)
{
	if (strpbrk(text, " \t\r\n'\"\\`$#;") == NULL) {
		buf_puts(out, text);
		return;
	}
	buf_putc(out, '"');
	for (; *text != '\0'; text++) {
		if (strchr("\"\\`$", *text) != NULL)
			buf_putc(out, '\\');
		buf_putc(out, *text);
	}
	buf_putc(out, '"');
}

/* A heading where a row begins another section than the one before it. */
static void put_section(struct buf *out, int key)
{
	const char *section = conf_table_item((enum conf_key)key)->section;

	if (key > 0 && strcmp(section, conf_table_item((enum conf_key)(key - 1))->section) == 0)
		return;
	buf_printf(out, "%s# ---- %s ----\n", key > 0 ? "\n" : "", section);
}

void conf_print(const struct conf *conf, struct buf *out)
{
	for (int key = 0; key < CONF_COUNT; key++) {
		const struct conf_item *item = conf_table_item((enum conf_key)key);
		const struct value *value = &conf->values[key];
		bool set = value->origin != FROM_DEFAULT;

		put_section(out, key);
		if (set) {
			buf_puts(out, "# ");
			put_origin(out, conf, value);
			buf_putc(out, '\n');
		}
		/* A hidden secret stays a comment: reading it back would set a wrong one. */
		if (set && has(item, CONF_SECRET)) {
			buf_printf(out, "#%s=(hidden)\n", item->name);
			continue;
		}
		buf_printf(out, "%s%s=", set ? "" : "#", item->name);
		put_value(out, value->text);
		buf_putc(out, '\n');
	}
}

/* What may be written behind the help text: the range, or the words to choose from. */
static void put_domain(struct buf *out, const struct conf_item *item)
{
	if (item->type == CONF_TYPE_INT)
		buf_printf(out, " (%" PRId64 " to %" PRId64 ")", item->min, item->max);
	else if (item->type == CONF_TYPE_BOOL)
		buf_puts(out, " (yes or no)");
	else if (item->type == CONF_TYPE_CHOICE)
		buf_printf(out, " (%s)", item->choices);
	else if (item->type == CONF_TYPE_RATE)
		buf_puts(out, " (N/S, N in S seconds; 0: no limit)");
	if (has(item, CONF_SECRET))
		buf_printf(out, "; or %s_FILE", item->name);
}

void conf_sample(struct buf *out)
{
	buf_puts(out, "# Settings of bellhop. The lines that are commented out show the defaults.\n"
		      "# The environment overrides this file.\n\n");
	for (int key = 0; key < CONF_COUNT; key++) {
		const struct conf_item *item = conf_table_item((enum conf_key)key);

		put_section(out, key);
		buf_printf(out, "# %s", item->help);
		put_domain(out, item);
		buf_printf(out, "\n#%s=", item->name);
		put_value(out, item->fallback);
		buf_putc(out, '\n');
	}
}
