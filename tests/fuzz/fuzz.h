/* SPDX-License-Identifier: BSD-2-Clause */
/* What every fuzz target has: libFuzzer's entry, and a way to say that a promise was broken. */
#ifndef BELLHOP_TESTS_FUZZ_H
#define BELLHOP_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Takes one input; returns 0. Called by libFuzzer, or by replay.c for the corpus. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the program, which libFuzzer records as a finding, where a promise does not hold. */
#define FUZZ_EXPECT(promise)                                                                  \
	do {                                                                                  \
		if (!(promise)) {                                                             \
			fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #promise); \
			abort();                                                              \
		}                                                                             \
	} while (0)

#endif
