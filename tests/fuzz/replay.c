/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stands in for libFuzzer: gives a target every file of its corpus, and every
 * beginning of each. fuzz_json reads tests/fuzz/corpus/json/ below $srcdir,
 * or the directory that is named on the command line.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "fuzz.h"

#define SEED_MAX 65536

/* Gives the target a copy of exactly n bytes, so that ASan sees one too many. */
static void give(const uint8_t *bytes, size_t n)
{
	uint8_t *exact = malloc(n > 0 ? n : 1);

	FUZZ_EXPECT(exact != NULL);
	memcpy(exact, bytes, n);
	LLVMFuzzerTestOneInput(exact, n);
	free(exact);
}

static void replay_file(const char *path)
{
	static uint8_t bytes[SEED_MAX];
	FILE *file = fopen(path, "rb");
	size_t n;

	if (file == NULL) {
		fprintf(stderr, "could not open %s: %s\n", path, strerror(errno));
		exit(1);
	}
	n = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	for (size_t i = 0; i <= n; i++)
		give(bytes, i);
}

static int replay_directory(const char *path)
{
	DIR *directory = opendir(path);
	const struct dirent *entry;
	int n = 0;

	if (directory == NULL) {
		fprintf(stderr, "could not open %s: %s\n", path, strerror(errno));
		return 1;
	}
	while ((entry = readdir(directory)) != NULL) {
		char name[4096];

		if (entry->d_name[0] == '.')
			continue;
		if (snprintf(name, sizeof(name), "%s/%s", path, entry->d_name) >= (int)sizeof(name))
			continue;
		replay_file(name);
		n++;
	}
	closedir(directory);
	printf("%d seeds of %s\n", n, path);
	return n > 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	const char *srcdir = getenv("srcdir");
	const char *program = strstr(argv[0], "fuzz_");
	char path[4096];

	if (argc > 1)
		return replay_directory(argv[1]);
	/* The last "fuzz_" of the path, which may have others before it. */
	while (program != NULL && strstr(program + 1, "fuzz_") != NULL)
		program = strstr(program + 1, "fuzz_");
	if (program == NULL)
		return 1;
	snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/%s", srcdir != NULL ? srcdir : ".",
		 program + strlen("fuzz_"));
	return replay_directory(path);
}
