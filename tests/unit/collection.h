/* SPDX-License-Identifier: BSD-2-Clause */
/* The collections of hostile input in tests/hostile/, which the integration tests read as well. */
#ifndef BELLHOP_TESTS_COLLECTION_H
#define BELLHOP_TESTS_COLLECTION_H

#include "base/str.h"

enum { COLLECTION_FIELDS_MAX = 2 };

/* One line: its number, its outcome, and its fields with their escapes decoded. */
struct collection_row {
	int line;
	struct str outcome;
	struct str fields[COLLECTION_FIELDS_MAX];
};

/*
 * Gives every row of tests/hostile/<name> to `each`, in order. The strings hold during the call. Fails the
 * cmocka test where there is no such file, or nothing in it.
 */
void collection_each(const char *name, void (*each)(const struct collection_row *row, void *arg),
		     void *arg);

#endif
