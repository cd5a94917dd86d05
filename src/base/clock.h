/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The time, asked for here and nowhere else so that tests can move it. Two clocks: the monotonic one
 * for deadlines and durations, the real one for what is shown or compared with other machines.
 */
#ifndef BELLHOP_BASE_CLOCK_H
#define BELLHOP_BASE_CLOCK_H

#include "base/str.h"

#define CLOCK_TEXT_SIZE 25 /* "2026-11-20T15:04:05.123Z" and its NUL */

int64_t clock_mono_ms(void);
int64_t clock_mono_us(void);

/* Since 1970-01-01T00:00:00Z. */
int64_t clock_real_ms(void);
int64_t clock_real_us(void);

/*
 * RFC 3339 in UTC with milliseconds. Times before the year 0000 or after 9999 are clamped, so that
 * the text always fits and parses.
 */
void clock_format(int64_t real_ms, char text_r[CLOCK_TEXT_SIZE]);

/*
 * Reads RFC 3339 section 5.6: `T` and `Z` in either case, any offset, any number of fraction digits
 * (cut to milliseconds), a leap second as the second after. 0, or -1 with *real_ms_r untouched.
 */
int clock_parse(struct str text, int64_t *real_ms_r);

/*
 * How long a wait until `deadline_ms` (monotonic) is, for poll(): never negative, never above
 * INT_MAX.
 */
int clock_wait_ms(int64_t deadline_ms);

/* For tests: moves both clocks forward (or back) from now on; shifts add up. */
void clock_shift_ms(int64_t delta_ms);

#endif
