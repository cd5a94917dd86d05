/* SPDX-License-Identifier: BSD-2-Clause */
/* Who belongs to which hub: a matrix of users and hubs, whose cells hang in lists both ways. */
#include "config.h"

#include "push/crowds.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "chat/participant.h"
#include "push/frame.h"
#include "web/json_write.h"

/* A user in a hub. */
struct cell {
	TAILQ_ENTRY(cell) of_person;
	TAILQ_ENTRY(cell) of_crowd;
	struct person *person;
	struct crowd *crowd;
	unsigned parts; /* enum crowds_part */
	bool is_stale;	/* crowds_set_lookers(): is it still so? */
	bool is_heard;	/* something was said since it was asked who looks */
};

TAILQ_HEAD(cell_list, cell);

struct person {
	UT_hash_handle hh;
	struct cell_list cells;
	size_t id_len;
	char id[];
};

struct crowd {
	struct hub *hub;
	struct cell_list cells;
	size_t count;
	bool is_asked; /* until the answer, who is gone stays: with no part, and heard */
};

struct crowds {
	struct person *people; /* hash by id */
};

struct crowds *crowds_new(void)
{
	return calloc(1, sizeof(struct crowds));
}

void crowds_free(struct crowds *crowds)
{
	free(crowds);
}

/* ---- cells ---- */

static struct person *find_person(const struct crowds *crowds, struct str user)
{
	struct person *person;

	HASH_FIND(hh, crowds->people, user.p, user.n, person);
	return person;
}

static struct person *open_person(struct crowds *crowds, struct str user)
{
	struct person *person = find_person(crowds, user);

	if (person != NULL)
		return person;
	person = calloc(1, sizeof(*person) + user.n);
	if (person == NULL)
		return NULL;
	TAILQ_INIT(&person->cells);
	person->id_len = user.n;
	memcpy(person->id, user.p, user.n);
	HASH_ADD_KEYPTR(hh, crowds->people, person->id, person->id_len, person);
	if (!hash_has_added(person)) {
		free(person);
		return NULL;
	}
	return person;
}

static struct crowd *open_crowd(struct hub *hub)
{
	struct crowd *crowd = hub_keep(hub)->crowd;

	if (crowd != NULL)
		return crowd;
	crowd = calloc(1, sizeof(*crowd));
	if (crowd == NULL)
		return NULL;
	TAILQ_INIT(&crowd->cells);
	crowd->hub = hub;
	hub_keep(hub)->crowd = crowd;
	return crowd;
}

/* A user is in few tickets that are listened to here, a ticket may have many people. */
static struct cell *find_cell(const struct person *person, const struct hub *hub)
{
	struct cell *cell;

	TAILQ_FOREACH(cell, &person->cells, of_person) {
		if (cell->crowd->hub == hub)
			return cell;
	}
	return NULL;
}

static void drop_person(struct crowds *crowds, struct person *person)
{
	if (!TAILQ_EMPTY(&person->cells))
		return;
	HASH_DEL(crowds->people, person);
	free(person);
}

static void drop_cell(struct crowds *crowds, struct cell *cell)
{
	struct person *person = cell->person;

	TAILQ_REMOVE(&person->cells, cell, of_person);
	TAILQ_REMOVE(&cell->crowd->cells, cell, of_crowd);
	cell->crowd->count--;
	free(cell);
	drop_person(crowds, person);
}

static struct cell *new_cell(struct person *person, struct crowd *crowd)
{
	struct cell *cell = calloc(1, sizeof(*cell));

	if (cell == NULL)
		return NULL;
	cell->person = person;
	cell->crowd = crowd;
	TAILQ_INSERT_TAIL(&person->cells, cell, of_person);
	TAILQ_INSERT_TAIL(&crowd->cells, cell, of_crowd);
	crowd->count++;
	return cell;
}

/* Out of memory is as good as a crowd that is full: less is told. */
static struct cell *open_cell(struct crowds *crowds, struct hub *hub, struct str user)
{
	struct crowd *crowd = open_crowd(hub);
	struct person *person;
	struct cell *cell;

