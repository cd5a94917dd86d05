/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads what participant events say. */
#include "config.h"

#include "chat/participant.h"

#include <stdio.h>

#include "web/json_read.h"

static int read_member(const struct json_read *detail, const char *key, char *text_r, size_t size)
{
	const struct json_read_value *value = json_read_find(json_read_root(detail), key);
	struct str text;

	if (value == NULL || !json_read_is_string(value))
		return -1;
	text = json_read_str(value);
	if (text.n == 0 || text.n >= size)
		return -1;
	snprintf(text_r, size, "%.*s", STR_ARG(text));
	return 0;
}

int participant_parse(const struct ticket_event *event, struct participant_change *change_r)
{
	struct participant_change change = {0};
	struct json_read_error error;
	struct json_read *detail;
	int status = -1;

	if (event->kind != EVENT_PARTICIPANT || event->detail.p == NULL ||
	    json_read(event->detail, &detail, &error) != JSON_READ_OK)
		return -1;
	if (json_read_is_object(json_read_root(detail)) &&
	    read_member(detail, "user_id", change.user, sizeof(change.user)) == 0 &&
	    read_member(detail, "role", change.role, sizeof(change.role)) == 0) {
		change.is_removed = str_eq_c(str_of(change.role), "removed");
		*change_r = change;
		status = 0;
	}
	json_read_free(detail);
	return status;
}

bool participant_removes(const struct ticket_event *event, struct str user)
{
	struct participant_change change;

	return participant_parse(event, &change) == 0 && change.is_removed &&
	       str_eq(str_of(change.user), user);
}
