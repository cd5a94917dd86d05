/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys, the text opened last, and when the log last heard of one that could not be. */
#include "config.h"

#include "push/texts.h"

#include <stdlib.h>

#include "base/clock.h"

struct texts {
	struct seal *seal;
	struct seal_reader reader;
	bool has_logged;
	int64_t logged_at_ms;
};

struct texts *texts_new(void)
{
	return calloc(1, sizeof(struct texts));
}

void texts_free(struct texts *texts)
{
	if (texts == NULL)
		return;
	seal_reader_deinit(&texts->reader);
	seal_free(texts->seal);
	free(texts);
}

void texts_set_keys(struct texts *texts, struct seal *seal)
{
	seal_free(texts->seal);
	texts->seal = seal;
	texts->reader.seal = seal;
}

/* What is to be said of the text opened last. 0, or -1 when out of memory. */
static int settle(struct texts *texts)
{
	const int status = texts->reader.out_of_memory ? -1 : 0;

	if (texts->reader.unread > 0 &&
	    (!texts->has_logged || clock_mono_ms() - texts->logged_at_ms >= TEXTS_LOG_MS)) {
		seal_reader_log(&texts->reader, NULL);
		seal_reader_reset(&texts->reader);
		texts->has_logged = true;
		texts->logged_at_ms = clock_mono_ms();
	}
	texts->reader.out_of_memory = false;
	return status;
}

int texts_open_text(struct texts *texts, const struct seal_place *place, int64_t seq,
		    struct str stored, struct str *text_r)
{
	*text_r = seal_reader_open(&texts->reader, place, seq, stored);
	return settle(texts);
}

int texts_open(struct texts *texts, const struct ticket_event *event, struct ticket_event *opened_r)
{
	*opened_r = seal_reader_event(&texts->reader, event);
	return settle(texts);
}
