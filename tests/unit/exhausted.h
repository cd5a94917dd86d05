/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that runs out when a test wants it to, for all that is linked into it but the libraries. To be
 * linked with $(exhausted_flags).
 */
#ifndef BELLHOP_TESTS_EXHAUSTED_H
#define BELLHOP_TESTS_EXHAUSTED_H

#include <stddef.h>

/* So many more allocations succeed, and then none does; negative: all do. */
extern long exhausted_after;

/* More than what one call of anything tested so allocates: where so many succeed and it fails, it never will do. */
enum { EXHAUSTED_MAX = 16 };

#endif
