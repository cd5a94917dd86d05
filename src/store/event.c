/* SPDX-License-Identifier: BSD-2-Clause */
/* Copying events, and the letters that the stores hold for their kinds. */
#include "config.h"

#include "store/event.h"

#include <stdlib.h>
#include <string.h>

enum { EVENT_STRINGS = 8 };

/* All strings of an event, so that nothing here forgets one. */
static void list_strings(struct ticket_event *event, struct str *strings_r[EVENT_STRINGS])
{
	strings_r[0] = &event->ticket;
	strings_r[1] = &event->sender_id;
	strings_r[2] = &event->sender_name;
	strings_r[3] = &event->content;
	strings_r[4] = &event->uid;
	strings_r[5] = &event->deleted_by;
	strings_r[6] = &event->detail;
	strings_r[7] = NULL;
}

size_t event_size(const struct ticket_event *event)
{
	struct ticket_event shallow = *event;
	struct str *strings[EVENT_STRINGS];
	size_t size = sizeof(*event);

	list_strings(&shallow, strings);
	for (size_t i = 0; strings[i] != NULL; i++)
		size += strings[i]->n;
	return size;
}

struct ticket_event *event_copy(const struct ticket_event *event)
{
	struct str *strings[EVENT_STRINGS];
	struct ticket_event *copy = malloc(event_size(event));
	char *end;

	if (copy == NULL)
		return NULL;
	*copy = *event;
	list_strings(copy, strings);
	end = (char *)(copy + 1);
	for (size_t i = 0; strings[i] != NULL; i++) {
		/* Absent stays absent; empty becomes an empty string of ours. */
		if (strings[i]->p == NULL)
			continue;
		memcpy(end, strings[i]->p, strings[i]->n);
		strings[i]->p = end;
		end += strings[i]->n;
	}
	return copy;
}

void event_copy_free(struct ticket_event *event)
{
	free(event);
}

bool event_kind_is_known(int letter)
{
	switch (letter) {
	case EVENT_MESSAGE:
	case EVENT_EDIT:
	case EVENT_DELETE:
	case EVENT_PARTICIPANT:
	case EVENT_TICKET:
		return true;
	default:
		return false;
	}
}

bool event_message_kind_is_known(int letter)
{
	return letter == MESSAGE_TEXT || letter == MESSAGE_NOTE || letter == MESSAGE_SYSTEM;
}

const char *event_message_kind_text(enum message_kind kind)
{
	switch (kind) {
	case MESSAGE_TEXT:
		return "text";
	case MESSAGE_NOTE:
		return "note";
	case MESSAGE_SYSTEM:
		return "system";
	case MESSAGE_NONE:
		break;
	}
	return "";
}
