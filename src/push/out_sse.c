/* SPDX-License-Identifier: BSD-2-Clause */
/* Writes a subscription as server-sent events. */
#include "config.h"

#include "push/out_sse.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "push/fcgi_conn.h"
#include "push/push.h"
#include "web/json_write.h"
#include "web/sse.h"

enum { REPLAY_LOW = 32768 }; /* more is replayed once less than this waits */

struct out_sse {
	struct out out;
	const struct push_limits *limits;
	struct event *beat;
};

static struct out_sse *sse_of(struct out *out)
{
	return (struct out_sse *)out;
}

/* ---- building ---- */

static void put_head(struct buf *text, const struct fcgi_conn *conn, const char *request_id,
		     enum mode mode)
{
	const char *lines = fcgi_conn_lines(conn);

	buf_printf(text,
		   "Status: 200 OK\r\n"
		   "Content-Type: text/event-stream\r\n"
		   "Cache-Control: no-store, no-transform\r\n"
		   "X-Accel-Buffering: no\r\n"
		   "X-Content-Type-Options: nosniff\r\n"
		   "X-Request-Id: %s\r\n"
		   "Bellhop-Mode: %s\r\n%s\r\n",
		   request_id, mode_text(mode), lines != NULL ? lines : "");
}

static void put_known(struct json_write *json, const char *key, struct str value)
{
	if (value.p == NULL) {
		json_write_member_null(json, key);
		return;
	}
	json_write_key(json, key);
	json_write_raw(json, value);
}

static void put_ticket(struct json_write *json, const struct out_ticket *ticket)
{
	json_write_key_str(json, ticket->ticket);
	json_write_open_object(json);
	json_write_member_int(json, "newest_seq", ticket->newest_seq);
	json_write_member_str(json, "status", ticket->status);
	json_write_key(json, "read");
	json_write_raw(json, ticket->read.p != NULL ? ticket->read : STR("{}"));
	put_known(json, "typing", ticket->typing);
	put_known(json, "present", ticket->present);
	if (ticket->unread >= 0)
		json_write_member_int(json, "unread", ticket->unread);
	else
		json_write_member_null(json, "unread");
	json_write_close(json);
}

static void put_hello(struct buf *text, const struct out_hello *hello)
{
	struct buf data = BUF_INIT;
	struct json_write json;
	char now[CLOCK_TEXT_SIZE];

	clock_format(clock_real_ms(), now);
	json_write_init(&json, &data);
	json_write_open_object(&json);
	json_write_member_str(&json, "cursor", hello->cursor);
	json_write_member_cstr(&json, "mode", mode_text(hello->mode));
	json_write_member_cstr(&json, "server_time", now);
	json_write_member_object(&json, "tickets");
	for (size_t i = 0; i < hello->n_tickets; i++)
		put_ticket(&json, &hello->tickets[i]);
	json_write_close(&json);
	json_write_close(&json);
	if (json_write_finish(&json) == 0)
		sse_frame(text, "hello", hello->cursor, buf_str(&data));
	else
		text->failed = true;
	buf_deinit(&data);
}

static void put_bye(struct buf *text, const char *code, int64_t retry_ms)
{
	char data[96];

	snprintf(data, sizeof(data), "{\"code\":\"%s\",\"retry_ms\":%lld}", code,
		 (long long)retry_ms);
	sse_retry(text, (int)retry_ms);
	sse_frame(text, "bye", (struct str){0}, str_of(data));
}

/* Sends what was built and empties it. */
static enum out_result send_text(struct fcgi_conn *conn, struct buf *text)
{
	struct frame *frame = buf_ok(text) ? frame_raw(buf_str(text)) : NULL;
	int status = frame == NULL ? -1 : fcgi_conn_send(conn, frame, OUTQ_REPLAY);

	frame_unref(frame);
	buf_deinit(text);
	return status == 0 ? OUT_OK : OUT_FAILED;
}

/* ---- the form ---- */

static void sse_beat_again(struct out_sse *sse)
{
	const int64_t ms = sse->limits->heartbeat_ms;
	const struct timeval wait = {ms / 1000, ms % 1000 * 1000};
	/* Thousands of timers of one length: libevent keeps those in a queue rather than a heap. */
	const struct timeval *common =
		event_base_init_common_timeout(event_get_base(sse->beat), &wait);

	event_add(sse->beat, common != NULL ? common : &wait);
}

static void on_beat(evutil_socket_t fd, short what, void *arg)
{
	struct out_sse *sse = arg;
	struct buf text = BUF_INIT;
	int64_t stalled_ms = fcgi_conn_stalled_ms(sse->out.conn);

	(void)fd;
	(void)what;
	sse_beat_again(sse);
	if (stalled_ms >= OUT_SSE_STALL_MS) {
		sse->out.ended(sse->out.owner, "stalled");
		return;
	}
	/* One heartbeat that waits to be written is enough. */
	if (stalled_ms >= sse->limits->heartbeat_ms)
		return;
	sse_comment(&text, "ka");
	sse_frame(&text, "ping", (struct str){0}, STR("{}"));
	if (send_text(sse->out.conn, &text) != OUT_OK)
		sse->out.ended(sse->out.owner, "out of memory");
}

