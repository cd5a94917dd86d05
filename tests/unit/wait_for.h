/* SPDX-License-Identifier: BSD-2-Clause */
/* Waiting for something that another process does: until it is so, never for a fixed time. */
#ifndef BELLHOP_TESTS_WAIT_FOR_H
#define BELLHOP_TESTS_WAIT_FOR_H

#include <poll.h>

#include "base/clock.h"

#ifndef WAIT_FOR_MS /* tests/torture waits for less */
#define WAIT_FOR_MS 20000
#endif

/* Fails the cmocka test when the condition does not come true. */
#define WAIT_FOR(condition)                                               \
	do {                                                              \
		int64_t wait_deadline_ms = clock_mono_ms() + WAIT_FOR_MS; \
                                                                          \
		while (!(condition)) {                                    \
			if (clock_wait_ms(wait_deadline_ms) == 0)         \
				fail_msg("in vain: %s", #condition);      \
			poll(NULL, 0, 2);                                 \
		}                                                         \
	} while (0)

#endif
