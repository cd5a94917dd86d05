/* SPDX-License-Identifier: BSD-2-Clause */
/* The typists of each hub, with a timer each. */
#include "config.h"

#include "push/typing.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "chat/participant.h"
#include "push/frame.h"
#include "store/event.h"
#include "web/json_write.h"

struct typist {
	TAILQ_ENTRY(typist) entry;
	struct typing_list *list;
	char *user, *name; /* name: NULL if there is none */
	struct event *end;
	int64_t told_ms; /* when a typing-start was sent; clock_mono_ms */
};

TAILQ_HEAD(typist_list, typist);

struct typing_list {
	struct hub *hub;
	struct typist_list typists;
	size_t n;
};

struct typing {
	struct event_base *base;
};

struct typing *typing_new(struct event_base *base)
{
	struct typing *typing = calloc(1, sizeof(*typing));

	if (typing != NULL)
		typing->base = base;
	return typing;
}

void typing_free(struct typing *typing)
{
	free(typing);
}

/* ---- what is told ---- */

static struct frame *typing_frame(const char *event, struct str ticket, const struct typist *typist,
				  int64_t ms)
{
	struct buf data = BUF_INIT;
	struct json_write json;
	struct frame *frame = NULL;

	json_write_init(&json, &data);
	json_write_open_object(&json);
	json_write_member_str(&json, "ticket_id", ticket);
	json_write_member_cstr(&json, "user_id", typist->user);
	json_write_member_cstr(&json, "name", typist->name);
	json_write_member_int(&json, "expires_in_ms", ms);
	json_write_close(&json);
	if (json_write_finish(&json) == 0)
		frame = frame_new(event, (struct str){0}, buf_str(&data));
	buf_deinit(&data);
	return frame;
}

/* What cannot be told for want of memory may be lost. */
static void tell(struct hub *hub, const char *event, const struct typist *typist, int64_t ms)
{
	struct frame *frame;

	if (hub_links(hub) == 0)
		return;
	frame = typing_frame(event, hub_ticket(hub), typist, ms);
	if (frame != NULL)
		hub_notice(hub, frame, frame);
	frame_unref(frame);
}

/* ---- typists ---- */

static void typist_free(struct typist *typist)
{
	if (typist->list != NULL) {
		TAILQ_REMOVE(&typist->list->typists, typist, entry);
		typist->list->n--;
	}
	if (typist->end != NULL)
		event_free(typist->end);
	free(typist->user);
	free(typist->name);
	free(typist);
}

static void typist_stop(struct typist *typist)
{
	struct hub *hub = typist->list->hub;

	/* Out of the list first: a listener may end while it is told. */
	TAILQ_REMOVE(&typist->list->typists, typist, entry);
	typist->list->n--;
	typist->list = NULL;
	tell(hub, "typing-stop", typist, 0);
	typist_free(typist);
}

static void on_end(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	typist_stop(arg);
}

static struct typist *find(struct hub *hub, struct str user)
{
	struct typing_list *list = hub_keep(hub)->typing;
	struct typist *typist;

	if (list == NULL)
		return NULL;
	TAILQ_FOREACH(typist, &list->typists, entry) {
		if (str_eq_c(user, typist->user))
			return typist;
	}
	return NULL;
}

static struct typing_list *list_of(struct hub *hub)
{
	struct hub_keep *keep = hub_keep(hub);

	if (keep->typing == NULL) {
		keep->typing = calloc(1, sizeof(*keep->typing));
		if (keep->typing == NULL)
			return NULL;
		keep->typing->hub = hub;
		TAILQ_INIT(&keep->typing->typists);
	}
	return keep->typing;
}

/* NULL when out of memory, or if there are too many. */
static struct typist *add(struct typing *typing, struct hub *hub, struct str user, struct str name)
{
	struct typing_list *list = list_of(hub);
	struct typist *typist;

	if (list == NULL || list->n == TYPING_TYPISTS_MAX)
		return NULL;
	typist = calloc(1, sizeof(*typist));
	if (typist == NULL)
		return NULL;
	typist->end = evtimer_new(typing->base, on_end, typist);
	typist->user = str_dup(user);
	typist->name = name.n == 0 ? NULL : str_dup(name);
	if (typist->end == NULL || typist->user == NULL || (name.n > 0 && typist->name == NULL)) {
		typist_free(typist);
		return NULL;
	}
	typist->list = list;
	TAILQ_INSERT_TAIL(&list->typists, typist, entry);
	list->n++;
	return typist;
}

/* ---- outside ---- */

/* The typist, known and with a new end; NULL as add(). */
static struct typist *learn(struct typing *typing, struct hub *hub, struct str user,
			    struct str name, int64_t ms)
{
	const struct timeval wait = {ms / 1000, ms % 1000 * 1000};
	struct typist *typist = find(hub, user);

	if (typist == NULL)
		typist = add(typing, hub, user, name);
	if (typist == NULL)
		return NULL;
	if (event_add(typist->end, &wait) != 0) {
		typist_free(typist);
		return NULL;
	}
	return typist;
}

void typing_learn(struct typing *typing, struct hub *hub, struct str user, struct str name,
		  int64_t ms)
{
	if (find(hub, user) == NULL)
		learn(typing, hub, user, name, ms);
}

void typing_start(struct typing *typing, struct hub *hub, struct str user, struct str name,
		  int64_t ms)
{
	struct typist *typist = learn(typing, hub, user, name, ms);
	int64_t now_ms = clock_mono_ms();

	if (typist == NULL || (typist->told_ms != 0 && now_ms < typist->told_ms + TYPING_AGAIN_MS))
		return;
	typist->told_ms = now_ms;
	tell(hub, "typing-start", typist, ms);
}

void typing_stop(struct typing *typing, struct hub *hub, struct str user, struct str name)
{
	struct typist *typist = find(hub, user);

	/* Somebody of whom a listener has heard otherwise. */
	if (typist == NULL)
		typist = add(typing, hub, user, name);
	if (typist != NULL)
		typist_stop(typist);
}

void typing_event(struct typing *typing, struct hub *hub, const struct ticket_event *event)
{
	struct participant_change change;
	struct typist *typist = NULL;

	(void)typing;
	if (hub_keep(hub)->typing == NULL)
		return;
	if (event->kind == EVENT_MESSAGE)
		typist = find(hub, event->sender_id);
	else if (event->kind == EVENT_PARTICIPANT && participant_parse(event, &change) == 0 &&
		 change.is_removed)
		typist = find(hub, str_of(change.user));
	if (typist != NULL)
		typist_stop(typist);
}

void typing_forget(struct typing *typing, struct hub *hub)
{
	struct typing_list *list = hub_keep(hub)->typing;

	(void)typing;
	if (list == NULL)
		return;
	while (!TAILQ_EMPTY(&list->typists))
		typist_free(TAILQ_FIRST(&list->typists));
	free(list);
	hub_keep(hub)->typing = NULL;
}
