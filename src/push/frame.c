/* SPDX-License-Identifier: BSD-2-Clause */
/* Builds frames and counts who holds them. */
#include "config.h"

#include "push/frame.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "store/event.h"
#include "web/cursor.h"
#include "web/json_write.h"
#include "web/sse.h"

static struct frame *frame_alloc(struct str bytes)
{
	struct frame *frame = malloc(sizeof(*frame) + bytes.n);

	if (frame == NULL)
		return NULL;
	*frame = (struct frame){.refs = 1, .len = bytes.n};
	if (bytes.n > 0)
		memcpy(frame->bytes, bytes.p, bytes.n);
	return frame;
}

struct frame *frame_new(const char *event, struct str id, struct str data)
{
	struct buf text = BUF_INIT;
	struct frame *frame = NULL;

	sse_frame(&text, event, id, data);
	if (buf_ok(&text))
		frame = frame_alloc(buf_str(&text));
	buf_deinit(&text);
	if (frame == NULL)
		return NULL;
	frame->event = event;
	if (id.p != NULL)
		frame->id_len = strlen("id: \n") + id.n;
	frame->data_at = frame->id_len + strlen("event: \ndata: ") + strlen(event);
	frame->data_len = data.n;
	return frame;
}

struct frame *frame_of_event(const struct ticket_event *event, enum message_viewer viewer)
{
	char id[CURSOR_TEXT_SIZE];
	struct buf data = BUF_INIT;
	struct json_write json;
	struct frame *frame = NULL;

	json_write_init(&json, &data);
	message_frame_json(&json, event, viewer);
	if (json_write_finish(&json) == 0)
		frame = frame_new(message_event_name(event),
				  cursor_format(event->epoch, event->seq, id), buf_str(&data));
	buf_deinit(&data);
	return frame;
}

struct frame *frame_of_revoked(struct str ticket)
{
	struct buf data = BUF_INIT;
	struct json_write json;
	struct frame *frame = NULL;

	json_write_init(&json, &data);
	json_write_open_object(&json);
	json_write_member_str(&json, "ticket_id", ticket);
	json_write_close(&json);
	if (json_write_finish(&json) == 0)
		frame = frame_new("revoked", (struct str){0}, buf_str(&data));
	buf_deinit(&data);
	return frame;
}

struct frame *frame_raw(struct str bytes)
{
	return frame_alloc(bytes);
}

struct frame *frame_ref(struct frame *frame)
{
	frame->refs++;
	return frame;
}

void frame_unref(struct frame *frame)
{
	if (frame != NULL && --frame->refs == 0)
		free(frame);
}

struct str frame_id(const struct frame *frame)
{
	if (frame->id_len == 0)
		return (struct str){0};
	return (struct str){frame->bytes + strlen("id: "), frame->id_len - strlen("id: \n")};
}

struct str frame_data(const struct frame *frame)
{
	return (struct str){frame->bytes + frame->data_at, frame->data_len};
}
