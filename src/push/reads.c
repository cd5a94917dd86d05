/* SPDX-License-Identifier: BSD-2-Clause */
/* The people of each hub who have just read, with a timer each until they may be told of again. */
#include "config.h"

#include "push/reads.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "push/frame.h"
#include "web/json_write.h"

struct reader_mark {
	UT_hash_handle hh; /* by user */
	struct reads_list *list;
	struct event *timer;
	int64_t seq, at_ms; /* to be told when the timer runs; 0: nothing */
	/*
	 * The same for requesters, with a time of its own: that of a mark on a note, which may have
	 * come after, would tell of the note.
	 */
	int64_t public_seq, public_at_ms;
	size_t user_len;
	char user[];
};

struct reads_list {
	const struct reads *reads;
	struct hub *hub;
	struct reader_mark *marks;
};

struct reads {
	struct event_base *base;
	const struct timeval *every; /* one of libevent's common time-outs: a queue, not a heap */
};

struct reads *reads_new(struct event_base *base)
{
	const struct timeval every = {READS_EVERY_MS / 1000, READS_EVERY_MS % 1000 * 1000};
	struct reads *reads = calloc(1, sizeof(*reads));

	if (reads == NULL)
		return NULL;
	reads->base = base;
	reads->every = event_base_init_common_timeout(base, &every);
	if (reads->every == NULL) {
		free(reads);
		return NULL;
	}
	return reads;
}

void reads_free(struct reads *reads)
{
	free(reads);
}

/* ---- what is told ---- */

static struct frame *read_frame(struct str ticket, struct str user, int64_t seq, int64_t at_ms)
{
	struct buf data = BUF_INIT;
	struct json_write json;
	struct frame *frame = NULL;
	char at[CLOCK_TEXT_SIZE];

	clock_format(at_ms, at);
	json_write_init(&json, &data);
	json_write_open_object(&json);
	json_write_member_str(&json, "ticket_id", ticket);
	json_write_member_str(&json, "user_id", user);
	json_write_member_int(&json, "seq", seq);
	json_write_member_cstr(&json, "at", at);
	json_write_close(&json);
	if (json_write_finish(&json) == 0)
		frame = frame_new("message-read", (struct str){0}, buf_str(&data));
	buf_deinit(&data);
	return frame;
}

/* What cannot be told for want of memory may be lost. */
static void tell(struct hub *hub, const struct reads_mark *mark, int64_t public_at_ms)
{
	const struct str ticket = hub_ticket(hub);
	struct frame *for_staff, *for_public = NULL;

	if (hub_links(hub) == 0)
		return;
	for_staff = read_frame(ticket, mark->user, mark->seq, mark->at_ms);
	if (mark->public_seq > 0)
		for_public = read_frame(ticket, mark->user, mark->public_seq, public_at_ms);
	hub_notice(hub, for_staff, for_public);
	frame_unref(for_staff);
	frame_unref(for_public);
}

/* ---- marks ---- */

static void mark_free(struct reader_mark *held)
{
	HASH_DEL(held->list->marks, held);
	event_free(held->timer);
	free(held);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct reader_mark *held = arg;
	const struct reads_mark mark = {
		.user = {held->user, held->user_len},
		.seq = held->seq,
		.public_seq = held->public_seq,
		.at_ms = held->at_ms,
	};

	(void)fd;
	(void)what;
	if (held->seq == 0 || event_add(held->timer, held->list->reads->every) != 0) {
		mark_free(held);
		return;
	}
	held->seq = held->public_seq = 0;
	tell(held->list->hub, &mark, held->public_at_ms);
}

static struct reads_list *list_of(const struct reads *reads, struct hub *hub)
{
	struct hub_keep *keep = hub_keep(hub);

	if (keep->reads == NULL) {
		keep->reads = calloc(1, sizeof(*keep->reads));
		if (keep->reads == NULL)
			return NULL;
		keep->reads->reads = reads;
		keep->reads->hub = hub;
	}
	return keep->reads;
}

/* Nothing more of the user for a while. -1 when out of memory, or if there are too many. */
static int hold(struct reads_list *list, struct str user)
{
	struct reader_mark *held;

	if (HASH_COUNT(list->marks) >= READS_USERS_MAX)
		return -1;
	held = calloc(1, sizeof(*held) + user.n + 1);
	if (held == NULL)
		return -1;
	held->list = list;
	held->user_len = user.n;
	memcpy(held->user, user.p, user.n);
	held->timer = evtimer_new(list->reads->base, on_timer, held);
	if (held->timer != NULL && event_add(held->timer, list->reads->every) == 0)
		HASH_ADD_KEYPTR(hh, list->marks, held->user, held->user_len, held);
	if (hash_has_added(held))
		return 0;
	if (held->timer != NULL)
		event_free(held->timer);
	free(held);
	return -1;
}

void reads_take(struct reads *reads, struct hub *hub, const struct reads_mark *mark)
{
	struct reads_list *list = list_of(reads, hub);
	struct reader_mark *held;

	if (list == NULL)
		return;
	HASH_FIND(hh, list->marks, mark->user.p, mark->user.n, held);
	if (held == NULL) {
		if (hold(list, mark->user) == 0)
			tell(hub, mark, mark->at_ms);
		return;
	}
	if (mark->seq <= held->seq)
		return;
	held->seq = mark->seq;
	held->at_ms = mark->at_ms;
	if (mark->public_seq > 0) {
		held->public_seq = mark->public_seq;
		held->public_at_ms = mark->at_ms;
	}
}

void reads_forget(struct reads *reads, struct hub *hub)
{
	struct reads_list *list = hub_keep(hub)->reads;
	struct reader_mark *held, *next;

	(void)reads;
	if (list == NULL)
		return;
	HASH_ITER(hh, list->marks, held, next)
		mark_free(held);
	free(list);
	hub_keep(hub)->reads = NULL;
}
