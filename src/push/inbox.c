/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inboxes, by user and viewer, each with the tickets that are news: due, or being asked for, or told
 * of so lately that more has to wait.
 */
#include "config.h"

#include "push/inbox.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "chat/inbox.h"
#include "push/frame.h"
#include "push/texts.h"
#include "store/record_inbox.h"
#include "web/json_write.h"

enum topic_state { TOPIC_DUE, TOPIC_ASKED, TOPIC_TOLD };

struct topic {
	UT_hash_handle hh; /* by ticket */
	TAILQ_ENTRY(topic) entry;
	struct inbox_box *box;
	enum topic_state state;
	bool is_renewed;  /* something came after it was asked for, or told */
	int64_t until_ms; /* told: so long nothing more (clock_mono_ms) */
	size_t ticket_len;
	char ticket[];
};

TAILQ_HEAD(topic_list, topic);
TAILQ_HEAD(member_list, inbox_member);

struct inbox_box {
	UT_hash_handle hh; /* by viewer and user */
	struct inbox *inbox;
	enum message_viewer viewer;
	struct member_list members;
	struct topic *topics;
	size_t key_len;
	char key[]; /* a letter for the viewer, and the user */
};

/* Those who are told alike. */
struct side {
	struct inbox *inbox;
	bool is_staff;
	struct topic_list due, asked;
	struct pg_call *call;
};

struct inbox {
	struct inbox_ops ops;
	struct inbox_box *boxes;
	struct side sides[2];	/* by enum message_viewer */
	struct topic_list told; /* the first is the first that may be told of again */
	struct event *timer;	/* for the first of them */
	struct event *asking;	/* at the end of this turn */
	size_t count;
};

/* ---- topics ---- */

static struct side *side_of(const struct topic *topic)
{
	return &topic->box->inbox->sides[topic->box->viewer];
}

static struct topic_list *list_of(const struct topic *topic)
{
	switch (topic->state) {
	case TOPIC_DUE:
		return &side_of(topic)->due;
	case TOPIC_ASKED:
		return &side_of(topic)->asked;
	case TOPIC_TOLD:
		break;
	}
	return &topic->box->inbox->told;
}

static void topic_put(struct topic *topic, enum topic_state state)
{
	topic->state = state;
	TAILQ_INSERT_TAIL(list_of(topic), topic, entry);
}

static void topic_move(struct topic *topic, enum topic_state state)
{
	TAILQ_REMOVE(list_of(topic), topic, entry);
	topic_put(topic, state);
}

static void topic_free(struct topic *topic)
{
	TAILQ_REMOVE(list_of(topic), topic, entry);
	HASH_DEL(topic->box->topics, topic);
	topic->box->inbox->count--;
	free(topic);
}

static void topic_new(struct inbox_box *box, struct str ticket)
{
	struct topic *topic;

	if (HASH_COUNT(box->topics) >= INBOX_TICKETS_MAX)
		return;
	topic = calloc(1, sizeof(*topic) + ticket.n + 1);
	if (topic == NULL)
		return;
	topic->box = box;
	topic->ticket_len = ticket.n;
	memcpy(topic->ticket, ticket.p, ticket.n);
	HASH_ADD_KEYPTR(hh, box->topics, topic->ticket, topic->ticket_len, topic);
	if (!hash_has_added(topic)) {
		free(topic);
		return;
	}
	box->inbox->count++;
	topic_put(topic, TOPIC_DUE);
}

/* ---- boxes ---- */

enum { KEY_MAX = 1 + IDS_USER_MAX };

static size_t make_key(char key[KEY_MAX], enum message_viewer viewer, struct str user)
{
	size_t n = user.n < IDS_USER_MAX ? user.n : IDS_USER_MAX;

	key[0] = viewer == MESSAGE_FOR_STAFF ? 's' : 'p';
	memcpy(key + 1, user.p, n);
	return n + 1;
}

static struct inbox_box *box_find(const struct inbox *inbox, enum message_viewer viewer,
				  struct str user)
{
	struct inbox_box *box;
	char key[KEY_MAX];
	size_t n = make_key(key, viewer, user);

	HASH_FIND(hh, inbox->boxes, key, n, box);
	return box;
}

static struct str box_user(const struct inbox_box *box)
{
	return (struct str){box->key + 1, box->key_len - 1};
}

static struct inbox_box *box_new(struct inbox *inbox, enum message_viewer viewer, struct str user)
{
	struct inbox_box *box = calloc(1, sizeof(*box) + KEY_MAX);

