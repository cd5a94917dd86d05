/* SPDX-License-Identifier: BSD-2-Clause */
/* Collects events for one JSON answer. */
#include "config.h"

#include "push/out_poll.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "chat/limits.h"
#include "push/answer.h"
#include "push/turn.h"
#include "web/cursor.h"
#include "web/json_write.h"

enum { REPLAY_TIME_MS = 5000 }; /* what a replay may take, whatever the client wants to wait */

struct item {
	struct frame *frame;
	char *id; /* NULL: the frame's own */
};

struct out_poll {
	struct out out;
	struct turn *turn;
	struct turn_job answer; /* at the end of the turn, so that a burst is one answer */
	struct event *timer;
	int64_t wait_ms, opened_ms;
	bool is_ephemeral, is_head_only;
	bool has_caught_up, has_dropped, has_answered;
	bool is_pressing; /* there is something for which it answers before its time */
	enum mode mode;
	char *cursor; /* where it began; NULL until it is open */
	char lines[LIMITS_LINES_SIZE];
	struct item items[OUT_POLL_EVENTS_MAX];
	size_t n;
};

static struct out_poll *poll_of(struct out *out)
{
	return (struct out_poll *)out;
}

/* ---- answering ---- */

static void item_deinit(struct item *item)
{
	frame_unref(item->frame);
	free(item->id);
}

static struct str item_id(const struct item *item)
{
	return item->id != NULL ? str_of(item->id) : frame_id(item->frame);
}

static void put_item(struct json_write *json, const struct item *item)
{
	json_write_open_object(json);
	json_write_member_cstr(json, "event", item->frame->event);
	json_write_member_str(json, "id", item_id(item));
	json_write_key(json, "data");
	json_write_raw(json, frame_data(item->frame));
	json_write_close(json);
}

/* The cursor is that of the last event that has one. */
static struct str poll_cursor(const struct out_poll *poll)
{
	for (size_t i = poll->n; i > 0; i--) {
		if (item_id(&poll->items[i - 1]).p != NULL)
			return item_id(&poll->items[i - 1]);
	}
	return str_of(poll->cursor);
}

static void poll_answer(struct out_poll *poll, const char *reason)
{
	struct out *out = &poll->out;
	struct reply reply;
	struct json_write json;

	if (poll->has_answered)
		return;
	poll->has_answered = true;
	reply_init(&reply, out->request_id, mode_text(poll->mode));
	reply.lines = poll->lines;
	reply_json(&reply, 200);
	json_write_init(&json, &reply.body);
	json_write_open_object(&json);
	json_write_member_array(&json, "events");
	for (size_t i = 0; i < poll->n; i++)
		put_item(&json, &poll->items[i]);
	json_write_close(&json);
	json_write_member_str(&json, "cursor", poll_cursor(poll));
	json_write_member_bool(&json, "has_more", poll->has_dropped || out->has_more(out->owner));
	json_write_close(&json);
	if (json_write_finish(&json) != 0)
		reply_problem_simple(&reply, PROBLEM_INTERNAL, "the answer could not be built");
	answer_send(out->conn, &reply, poll->is_head_only);
	reply_deinit(&reply);
	out->ended(out->owner, reason);
}

static void poll_refuse(struct out_poll *poll, const struct reply_problem *problem,
			const char *reason)
{
	if (poll->has_answered)
		return;
	poll->has_answered = true;
	answer_problem(poll->out.conn, poll->out.request_id, mode_text(poll->mode), poll->lines,
		       problem, poll->is_head_only);
	poll->out.ended(poll->out.owner, reason);
}

static void poll_unavailable(struct out_poll *poll, const char *detail)
{
	const struct reply_problem problem = {.problem = PROBLEM_UNAVAILABLE, .detail = detail};

	poll_refuse(poll, &problem, "unavailable");
}

static void poll_answer_job(struct turn_job *job)
{
	poll_answer((struct out_poll *)((char *)job - offsetof(struct out_poll, answer)),
		    "answered");
}

static void poll_arm(struct out_poll *poll, int64_t ms)
{
	const struct timeval wait = {ms / 1000, ms % 1000 * 1000};

	event_add(poll->timer, &wait);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct out_poll *poll = arg;
	int64_t waited_ms = clock_mono_ms() - poll->opened_ms;

	(void)fd;
	(void)what;
	if (poll->has_caught_up || poll->n > 0)
		poll_answer(poll, "answered");
	else if (waited_ms < REPLAY_TIME_MS)
		poll_arm(poll, REPLAY_TIME_MS - waited_ms);
	else
		poll_unavailable(poll, "the events after the cursor cannot be read for now");
}

/* ---- the form ---- */

static enum out_result poll_open(struct out *out, const struct out_hello *hello)
{
	struct out_poll *poll = poll_of(out);

	poll->mode = hello->mode;
	poll->opened_ms = clock_mono_ms();
	poll->cursor = str_dup(hello->cursor);
	if (poll->cursor == NULL)
		return OUT_FAILED;
	poll_arm(poll, poll->wait_ms > 0 ? poll->wait_ms : REPLAY_TIME_MS);
	return OUT_OK;
}