static enum out_result sse_open(struct out *out, const struct out_hello *hello)
{
	struct out_sse *sse = sse_of(out);
	struct buf text = BUF_INIT;

	put_head(&text, out->conn, out->request_id, hello->mode);
	sse_retry(&text, (int)push_jitter_ms(sse->limits->retry_ms));
	put_hello(&text, hello);
	sse_beat_again(sse);
	return send_text(out->conn, &text);
}

/* Many tickets: the frame is everybody's, the cursor is this one's. */
static enum out_result send_as(struct fcgi_conn *conn, struct str id, struct frame *frame,
			       enum outq_kind kind)
{
	struct buf text = BUF_INIT;
	struct frame *line = NULL;
	int status = -1;

	buf_puts(&text, "id: ");
	buf_put_str(&text, id);
	buf_putc(&text, '\n');
	if (buf_ok(&text))
		line = frame_raw(buf_str(&text));
	if (line != NULL)
		status = fcgi_conn_send_as(conn, line, frame, kind);
	frame_unref(line);
	buf_deinit(&text);
	return status == 0 ? OUT_OK : OUT_FAILED;
}

static enum out_result sse_event(struct out *out, struct frame *frame, struct str id,
				 enum outq_kind kind)
{
	size_t waiting = fcgi_conn_waiting_live(out->conn);

	/* One alone is taken at any size: nothing would call for it again once the socket drains. */
	if (kind == OUTQ_LIVE && waiting > 0 &&
	    waiting + frame->len > sse_of(out)->limits->slow_bytes)
		return OUT_SLOW;
	if (id.p != NULL)
		return send_as(out->conn, id, frame, kind);
	return fcgi_conn_send(out->conn, frame, kind) == 0 ? OUT_OK : OUT_FAILED;
}

static enum out_result sse_notice(struct out *out, struct frame *frame)
{
	return fcgi_conn_send(out->conn, frame, OUTQ_REPLAY) == 0 ? OUT_OK : OUT_FAILED;
}

static bool sse_has_room(const struct out *out)
{
	return fcgi_conn_waiting(out->conn) < REPLAY_LOW;
}

static void sse_caught_up(struct out *out)
{
	(void)out;
}

static void sse_bye(struct out *out, const char *code, int64_t retry_ms)
{
	struct buf text = BUF_INIT;

	/* Behind a long queue the farewell would wait as well; what is dropped is replayed later. */
	if (fcgi_conn_waiting(out->conn) > REPLAY_LOW)
		fcgi_conn_drop(out->conn);
	put_bye(&text, code, retry_ms);
	send_text(out->conn, &text);
	fcgi_conn_finish(out->conn);
}

static void sse_end(struct out *out)
{
	fcgi_conn_finish(out->conn);
}

static void sse_free(struct out *out)
{
	event_free(sse_of(out)->beat);
	free(out);
}

static const struct out_ops sse_ops = {
	.open = sse_open,
	.event = sse_event,
	.notice = sse_notice,
	.has_room = sse_has_room,
	.caught_up = sse_caught_up,
	.bye = sse_bye,
	.end = sse_end,
	.free = sse_free,
};

struct out *out_sse_new(struct event_base *base, const struct push_limits *limits,
			struct fcgi_conn *conn, const char *request_id)
{
	struct out_sse *sse = calloc(1, sizeof(*sse));

	if (sse == NULL)
		return NULL;
	sse->out.ops = &sse_ops;
	sse->out.conn = conn;
	sse->out.is_stream = true;
	snprintf(sse->out.request_id, sizeof(sse->out.request_id), "%s", request_id);
	sse->limits = limits;
	sse->beat = evtimer_new(base, on_beat, sse);
	if (sse->beat == NULL) {
		free(sse);
		return NULL;
	}
	return &sse->out;
}

/* ---- requests that get no subscription ---- */

void out_sse_refuse(struct fcgi_conn *conn, const char *request_id, enum mode mode,
		    const char *code, int64_t retry_ms)
{
	struct buf text = BUF_INIT;

	put_head(&text, conn, request_id, mode);
	put_bye(&text, code, retry_ms);
	if (send_text(conn, &text) != OUT_OK)
		fcgi_conn_close(conn, FCGI_CONN_CLOSED);
	else
		fcgi_conn_finish(conn);
}

void out_sse_head_only(struct fcgi_conn *conn, const char *request_id, enum mode mode)
{
	struct buf text = BUF_INIT;

	put_head(&text, conn, request_id, mode);
	if (send_text(conn, &text) != OUT_OK)
		fcgi_conn_close(conn, FCGI_CONN_CLOSED);
	else
		fcgi_conn_finish(conn);
}
