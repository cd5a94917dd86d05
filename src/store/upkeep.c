/* SPDX-License-Identifier: BSD-2-Clause */
/* What only the archiver says to Redis. */
#include "config.h"

#include <string.h>

#include "store/people.h"
#include "store/rate.h"
#include "store/redis_wire.h"
#include "store/upkeep.h"

/* In the order in which the functions take them. */
static const enum redis_key_kind ticket_keys[] = {REDIS_KEY_CHAT, REDIS_KEY_META, REDIS_KEY_WHO};

enum { TICKET_KEYS = sizeof(ticket_keys) / sizeof(ticket_keys[0]) };

size_t upkeep_put_library(struct buf *b, struct str code)
{
	redis_wire_put(b, 4,
		       (const struct str[]){STR("FUNCTION"), STR("LOAD"), STR("REPLACE"), code});
	return 1;
}

const struct upkeep_library *upkeep_library(size_t i)
{
	static const struct upkeep_library libraries[UPKEEP_LIBRARIES] = {
		{HOT_LIBRARY, HOT_LIBRARY_FILE, HOT_LIBRARY "_mark"},
		{PEOPLE_LIBRARY, PEOPLE_LIBRARY_FILE, PEOPLE_LIBRARY "_probe"},
		{RATE_LIBRARY, RATE_LIBRARY_FILE, RATE_LIBRARY "_probe"},
	};

	return &libraries[i];
}

size_t upkeep_put_probes(struct buf *b)
{
	/* Marks of no partitions; the others take no notice of what they get. */
	for (size_t i = 0; i < UPKEEP_LIBRARIES; i++)
		redis_wire_putc(b, "FCALL", upkeep_library(i)->probe, "0", "0", "0", NULL);
	return UPKEEP_LIBRARIES;
}

size_t upkeep_put_marks(struct buf *b, const struct redis_keys *keys,
			const struct upkeep_marks *marks)
{
	struct redis_key key;

	redis_wire_begin(b, 5 + 2 * (size_t)marks->n);
	redis_wire_arg(b, STR("FCALL"));
	redis_wire_arg(b, STR(HOT_LIBRARY "_mark"));
	redis_wire_arg_i64(b, marks->n);
	for (unsigned int i = 0; i < marks->n; i++) {
		redis_keys_swept(keys, marks->first + i, &key);
		redis_wire_arg(b, key.name);
	}
	redis_wire_arg_i64(b, marks->until_us);
	redis_wire_arg_i64(b, marks->at_ms);
	for (unsigned int i = 0; i < marks->n; i++) {
		if (marks->was[i].exists)
			redis_wire_arg_i64(b, marks->was[i].until_us);
		else
			redis_wire_arg(b, STR(""));
	}
	return 1;
}

size_t upkeep_put_trim(struct buf *b, const struct redis_keys *keys, struct str ticket,
		       const struct upkeep_window *window)
{
	const int64_t args[] = {window->committed_seq, window->events, window->age_ms,
				window->bytes,	       window->min,    window->idle_ms,
				window->first_seq};
	const size_t nargs = sizeof(args) / sizeof(args[0]);
	struct redis_key key;

	redis_wire_begin(b, 6 + nargs);
	redis_wire_arg(b, STR("FCALL"));
	redis_wire_arg(b, STR(HOT_LIBRARY "_trim"));
	redis_wire_arg(b, STR("3"));
	for (size_t i = 0; i < TICKET_KEYS; i++) {
		redis_keys_ticket(keys, ticket_keys[i], ticket, &key);
		redis_wire_arg(b, key.name);
	}
	for (size_t i = 0; i < nargs; i++)
		redis_wire_arg_i64(b, args[i]);
	return 1;
}

int upkeep_parse_trimmed(const redisReply *reply, struct upkeep_trimmed *trimmed_r)
{
	if (reply == NULL || reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
	    reply->element[0]->type != REDIS_REPLY_INTEGER ||
	    reply->element[1]->type != REDIS_REPLY_INTEGER)
		return -1;
	trimmed_r->removed = reply->element[0]->integer;
	trimmed_r->is_dropped = reply->element[1]->integer == 1;
	return 0;
}

