/* SPDX-License-Identifier: BSD-2-Clause */
/* Percentiles by sorting: exact, and cheap enough once at the end. */
#include "config.h"

#include "samples.h"

#include <stdlib.h>

void samples_init(struct samples *s, size_t cap)
{
	*s = (struct samples){0};
	s->us = calloc(cap, sizeof(*s->us));
	s->cap = s->us != NULL ? cap : 0;
}

void samples_deinit(struct samples *s)
{
	free(s->us);
	*s = (struct samples){0};
}

void samples_add(struct samples *s, int64_t us)
{
	if (s->n == s->cap) {
		size_t cap = s->cap > 0 ? 2 * s->cap : 1024;
		uint32_t *more = reallocarray(s->us, cap, sizeof(*more));

		if (more == NULL) {
			s->dropped++;
			return;
		}
		s->us = more;
		s->cap = cap;
	}
	s->us[s->n++] = us < 0 ? 0 : us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

static int by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a;
	uint32_t y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

void samples_sort(struct samples *s)
{
	if (s->n > 0)
		qsort(s->us, s->n, sizeof(*s->us), by_size);
}

double samples_percentile_ms(const struct samples *s, double percent)
{
	double exact = percent / 100 * (double)s->n;
	size_t rank = (size_t)exact;

	if (s->n == 0)
		return 0;
	if ((double)rank < exact)
		rank++;
	if (rank == 0)
		rank = 1;
	return s->us[rank - 1] / 1000.0;
}
