/* SPDX-License-Identifier: BSD-2-Clause */
/* Temporary directories for tests. */
#include "config.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tempdir.h"

void tempdir_init(struct tempdir *dir)
{
	strcpy(dir->path, "/tmp/bellhop-test-XXXXXX");
	if (mkdtemp(dir->path) == NULL) {
		perror("mkdtemp");
		abort();
	}
}

void tempdir_deinit(struct tempdir *dir)
{
	DIR *entries = opendir(dir->path);
	struct dirent *entry;

	while (entries != NULL && (entry = readdir(entries)) != NULL) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			unlinkat(dirfd(entries), entry->d_name, 0);
	}
	if (entries != NULL)
		closedir(entries);
	rmdir(dir->path);
}

const char *tempdir_name(struct tempdir *dir, const char *file)
{
	snprintf(dir->name, sizeof(dir->name), "%s/%.100s", dir->path, file);
	return dir->name;
}

const char *tempdir_file(struct tempdir *dir, const char *file, const void *bytes, size_t n,
			 mode_t mode)
{
	const char *name = tempdir_name(dir, file);
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, bytes, n) != (ssize_t)n || fchmod(fd, mode) < 0) {
		perror(name);
		abort();
	}
	close(fd);
	return name;
}