	if (crowd == NULL || user.n == 0)
		return NULL;
	person = open_person(crowds, user);
	if (person == NULL)
		return NULL;
	cell = find_cell(person, hub);
	if (cell == NULL && crowd->count < CROWDS_PEOPLE_MAX)
		cell = new_cell(person, crowd);
	if (cell == NULL)
		drop_person(crowds, person);
	return cell;
}

void crowds_add(struct crowds *crowds, struct hub *hub, struct str user, enum crowds_part part)
{
	struct cell *cell = open_cell(crowds, hub, user);

	if (cell != NULL)
		cell->parts |= part;
}

static void take_part(struct crowds *crowds, struct cell *cell, enum crowds_part part)
{
	cell->parts &= ~(unsigned)part;
	if (cell->parts == 0 && !cell->is_heard)
		drop_cell(crowds, cell);
}

void crowds_remove(struct crowds *crowds, struct hub *hub, struct str user, enum crowds_part part)
{
	struct person *person = find_person(crowds, user);
	struct cell *cell = person == NULL ? NULL : find_cell(person, hub);

	if (cell != NULL)
		take_part(crowds, cell, part);
}

void crowds_forget(struct crowds *crowds, struct hub *hub)
{
	struct crowd *crowd = hub_keep(hub)->crowd;
	struct cell *cell;

	if (crowd == NULL)
		return;
	while ((cell = TAILQ_FIRST(&crowd->cells)) != NULL)
		drop_cell(crowds, cell);
	hub_keep(hub)->crowd = NULL;
	free(crowd);
}

char *crowds_lookers_json(const struct hub *hub)
{
	const struct crowd *crowd = hub_keep((struct hub *)hub)->crowd;
	const struct cell *cell;
	struct buf text = BUF_INIT;
	struct json_write json;
	char *copy = NULL;

	json_write_init(&json, &text);
	json_write_open_array(&json);
	for (cell = crowd == NULL ? NULL : TAILQ_FIRST(&crowd->cells); cell != NULL;
	     cell = TAILQ_NEXT(cell, of_crowd)) {
		if ((cell->parts & CROWDS_LOOKING) != 0)
			json_write_str(&json, (struct str){cell->person->id, cell->person->id_len});
	}
	json_write_close(&json);
	if (json_write_finish(&json) == 0)
		copy = str_dup(buf_str(&text));
	buf_deinit(&text);
	return copy;
}

size_t crowds_count(const struct hub *hub)
{
	const struct crowd *crowd = hub_keep((struct hub *)hub)->crowd;

	return crowd == NULL ? 0 : crowd->count;
}

/* ---- what is told ---- */

/* Absent ticket: at all. NULL when out of memory. */
static struct frame *presence_frame(struct str user, const struct presence_state *state,
				    struct str ticket)
{
	struct buf data = BUF_INIT;
	struct json_write j;
	struct frame *frame = NULL;
	char seen[CLOCK_TEXT_SIZE];

	json_write_init(&j, &data);
	json_write_open_object(&j);
	json_write_member_str(&j, "user_id", user);
	json_write_member_cstr(&j, "status", presence_status_text(state->status));
	if (state->status == PRESENCE_OFFLINE && state->seen_ms > 0) {
		clock_format(state->seen_ms, seen);
		json_write_member_cstr(&j, "last_seen", seen);
	} else {
		json_write_member_null(&j, "last_seen");
	}
	if (ticket.p != NULL)
		json_write_member_str(&j, "ticket_id", ticket);
	json_write_close(&j);
	if (json_write_finish(&j) == 0)
		frame = frame_new("presence", (struct str){0}, buf_str(&data));
	buf_deinit(&data);
	return frame;
}

void crowds_here(struct crowds *crowds, struct hub *hub, struct str user,
		 enum presence_status status)
{
	const struct presence_state state = {.status = status};
	struct frame *frame = presence_frame(user, &state, hub_ticket(hub));

	struct cell *cell = open_cell(crowds, hub, user);

