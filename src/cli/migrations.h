/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The numbered migrations: as files (sql/NNNN_name.sql), and compared with what the database has
 * (store/migrate.h). No I/O but the reading of the files.
 */
#ifndef BELLHOP_CLI_MIGRATIONS_H
#define BELLHOP_CLI_MIGRATIONS_H

#include <stddef.h>

#include "base/buf.h"
#include "store/migrate.h"

struct migration {
	int version; /* 1 or more */
	char *name;  /* between the number and ".sql" */
	struct buf text;
	char checksum[MIGRATE_CHECKSUM_SIZE];
};

/* A list in the order of versions; {0} is empty. */
struct migrations {
	struct migration *items;
	size_t n;
};

/*
 * Reads the files of a directory; others are passed over. They must be numbered 1, 2, 3 … without a
 * hole, and there must be one. 0, or -1 with a line of reason appended to *error.
 */
int migrations_load(const char *directory, struct migrations *list_r, struct buf *error);

/*
 * Compares: every migration that was applied must be one of the files, unchanged, and none between
 * them may be missing. How many were applied, that is, the index of the first file that is still to
 * be; or -1 with a line of reason for each fault. A checksum that is not known is no fault.
 */
int migrations_compare(const struct migrations *files, const struct migrate_applied *applied,
		       size_t n, struct buf *error);

/* The whole of a file of that directory. 0, or -1 with a line of reason appended to *error. */
int migrations_read(const char *directory, const char *name, struct buf *text, struct buf *error);

void migrations_deinit(struct migrations *list);

#endif