/* During a replay the answer waits for the rest of it, or until it is full. */
static void poll_look(struct out_poll *poll)
{
	if (poll->n == OUT_POLL_EVENTS_MAX ||
	    (poll->has_caught_up && (poll->is_pressing || poll->wait_ms == 0)))
		turn_ask(poll->turn, &poll->answer);
}

static enum out_result poll_event(struct out *out, struct frame *frame, struct str id,
				  enum outq_kind kind)
{
	struct out_poll *poll = poll_of(out);
	struct item item = {0};

	(void)kind;
	if (poll->n == OUT_POLL_EVENTS_MAX) {
		/* The rest of a page: the next poll gets it, its cursor being that of the last taken. */
		poll->has_dropped = true;
		return OUT_OK;
	}
	if (id.p != NULL && (item.id = str_dup(id)) == NULL)
		return OUT_FAILED;
	item.frame = frame_ref(frame);
	poll->items[poll->n++] = item;
	poll->is_pressing = true;
	poll_look(poll);
	return OUT_OK;
}

static bool poll_has_room(const struct out *out)
{
	return ((const struct out_poll *)out)->n < OUT_POLL_EVENTS_MAX;
}

static enum out_result poll_notice(struct out *out, struct frame *frame)
{
	struct out_poll *poll = poll_of(out);

	if (!poll->is_ephemeral || !poll_has_room(out))
		return OUT_OK;
	poll->items[poll->n++] = (struct item){.frame = frame_ref(frame)};
	/* What is told at the beginning would be told again and again if it did not wait. */
	if (poll->has_caught_up)
		poll->is_pressing = true;
	poll_look(poll);
	return OUT_OK;
}

static void poll_caught_up(struct out *out)
{
	poll_of(out)->has_caught_up = true;
	poll_look(poll_of(out));
}

/* The ends of tokens, with which a poll is refused like the next one; nothing is lost, as that has its cursor. */
static const struct {
	const char *code;
	struct reply_problem problem;
} token_ends[] = {
	{"token_expired",
	 {.problem = PROBLEM_TOKEN_EXPIRED,
	  .detail = "the token has expired",
	  .bad_credentials = true}},
	{"token_revoked",
	 {.problem = PROBLEM_TOKEN_REVOKED,
	  .detail = "the token was revoked",
	  .bad_credentials = true}},
};

static void poll_bye(struct out *out, const char *code, int64_t retry_ms)
{
	struct out_poll *poll = poll_of(out);

	(void)retry_ms;
	for (size_t i = 0; i < sizeof(token_ends) / sizeof(token_ends[0]); i++) {
		if (strcmp(code, token_ends[i].code) == 0)
			poll_refuse(poll, &token_ends[i].problem, code);
	}
	if (poll->has_caught_up || poll->n > 0)
		poll_answer(poll, code);
	else
		poll_unavailable(poll, "the server is going away; ask again");
}

/* What came before the end it still has; with nothing, it is refused like the next one. */
static void poll_end(struct out *out)
{
	const struct reply_problem problem = {
		.problem = PROBLEM_NOT_A_PARTICIPANT,
		.detail = "you are no participant of this ticket any more",
	};

	if (poll_of(out)->n > 0)
		poll_answer(poll_of(out), "revoked");
	else
		poll_refuse(poll_of(out), &problem, "revoked");
}

static void poll_free(struct out *out)
{
	struct out_poll *poll = poll_of(out);

	turn_cancel(poll->turn, &poll->answer);
	event_free(poll->timer);
	for (size_t i = 0; i < poll->n; i++)
		item_deinit(&poll->items[i]);
	free(poll->cursor);
	free(poll);
}

static const struct out_ops poll_ops = {
	.open = poll_open,
	.event = poll_event,
	.notice = poll_notice,
	.has_room = poll_has_room,
	.caught_up = poll_caught_up,
	.bye = poll_bye,
	.end = poll_end,
	.free = poll_free,
};

struct out *out_poll_new(const struct out_poll_opts *opts)
{
	struct out_poll *poll = calloc(1, sizeof(*poll));

	if (poll == NULL)
		return NULL;
	poll->out.ops = &poll_ops;
	poll->out.conn = opts->conn;
	snprintf(poll->out.request_id, sizeof(poll->out.request_id), "%s", opts->request_id);
	snprintf(poll->lines, sizeof(poll->lines), "%s", opts->lines);
	poll->turn = opts->turn;
	poll->answer = (struct turn_job){.run = poll_answer_job};
	poll->wait_ms = opts->wait_ms;
	poll->is_ephemeral = opts->is_ephemeral;
	poll->is_head_only = opts->is_head_only;
	poll->timer = evtimer_new(opts->base, on_timer, poll);
	if (poll->timer == NULL) {
		free(poll);
		return NULL;
	}
	return &poll->out;
}
