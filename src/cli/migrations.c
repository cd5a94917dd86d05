/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading and comparing migrations. */
#include "config.h"

#include "cli/migrations.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	NUMBER_LENGTH = 4, /* NNNN_name.sql */
	FILE_MAX = 4 << 20,
};

void migrations_deinit(struct migrations *list)
{
	for (size_t i = 0; i < list->n; i++) {
		free(list->items[i].name);
		buf_deinit(&list->items[i].text);
	}
	free(list->items);
	*list = (struct migrations){0};
}

static struct migration *append(struct migrations *list, int version, struct str name)
{
	struct migration *items;
	struct migration *last;

	items = reallocarray(list->items, list->n + 1, sizeof(*items));
	if (items == NULL)
		return NULL;
	list->items = items;
	last = &items[list->n];
	memset(last, 0, sizeof(*last));
	last->version = version;
	last->name = str_dup(name);
	if (last->name == NULL)
		return NULL;
	list->n++;
	return last;
}

/* Takes NNNN_name.sql apart; false for any other file. */
static bool parse_name(const char *file, int *version_r, struct str *name_r)
{
	struct str rest = str_of(file);
	int version = 0;

	if (rest.n < NUMBER_LENGTH + 2 || !str_ends(rest, STR(".sql")) ||
	    file[NUMBER_LENGTH] != '_')
		return false;
	for (size_t i = 0; i < NUMBER_LENGTH; i++) {
		if (file[i] < '0' || file[i] > '9')
			return false;
		version = 10 * version + (file[i] - '0');
	}
	*version_r = version;
	name_r->p = file + NUMBER_LENGTH + 1;
	name_r->n = rest.n - (NUMBER_LENGTH + 1) - 4;
	return version > 0 && name_r->n > 0;
}

static int read_file(const char *path, struct buf *text, struct buf *error)
{
	size_t before = error->len;
	char part[8192];
	size_t n;
	FILE *file = fopen(path, "re");

	if (file == NULL) {
		buf_printf(error, "could not open %s: %s\n", path, strerror(errno));
		return -1;
	}
	text->limit = FILE_MAX;
	while ((n = fread(part, 1, sizeof(part), file)) > 0)
		buf_put(text, part, n);
	if (ferror(file))
		buf_printf(error, "could not read %s: %s\n", path, strerror(errno));
	else if (!buf_ok(text))
		buf_printf(error, "%s is too long\n", path);
	else if (text->len > 0 && memchr(text->data, '\0', text->len) != NULL)
		buf_printf(error, "%s is not a text\n", path);
	fclose(file);
	return error->len == before && buf_ok(error) ? 0 : -1;
}

int migrations_read(const char *directory, const char *name, struct buf *text, struct buf *error)
{
	struct buf path;
	int result = -1;

	buf_init(&path);
	buf_printf(&path, "%s/%s", directory, name);
	if (buf_cstr(&path) == NULL)
		buf_puts(error, "out of memory\n");
	else
		result = read_file(buf_cstr(&path), text, error);
	buf_deinit(&path);
	return result;
}

static int load_file(const char *directory, const char *file, struct migrations *list,
		     struct buf *error)
{
	struct migration *item;
	struct str name;
	int version;

	if (!parse_name(file, &version, &name))
		return 0;
	item = append(list, version, name);
	if (item == NULL) {
		buf_puts(error, "out of memory\n");
		return -1;
	}
	if (migrations_read(directory, file, &item->text, error) != 0)
		return -1;
	migrate_checksum(buf_str(&item->text), item->checksum);
	return 0;
}

static int by_version(const void *a, const void *b)
{
	const struct migration *x = a;
	const struct migration *y = b;

	return (x->version > y->version) - (x->version < y->version);
}

/* They must be numbered 1, 2, 3 … */
static int check_numbers(const struct migrations *list, const char *directory, struct buf *error)
{
	if (list->n == 0) {
		buf_printf(error, "no migrations in %s\n", directory);
		return -1;
	}
	for (size_t i = 0; i < list->n; i++) {
		int expected = (int)i + 1;

		if (list->items[i].version == expected)
			continue;
		if (list->items[i].version < expected)
			buf_printf(error, "migration %04d is there twice in %s\n",
				   list->items[i].version, directory);
		else
			buf_printf(error, "migration %04d is missing in %s\n", expected, directory);
		return -1;
	}
	return 0;
}

int migrations_load(const char *directory, struct migrations *list_r, struct buf *error)
{
	struct migrations list = {0};
	struct dirent *entry;
	DIR *dir = opendir(directory);

	if (dir == NULL) {
		buf_printf(error, "could not open %s: %s\n", directory, strerror(errno));
		return -1;
	}
	while ((entry = readdir(dir)) != NULL)
		if (load_file(directory, entry->d_name, &list, error) != 0)
			goto failed;
	if (list.n > 0)
		qsort(list.items, list.n, sizeof(list.items[0]), by_version);
	if (check_numbers(&list, directory, error) != 0)
		goto failed;
	closedir(dir);
	*list_r = list;
	return 0;
failed:
	closedir(dir);
	migrations_deinit(&list);
	return -1;
}

/* One that was applied against its file. */
static void compare_one(const struct migration *file, const struct migrate_applied *applied,
			struct buf *error)
{
	if (strcmp(file->name, applied->name) != 0)
		buf_printf(error, "the database has migration %04d_%s, here it is %04d_%s\n",
			   file->version, applied->name, file->version, file->name);
	else if (applied->checksum[0] != '\0' && strcmp(file->checksum, applied->checksum) != 0)
		buf_printf(error, "migration %04d_%s was changed after it was applied\n",
			   file->version, file->name);
}

int migrations_compare(const struct migrations *files, const struct migrate_applied *applied,
		       size_t n, struct buf *error)
{
	size_t before = error->len;

	for (size_t i = 0; i < n; i++) {
		int64_t version = applied[i].version;

		if (version != (int64_t)i + 1) {
			buf_printf(error, "the database lacks migration %04zu but has %04lld_%s\n",
				   i + 1, (long long)version, applied[i].name);
			return -1;
		}
		if (i < files->n)
			compare_one(&files->items[i], &applied[i], error);
		else
			buf_printf(error,
				   "the database has migration %04lld_%s, which is not known here: "
				   "it belongs to a newer version\n",
				   (long long)version, applied[i].name);
	}
	return error->len > before || error->failed ? -1 : (int)n;
}