size_t upkeep_put_scan(struct buf *b, const struct redis_keys *keys, const char *cursor, int count)
{
	struct redis_key pattern;

	redis_keys_epoch_pattern(keys, &pattern);
	redis_wire_begin(b, 6);
	redis_wire_arg(b, STR("SCAN"));
	redis_wire_arg(b, str_of(cursor));
	redis_wire_arg(b, STR("MATCH"));
	redis_wire_arg(b, pattern.name);
	redis_wire_arg(b, STR("COUNT"));
	redis_wire_arg_i64(b, count);
	return 1;
}

int upkeep_parse_scan(const redisReply *reply, struct upkeep_scan *scan_r)
{
	const redisReply *cursor, *keys;

	if (reply == NULL || reply->type != REDIS_REPLY_ARRAY || reply->elements != 2)
		return -1;
	cursor = reply->element[0];
	keys = reply->element[1];
	if (cursor->type != REDIS_REPLY_STRING || cursor->len == 0 ||
	    cursor->len >= UPKEEP_CURSOR_SIZE || keys->type != REDIS_REPLY_ARRAY)
		return -1;
	for (size_t i = 0; i < keys->elements; i++) {
		if (keys->element[i]->type != REDIS_REPLY_STRING)
			return -1;
	}
	memcpy(scan_r->cursor, cursor->str, cursor->len + 1);
	scan_r->keys = keys;
	return 0;
}

size_t upkeep_put_forget(struct buf *b, const struct redis_keys *keys, struct str ticket)
{
	struct redis_key key;

	redis_wire_begin(b, 2 + TICKET_KEYS);
	redis_wire_arg(b, STR("UNLINK"));
	for (size_t i = 0; i < TICKET_KEYS; i++) {
		redis_keys_ticket(keys, ticket_keys[i], ticket, &key);
		redis_wire_arg(b, key.name);
	}
	redis_keys_ticket(keys, REDIS_KEY_READ, ticket, &key);
	redis_wire_arg(b, key.name);
	return 1;
}

size_t upkeep_put_unlink(struct buf *b, struct str key)
{
	redis_wire_put(b, 2, (const struct str[]){STR("UNLINK"), key});
	return 1;
}

size_t upkeep_put_people(struct buf *b, const struct redis_keys *keys, struct str ticket)
{
	struct redis_key key;

	redis_keys_ticket(keys, REDIS_KEY_WHO, ticket, &key);
	redis_wire_put(b, 2, (const struct str[]){STR("HGETALL"), key.name});
	return 1;
}

int64_t upkeep_count_people(const redisReply *reply)
{
	if (reply == NULL || reply->type != REDIS_REPLY_ARRAY || reply->elements % 2 != 0)
		return -1;
	for (size_t i = 0; i < reply->elements; i++) {
		if (reply->element[i]->type != REDIS_REPLY_STRING)
			return -1;
	}
	/* That all are listed is said by an entry that is no user. */
	if (upkeep_find_role(reply, STR("*")).p == NULL)
		return -1;
	return (int64_t)(reply->elements / 2) - 1;
}

struct str upkeep_find_role(const redisReply *reply, struct str user)
{
	for (size_t i = 0; i + 1 < reply->elements; i += 2) {
		const redisReply *name = reply->element[i], *role = reply->element[i + 1];

		if (str_eq(user, (struct str){name->str, name->len}))
			return (struct str){role->str, role->len};
	}
	return (struct str){0};
}

bool upkeep_person(const redisReply *reply, size_t i, struct hot_participant *person_r)
{
	const redisReply *name = reply->element[2 * i], *role = reply->element[2 * i + 1];

	*person_r = (struct hot_participant){.user_id = {name->str, name->len},
					     .role = {role->str, role->len}};
	return !str_eq_c(person_r->user_id, "*");
}
