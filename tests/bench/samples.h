/* SPDX-License-Identifier: BSD-2-Clause */
/* Durations measured, and their percentiles. */
#ifndef BELLHOP_BENCH_SAMPLES_H
#define BELLHOP_BENCH_SAMPLES_H

#include <stddef.h>
#include <stdint.h>

struct samples {
	uint32_t *us;
	size_t n, cap;
	size_t dropped; /* for want of memory */
};

/* Room for cap samples is made at once; more find room as they come. {0} is an empty list too. */
void samples_init(struct samples *s, size_t cap);
void samples_deinit(struct samples *s);

void samples_add(struct samples *s, int64_t us);

/* To be called before samples_percentile_ms(), and again after further samples. */
void samples_sort(struct samples *s);

/* The nearest-rank percentile, 0 < percent <= 100, in milliseconds; 0 without samples. */
double samples_percentile_ms(const struct samples *s, double percent);

#endif