	if (box == NULL)
		return NULL;
	if (inbox->ops.follow(inbox->ops.arg, user) != 0) {
		free(box);
		return NULL;
	}
	box->inbox = inbox;
	box->viewer = viewer;
	TAILQ_INIT(&box->members);
	box->key_len = make_key(box->key, viewer, user);
	HASH_ADD_KEYPTR(hh, inbox->boxes, box->key, box->key_len, box);
	if (!hash_has_added(box)) {
		inbox->ops.unfollow(inbox->ops.arg, user);
		free(box);
		return NULL;
	}
	return box;
}

static void box_free(struct inbox_box *box)
{
	struct inbox *inbox = box->inbox;
	struct topic *topic, *next;

	HASH_ITER(hh, box->topics, topic, next)
		topic_free(topic);
	inbox->ops.unfollow(inbox->ops.arg, box_user(box));
	HASH_DEL(inbox->boxes, box);
	free(box);
}

int inbox_enter(struct inbox *inbox, struct str user, enum message_viewer viewer,
		struct inbox_member *member)
{
	struct inbox_box *box = box_find(inbox, viewer, user);

	if (box == NULL)
		box = box_new(inbox, viewer, user);
	if (box == NULL)
		return -1;
	member->box = box;
	TAILQ_INSERT_TAIL(&box->members, member, entry);
	return 0;
}

void inbox_leave(struct inbox *inbox, struct inbox_member *member)
{
	struct inbox_box *box = member->box;

	(void)inbox;
	if (box == NULL)
		return;
	member->box = NULL;
	TAILQ_REMOVE(&box->members, member, entry);
	if (TAILQ_EMPTY(&box->members))
		box_free(box);
}

/* ---- telling ---- */

static struct frame *frame_of(struct texts *texts, const struct record_inbox_news *row)
{
	const struct seal_place place = {row->ticket, row->uid, row->sender_id};
	struct inbox_news news = {
		.ticket = row->ticket,
		.newest_seq = row->newest_seq,
		.unread = row->unread,
		.sender_id = row->sender_id,
		.active_at_ms = row->active_at_ms,
	};
	struct buf data = BUF_INIT;
	struct frame *frame = NULL;
	struct json_write j;

	if (texts_open_text(texts, &place, row->message_seq, row->content, &news.content) != 0)
		return NULL;
	json_write_init(&j, &data);
	inbox_news_json(&j, &news);
	if (json_write_finish(&j) == 0)
		frame = frame_new("inbox", (struct str){0}, buf_str(&data));
	buf_deinit(&data);
	return frame;
}

static void tell(const struct side *side, const struct record_inbox_news *row)
{
	struct inbox_box *box = box_find(
		side->inbox, side->is_staff ? MESSAGE_FOR_STAFF : MESSAGE_FOR_PUBLIC, row->user);
	struct inbox_member *member, *next;
	struct frame *frame;

	if (box == NULL)
		return;
	frame = frame_of(side->inbox->ops.texts, row);
	if (frame == NULL)
		return;
	/* A member may leave while it is told; the box goes with the last one only. */
	for (member = TAILQ_FIRST(&box->members); member != NULL; member = next) {
		next = TAILQ_NEXT(member, entry);
		member->tell(member, frame);
	}
	frame_unref(frame);
}

/* ---- asking ---- */

static void inbox_ask(struct inbox *inbox);

static void set_timer(struct inbox *inbox)
{
	const struct topic *first = TAILQ_FIRST(&inbox->told);
	struct timeval wait;
	int64_t wait_ms;

	if (first == NULL || evtimer_pending(inbox->timer, NULL))
		return;
	wait_ms = first->until_ms - clock_mono_ms();
	if (wait_ms < 0)
		wait_ms = 0;
	wait = (struct timeval){wait_ms / 1000, wait_ms % 1000 * 1000};
	event_add(inbox->timer, &wait);
}

/* All that was asked for is told, or could not be: then it is asked for again, after the same time. */
static void settle(struct side *side, bool is_told)
{
	int64_t until_ms = clock_mono_ms() + INBOX_EVERY_MS;
	struct topic *topic;

	while ((topic = TAILQ_FIRST(&side->asked)) != NULL) {
		topic->until_ms = until_ms;
		topic->is_renewed = topic->is_renewed || !is_told;
		topic_move(topic, TOPIC_TOLD);
	}
	set_timer(side->inbox);
}

