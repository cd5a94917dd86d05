/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads what is published, strictly. */
#include "config.h"

#include "push/payload.h"

#include "web/ids.h"
#include "web/json_read.h"

/* Exact in every JSON reader. */
#define NUMBER_MAX INT64_C(9007199254740991)

/* The longest speaks of what a token says, which is less than the token itself. */
enum { TYPING_MS_MAX = 60000, PAYLOAD_MAX = JWT_BYTES_MAX };

static int read_int(const struct json_read_value *root, const char *name, int64_t min, int64_t max,
		    int64_t *value_r)
{
	const struct json_read_value *member = json_read_find(root, name);

	return member == NULL ? -1 : json_read_int(member, min, max, value_r);
}

/* null and absence are 0. */
static int read_time(const struct json_read_value *root, const char *name, int64_t *value_r)
{
	const struct json_read_value *member = json_read_find(root, name);

	*value_r = 0;
	if (member == NULL || json_read_is_null(member))
		return 0;
	return json_read_int(member, 0, NUMBER_MAX, value_r);
}

static int read_user(const struct json_read_value *root, struct payload *p)
{
	const struct json_read_value *member = json_read_find(root, "user_id");

	if (member == NULL || !json_read_is_string(member))
		return -1;
	p->user = json_read_str(member);
	return ids_is_user(p->user) ? 0 : -1;
}

static int read_name(const struct json_read_value *root, struct payload *p)
{
	const struct json_read_value *member = json_read_find(root, "name");

	if (member == NULL || json_read_is_null(member))
		return 0;
	p->name = json_read_str(member);
	if (!json_read_is_string(member) || (p->name.n > 0 && !ids_is_name(p->name)))
		return -1;
	return 0;
}

static int read_status(const struct json_read_value *root, struct payload *p)
{
	const struct json_read_value *member = json_read_find(root, "status");

	return member == NULL || !json_read_is_string(member)
		       ? -1
		       : presence_status_parse(json_read_str(member), &p->status);
}

static int read_inbox(const struct json_read_value *root, struct payload *p)
{
	const struct json_read_value *ticket = json_read_find(root, "ticket_id");
	const struct json_read_value *is_public = json_read_find(root, "public");

	p->kind = PAYLOAD_INBOX;
	if (ticket == NULL || !json_read_is_string(ticket) || is_public == NULL ||
	    !json_read_is_bool(is_public))
		return -1;
	p->ticket = json_read_str(ticket);
	p->is_public = json_read_bool(is_public);
	if (!ids_is_ticket(p->ticket) || read_int(root, "epoch", 1, NUMBER_MAX, &p->epoch) != 0)
		return -1;
	return read_int(root, "seq", 1, NUMBER_MAX, &p->seq);
}

static int read_read(const struct json_read_value *root, struct payload *p)
{
	if (read_int(root, "seq", 1, NUMBER_MAX, &p->seq) != 0 ||
	    read_int(root, "public_seq", 0, p->seq, &p->public_seq) != 0)
		return -1;
	return read_int(root, "at_ms", 0, NUMBER_MAX, &p->at_ms);
}

static int read_event(const struct json_read_value *root, struct str event, struct payload *p)
{
	if (read_user(root, p) != 0)
		return -1;
	if (str_eq_c(event, "typing-start")) {
		p->kind = PAYLOAD_TYPING_START;
		return read_name(root, p) != 0 ? -1
					       : read_int(root, "ms", 1, TYPING_MS_MAX, &p->ms);
	}
	if (str_eq_c(event, "typing-stop")) {
		p->kind = PAYLOAD_TYPING_STOP;
		return read_name(root, p);
	}
	if (str_eq_c(event, "message-read")) {
		p->kind = PAYLOAD_READ;
		return read_read(root, p);
	}
	if (str_eq_c(event, "here")) {
		p->kind = PAYLOAD_HERE;
		return read_status(root, p);
	}
	if (str_eq_c(event, "presence")) {
		p->kind = PAYLOAD_PRESENCE;
		return read_status(root, p) != 0 ? -1
						 : read_time(root, "last_seen_ms", &p->seen_ms);
	}
	if (str_eq_c(event, "renewed")) {
		p->kind = PAYLOAD_RENEWED;
		return renewal_read(root, &p->renewal);
	}
	return -1;
}

int payload_parse(struct str text, struct payload *payload_r)
{
	struct payload p = {0};
	struct json_read_error error;
	const struct json_read_value *root, *event;
	int status = -1;

	if (text.n > PAYLOAD_MAX || json_read(text, &p.json, &error) != JSON_READ_OK)
		return -1;
	root = json_read_root(p.json);
	if (json_read_is_object(root)) {
		event = json_read_find(root, "event");
		if (event == NULL)
			status = read_inbox(root, &p);
		else if (json_read_is_string(event))
			status = read_event(root, json_read_str(event), &p);
	}
	if (status == 0)
		*payload_r = p;
	else
		payload_deinit(&p);
	return status;
}

void payload_deinit(struct payload *payload)
{
	renewal_deinit(&payload->renewal);
	json_read_free(payload->json);
	*payload = (struct payload){0};
}
