/* SPDX-License-Identifier: BSD-2-Clause */
/* A directory of its own for a test, with files made and removed by name. */
#ifndef BELLHOP_TESTS_TEMPDIR_H
#define BELLHOP_TESTS_TEMPDIR_H

#include <stddef.h>
#include <sys/types.h>

struct tempdir {
	char path[64];
	char name[192]; /* what tempdir_file() and tempdir_name() returned last */
};

/* Aborts the test program if the directory cannot be made. */
void tempdir_init(struct tempdir *dir);

/* Removes it with the files, sockets and FIFOs in it; no subdirectories. */
void tempdir_deinit(struct tempdir *dir);

/* The full name of a file in it, valid until the next call. */
const char *tempdir_name(struct tempdir *dir, const char *file);

/* Writes a file with n bytes and this mode; returns its full name. */
const char *tempdir_file(struct tempdir *dir, const char *file, const void *bytes, size_t n,
			 mode_t mode);

#endif
