/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys, the text opened last, and when the log last heard of one that could not be. */
#include "config.h"

#include "push/texts.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "chat/message.h"

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

static void report(struct texts *texts)
{
	const struct seal_reader *reader = &texts->reader;
	char key[SEAL_ID_TEXT_SIZE];

	if (texts->has_logged && clock_mono_ms() - texts->logged_at_ms < TEXTS_LOG_MS)
		return;
	seal_id_text(reader->key_id, key);
	log_error(NULL, "could not open a sealed text", LOG_S("ticket", str_of(reader->ticket)),
		  LOG_INT("seq", reader->seq), LOG_STR("reason", seal_outcome_text(reader->why)),
		  LOG_STR("key", key), LOG_INT("texts", reader->unread));
	texts->has_logged = true;
	texts->logged_at_ms = clock_mono_ms();
	seal_reader_reset(&texts->reader);
}

struct str texts_open_text(struct texts *texts, const struct seal_place *place, int64_t seq,
			   struct str stored)
{
	struct str text = seal_reader_open(&texts->reader, place, seq, stored);

	if (texts->reader.unread > 0)
		report(texts);
	return text;
}

struct ticket_event texts_open(struct texts *texts, const struct ticket_event *event)
{
	const struct seal_place place = seal_place_of(event);
	struct ticket_event opened = *event;

	opened.content = texts_open_text(texts, &place, message_seq(event), event->content);
	return opened;
}
