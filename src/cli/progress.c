/* SPDX-License-Identifier: BSD-2-Clause */
/* Draws a bar over itself. */
#include "config.h"

#include "cli/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"

enum { WIDTH = 40, INTERVAL_MS = 200 };

static void draw(struct progress *p)
{
	char bar[WIDTH + 1];
	int64_t done = p->done < p->total ? p->done : p->total;

	p->drawn_at_ms = clock_mono_ms();
	p->is_open = true;
	if (p->total <= 0) {
		fprintf(stderr, "\r%lld", (long long)p->done);
		return;
	}
	for (int i = 0; i < WIDTH; i++)
		bar[i] = (double)i < (double)WIDTH * (double)done / (double)p->total ? '#' : '.';
	bar[WIDTH] = '\0';
	fprintf(stderr, "\r[%s] %3d %%", bar, (int)(100.0 * (double)done / (double)p->total));
}

void progress_start(struct progress *p, int64_t total)
{
	*p = (struct progress){.is_shown = isatty(STDERR_FILENO) == 1, .total = total};
	if (p->is_shown)
		draw(p);
}

void progress_set(struct progress *p, int64_t done)
{
	p->done = done;
	if (p->is_shown && clock_mono_ms() - p->drawn_at_ms >= INTERVAL_MS)
		draw(p);
}

void progress_break(struct progress *p)
{
	if (p->is_open)
		fputc('\n', stderr);
	p->is_open = false;
}

void progress_end(struct progress *p, bool is_finished)
{
	if (!p->is_shown || (!is_finished && !p->is_open))
		return;
	if (is_finished && p->done < p->total)
		p->done = p->total;
	draw(p);
	progress_break(p);
}
