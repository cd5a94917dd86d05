/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Brings everything that is stored to the newest key: the record's texts first (reseal.c), then what Redis
 * holds of them (reseal_windows.c). Rows that are at the newest key are not read, so what was interrupted
 * goes on; people may write, edit and delete meanwhile.
 */
#ifndef BELLHOP_CLI_RESEAL_H
#define BELLHOP_CLI_RESEAL_H

#include "cli/progress.h"
#include "cli/stores.h"

enum { RESEAL_KEYS_MAX = 2 * SEAL_KEYS_MAX };

/* How many texts are sealed with a key, as far as is known. */
struct reseal_use {
	bool is_plain; /* with none */
	uint32_t key_id;
	int64_t texts;
};

struct reseal {
	struct stores stores; /* with keys */
	struct progress progress;
	struct str ticket; /* n 0: all */
	bool is_dry;	   /* count, and change nothing */
	int64_t changed;   /* texts that were sealed anew, or would be */
	int64_t unopened;  /* texts that could not be, and stay as they are */
	int64_t windows;   /* tickets that Redis was made to load again, or would be */
	struct reseal_use uses[RESEAL_KEYS_MAX];
	size_t nuses; /* a key beyond them is not told of */
};

/* Each: 0, or -1 after reporting. */
int reseal_record(struct reseal *r);
int reseal_windows(struct reseal *r);

#endif
