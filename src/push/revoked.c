/* SPDX-License-Identifier: BSD-2-Clause */
/* Follows the record's list of revocations. */
#include "config.h"

#include "push/revoked.h"

#include <event2/event.h>
#include <stdlib.h>

#include "base/clock.h"
#include "chat/revocations.h"
#include "push/stores.h"

enum { BEHIND_MAX_MS = 2 * REVOKED_EVERY_MS - 100 }; /* in force within a second */

struct revoked {
	struct stores *stores;
	struct event *timer;
	revoked_changed_cb *changed;
	void *arg;
	struct revocations *all;
	struct pg_call *record_call;
	struct redis_async_call *redis_call;
	int64_t asked_ms; /* when it was last complete; clock_mono_ms */
	bool is_known;
};

/* ---- the record ---- */

static void ask_record(struct revoked *list);

static void on_record(void *arg, enum err err, const PGresult *result)
{
	struct revoked *list = arg;
	bool was_known = list->is_known;
	bool has_grown = false;

	list->record_call = NULL;
	if (err != ERR_NONE)
		return;
	switch (revocations_take(list->all, result, &has_grown)) {
	case REVOCATIONS_ALL:
		list->is_known = true;
		list->asked_ms = clock_mono_ms();
		break;
	case REVOCATIONS_MORE:
		/* So many that what was there a second ago may not have been read yet. */
		if (clock_mono_ms() - list->asked_ms > BEHIND_MAX_MS)
			list->is_known = false;
		ask_record(list);
		break;
	case REVOCATIONS_BAD:
		break;
	}
	if (has_grown || list->is_known != was_known)
		list->changed(list->arg);
}

static void ask_record(struct revoked *list)
{
	struct pg_stmt stmt;

	revocations_put_ask(list->all, &stmt);
	list->record_call = stores_ask_record(list->stores, &stmt, on_record, list);
	pg_stmt_deinit(&stmt);
}

/* ---- the copy ---- */

static void on_copy(void *arg, enum err err, redisReply **replies, size_t n)
{
	struct revoked *list = arg;

	list->redis_call = NULL;
	if (err != ERR_NONE || n != 1 || list->is_known)
		return;
	list->is_known = revocations_take_copy(list->all, replies[0]) == 0;
	if (list->is_known)
		list->changed(list->arg);
}

static void ask_copy(struct revoked *list)
{
	struct buf commands = BUF_INIT;
	size_t n = record_revoke_put_copy_read(&commands, stores_keys(list->stores)->prefix);

	list->redis_call = stores_ask_redis(list->stores, &commands, n, on_copy, list);
	buf_deinit(&commands);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct revoked *list = arg;

	(void)fd;
	(void)what;
	if (list->record_call == NULL && stores_has_record(list->stores))
		ask_record(list);
	else if (!list->is_known && list->redis_call == NULL && stores_has_redis(list->stores))
		ask_copy(list);
}

/* ---- life ---- */

struct revoked *revoked_new(struct event_base *base, struct stores *stores,
			    revoked_changed_cb *changed, void *arg)
{
	const struct timeval every = {0, REVOKED_EVERY_MS * 1000};
	struct revoked *list = calloc(1, sizeof(*list));

	if (list == NULL)
		return NULL;
	list->stores = stores;
	list->changed = changed;
	list->arg = arg;
	list->all = revocations_new();
	list->timer = event_new(base, -1, EV_PERSIST, on_timer, list);
	if (list->all == NULL || list->timer == NULL || event_add(list->timer, &every) != 0) {
		revoked_free(list);
		return NULL;
	}
	return list;
}

void revoked_free(struct revoked *list)
{
	if (list == NULL)
		return;
	if (list->record_call != NULL)
		pg_call_cancel(list->record_call);
	if (list->redis_call != NULL)
		redis_async_cancel(list->redis_call);
	if (list->timer != NULL)
		event_free(list->timer);
	revocations_free(list->all);
	free(list);
}

void revoked_look(struct revoked *list)
{
	on_timer(-1, 0, list);
}

bool revoked_is_known(const struct revoked *list)
{
	return list->is_known;
}

bool revoked_cover(const struct revoked *list, const struct identity *who, int64_t began_us)
{
	return revocations_cover(list->all, who, began_us);
}