	if (cell != NULL) {
		cell->is_heard = cell->crowd->is_asked;
		if (status == PRESENCE_OFFLINE)
			take_part(crowds, cell, CROWDS_LOOKING);
		else
			cell->parts |= CROWDS_LOOKING;
	}
	hub_notice(hub, frame, frame);
	frame_unref(frame);
}

/* Whatever was heard counts no more than what is known. */
static void settle_heard(struct crowds *crowds, struct crowd *crowd)
{
	struct cell *cell, *next;

	for (cell = TAILQ_FIRST(&crowd->cells); cell != NULL; cell = next) {
		next = TAILQ_NEXT(cell, of_crowd);
		cell->is_heard = false;
		if (cell->parts == 0)
			drop_cell(crowds, cell);
	}
}

void crowds_ask_lookers(struct crowds *crowds, struct hub *hub)
{
	struct crowd *crowd = open_crowd(hub);

	if (crowd == NULL)
		return;
	settle_heard(crowds, crowd);
	crowd->is_asked = true;
}

void crowds_learn_looker(struct crowds *crowds, struct hub *hub, struct str user)
{
	struct cell *cell = open_cell(crowds, hub, user);

	if (cell != NULL && !cell->is_heard)
		cell->parts |= CROWDS_LOOKING;
}

/* Those who were known to look and are not among the users are marked, then told to have gone. */
void crowds_set_lookers(struct crowds *crowds, struct hub *hub, const struct str *users, size_t n)
{
	struct crowd *crowd = hub_keep(hub)->crowd;
	struct cell *cell, *next;

	if (crowd != NULL) {
		crowd->is_asked = false;
		TAILQ_FOREACH(cell, &crowd->cells, of_crowd)
			cell->is_stale = (cell->parts & CROWDS_LOOKING) != 0 && !cell->is_heard;
	}
	for (size_t i = 0; i < n; i++) {
		struct person *person = find_person(crowds, users[i]);

		cell = person == NULL ? NULL : find_cell(person, hub);
		if (cell != NULL && (cell->is_heard || (cell->parts & CROWDS_LOOKING) != 0))
			cell->is_stale = false;
		else
			crowds_here(crowds, hub, users[i], PRESENCE_ONLINE);
	}
	crowd = hub_keep(hub)->crowd;
	for (cell = crowd == NULL ? NULL : TAILQ_FIRST(&crowd->cells); cell != NULL; cell = next) {
		next = TAILQ_NEXT(cell, of_crowd);
		if (cell->is_stale)
			crowds_here(crowds, hub,
				    (struct str){cell->person->id, cell->person->id_len},
				    PRESENCE_OFFLINE);
	}
	if (crowd != NULL)
		settle_heard(crowds, crowd);
}

void crowds_presence(struct crowds *crowds, struct str user, const struct presence_state *state)
{
	struct person *person = find_person(crowds, user);
	struct frame *frame;
	struct cell *cell;

	if (person == NULL)
		return;
	frame = presence_frame(user, state, (struct str){0});
	/* Listeners may end, but hubs and their crowds stay. */
	TAILQ_FOREACH(cell, &person->cells, of_person)
		hub_notice(cell->crowd->hub, cell->parts != 0 ? frame : NULL,
			   (cell->parts & ~(unsigned)CROWDS_NOTED) != 0 ? frame : NULL);
	frame_unref(frame);
}

/* ---- events ---- */

void crowds_event(struct crowds *crowds, struct hub *hub, const struct ticket_event *event)
{
	struct participant_change change;

	if (event->kind == EVENT_MESSAGE && event->message_kind != MESSAGE_SYSTEM) {
		crowds_add(crowds, hub, event->sender_id,
			   event->is_public ? CROWDS_PARTICIPANT : CROWDS_NOTED);
		return;
	}
	if (participant_parse(event, &change) != 0)
		return;
	if (change.is_removed) {
		crowds_remove(crowds, hub, str_of(change.user), CROWDS_PARTICIPANT);
		crowds_remove(crowds, hub, str_of(change.user), CROWDS_NOTED);
	} else {
		crowds_add(crowds, hub, str_of(change.user), CROWDS_PARTICIPANT);
	}
}
