/* SPDX-License-Identifier: BSD-2-Clause */
/* The linker has the allocations pass by here. */
#include "config.h"

#include "exhausted.h"

#include <stdbool.h>

long exhausted_after = -1;

void *__real_malloc(size_t n);
void *__real_calloc(size_t count, size_t n);
void *__real_realloc(void *memory, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t count, size_t n);
void *__wrap_realloc(void *memory, size_t n);

static bool is_over(void)
{
	if (exhausted_after > 0)
		exhausted_after--;
	else if (exhausted_after == 0)
		return true;
	return false;
}

void *__wrap_malloc(size_t n)
{
	return is_over() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t count, size_t n)
{
	return is_over() ? NULL : __real_calloc(count, n);
}

void *__wrap_realloc(void *memory, size_t n)
{
	return is_over() ? NULL : __real_realloc(memory, n);
}
