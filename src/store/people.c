/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands and replies about people. */
#include "config.h"

#include <limits.h>
#include <string.h>

#include "store/people.h"
#include "store/redis_wire.h"

size_t people_put_system(struct buf *b, const char *prefix, struct str payload)
{
	struct redis_key channel;

	redis_keys_channel(prefix, REDIS_CHANNEL_SYSTEM, (struct str){0}, &channel);
	redis_wire_put(b, 3, (const struct str[]){STR("PUBLISH"), channel.name, payload});
	return 1;
}

size_t people_put_typing(struct buf *b, const struct redis_keys *keys,
			 const struct people_typing *typing)
{
	struct redis_key key, channel;

	redis_keys_ticket(keys, REDIS_KEY_TYPING, typing->ticket, &key);
	redis_keys_channel(keys->prefix, REDIS_CHANNEL_LIVE, typing->ticket, &channel);
	redis_wire_begin(b, 8);
	redis_wire_arg(b, STR("FCALL"));
	redis_wire_arg(b, STR(PEOPLE_LIBRARY "_typing"));
	redis_wire_arg(b, STR("1"));
	redis_wire_arg(b, key.name);
	redis_wire_arg(b, channel.name);
	redis_wire_arg(b, typing->user);
	redis_wire_arg(b, typing->name);
	redis_wire_arg_i64(b, typing->is_typing ? PEOPLE_TYPING_MS : 0);
	return 1;
}

size_t people_put_typists(struct buf *b, const struct redis_keys *keys, struct str ticket)
{
	struct redis_key key;

	redis_keys_ticket(keys, REDIS_KEY_TYPING, ticket, &key);
	hot_put_time(b);
	redis_wire_put(b, 2, (const struct str[]){STR("HGETALL"), key.name});
	return PEOPLE_TYPISTS_REPLIES;
}

/* "<end, ms of Redis time> <name>". 0; -1 if it is something else, or over. */
static int read_typist(const redisReply *user, const redisReply *value, int64_t now_ms,
		       struct people_typist *typist_r)
{
	struct str rest, end;
	int64_t end_ms;

	if (user->type != REDIS_REPLY_STRING || value->type != REDIS_REPLY_STRING)
		return -1;
	rest = (struct str){value->str, value->len};
	if (!str_split(&rest, ' ', &end) || str_to_i64(end, 0, INT64_MAX, &end_ms) != 0 ||
	    end_ms <= now_ms)
		return -1;
	*typist_r = (struct people_typist){
		.user = {user->str, user->len},
		.name = rest.n > 0 ? rest : (struct str){NULL, 0},
		/* However far Redis' clock was set back. */
		.left_ms = end_ms - now_ms < PEOPLE_TYPING_MS ? end_ms - now_ms : PEOPLE_TYPING_MS,
	};
	return 0;
}

int people_parse_typists(redisReply *const *replies, struct people_typist *typists_r, size_t max)
{
	const redisReply *all = replies[1];
	int64_t now_ms;
	size_t n = 0;

	if (hot_parse_time(replies[0], &now_ms) != 0 || all == NULL ||
	    all->type != REDIS_REPLY_ARRAY || all->elements % 2 != 0)
		return -1;
	for (size_t i = 0; i < all->elements && n < max; i += 2) {
		if (read_typist(all->element[i], all->element[i + 1], now_ms, &typists_r[n]) == 0)
			n++;
	}
	return (int)n;
}

/* ---- read marks ---- */

size_t people_put_read(struct buf *b, const struct redis_keys *keys, const struct people_read *read)
{
	const struct people_mark *mark = &read->mark;
	struct redis_key key, channel;

	redis_keys_ticket(keys, REDIS_KEY_READ, read->ticket, &key);
	redis_keys_channel(keys->prefix, REDIS_CHANNEL_LIVE, read->ticket, &channel);
	redis_wire_begin(b, 13);
	redis_wire_arg(b, STR("FCALL"));
	redis_wire_arg(b, STR(PEOPLE_LIBRARY "_read"));
	redis_wire_arg(b, STR("1"));
	redis_wire_arg(b, key.name);
	redis_wire_arg(b, channel.name);
	redis_wire_arg(b, read->user);
	redis_wire_arg_i64(b, mark->epoch);
	redis_wire_arg_i64(b, mark->seq);
	redis_wire_arg_i64(b, mark->public_seq);
	redis_wire_arg_i64(b, mark->n);
	redis_wire_arg_i64(b, mark->n_public);
	redis_wire_arg_i64(b, mark->at_ms);
	redis_wire_arg_i64(b, read->is_public_news);
	return 1;
}

size_t people_put_marks(struct buf *b, const struct redis_keys *keys, struct str ticket)
{
	struct redis_key key;

	redis_keys_ticket(keys, REDIS_KEY_READ, ticket, &key);
	redis_wire_put(b, 2, (const struct str[]){STR("HGETALL"), key.name});
	return 1;
}

int people_count_marks(const redisReply *reply)
{
	if (reply == NULL || reply->type != REDIS_REPLY_ARRAY || reply->elements % 2 != 0 ||
	    reply->elements > INT_MAX)
		return -1;
	for (size_t i = 0; i < reply->elements; i++) {
		if (reply->element[i]->type != REDIS_REPLY_STRING)
			return -1;
	}
	return (int)(reply->elements / 2);
}

struct str people_mark_user(const redisReply *reply, size_t i)
{
	const redisReply *user = reply->element[2 * i];

	return (struct str){user->str, user->len};
}

int people_parse_mark(const redisReply *reply, size_t i, struct people_mark *mark_r)
{
	const redisReply *value = reply->element[2 * i + 1];
	struct str rest = {value->str, value->len};
	int64_t numbers[6];
	struct str part;

	for (size_t k = 0; k < 6; k++) {
		if (!str_split(&rest, ' ', &part) ||
		    str_to_i64(part, 0, INT64_MAX, &numbers[k]) != 0)
			return -1;
	}
	if (rest.p != NULL)
		return -1;
	*mark_r = (struct people_mark){
		.epoch = numbers[0],
		.seq = numbers[1],
		.public_seq = numbers[2],
		.n = numbers[3],
		.n_public = numbers[4],
		.at_ms = numbers[5],
	};
	return 0;
}