static void on_news(void *arg, enum err err, const PGresult *result)
{
	struct side *side = arg;
	struct record_inbox_news news;
	size_t count = result != NULL ? record_inbox_count(result) : 0;

	side->call = NULL;
	if (err == ERR_REFUSED)
		log_error(NULL, "could not read news: the record refused");
	/* What is refused once is refused the next time; all else may come to be had. */
	settle(side, err == ERR_NONE || err == ERR_REFUSED);
	for (size_t i = 0; i < count; i++) {
		if (record_inbox_parse_news(result, i, &news) == 0)
			tell(side, &news);
		else
			log_error(NULL, "could not read news of a ticket: unexpected answer");
	}
	inbox_ask(side->inbox);
}

static void side_ask(struct side *side)
{
	struct str users[INBOX_BATCH], tickets[INBOX_BATCH];
	struct topic *topic;
	struct pg_stmt stmt;
	size_t n = 0;

	if (side->call != NULL)
		return;
	while (n < INBOX_BATCH && (topic = TAILQ_FIRST(&side->due)) != NULL) {
		topic->is_renewed = false;
		topic_move(topic, TOPIC_ASKED);
		users[n] = box_user(topic->box);
		tickets[n++] = (struct str){topic->ticket, topic->ticket_len};
	}
	if (n == 0)
		return;
	record_inbox_put_news(&stmt, side->is_staff, users, tickets, n);
	side->call = side->inbox->ops.ask(side->inbox->ops.arg, &stmt, on_news, side);
	if (side->call == NULL)
		settle(side, false);
}

static void inbox_ask(struct inbox *inbox)
{
	side_ask(&inbox->sides[MESSAGE_FOR_PUBLIC]);
	side_ask(&inbox->sides[MESSAGE_FOR_STAFF]);
}

static void on_asking(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	inbox_ask(arg);
}

/* Those whose time is over are news again, or forgotten. */
static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct inbox *inbox = arg;
	int64_t now_ms = clock_mono_ms();
	struct topic *topic;

	(void)fd;
	(void)what;
	while ((topic = TAILQ_FIRST(&inbox->told)) != NULL && topic->until_ms <= now_ms) {
		if (topic->is_renewed)
			topic_move(topic, TOPIC_DUE);
		else
			topic_free(topic);
	}
	set_timer(inbox);
	inbox_ask(inbox);
}

static void note(struct inbox_box *box, struct str ticket)
{
	struct topic *topic;

	if (box == NULL)
		return;
	HASH_FIND(hh, box->topics, ticket.p, ticket.n, topic);
	if (topic == NULL)
		topic_new(box, ticket);
	else
		topic->is_renewed = true;
}

void inbox_published(struct inbox *inbox, struct str user, struct str ticket, bool is_public)
{
	note(box_find(inbox, MESSAGE_FOR_STAFF, user), ticket);
	if (is_public)
		note(box_find(inbox, MESSAGE_FOR_PUBLIC, user), ticket);
	/* What comes with it, for other users, is asked for together. */
	event_active(inbox->asking, EV_TIMEOUT, 0);
}

/* ---- all of it ---- */

struct inbox *inbox_new(struct event_base *base, const struct inbox_ops *ops)
{
	struct inbox *inbox = calloc(1, sizeof(*inbox));

	if (inbox == NULL)
		return NULL;
	inbox->ops = *ops;
	TAILQ_INIT(&inbox->told);
	for (int i = 0; i < 2; i++) {
		struct side *side = &inbox->sides[i];

		side->inbox = inbox;
		side->is_staff = i == MESSAGE_FOR_STAFF;
		TAILQ_INIT(&side->due);
		TAILQ_INIT(&side->asked);
	}
	inbox->timer = evtimer_new(base, on_timer, inbox);
	inbox->asking = evtimer_new(base, on_asking, inbox);
	if (inbox->timer == NULL || inbox->asking == NULL) {
		inbox_free(inbox);
		return NULL;
	}
	return inbox;
}

void inbox_free(struct inbox *inbox)
{
	if (inbox == NULL)
		return;
	for (int i = 0; i < 2; i++) {
		if (inbox->sides[i].call != NULL)
			inbox->ops.cancel(inbox->sides[i].call);
	}
	if (inbox->timer != NULL)
		event_free(inbox->timer);
	if (inbox->asking != NULL)
		event_free(inbox->asking);
	free(inbox);
}

size_t inbox_count(const struct inbox *inbox)
{
	return inbox->count;
}
