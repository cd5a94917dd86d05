/* SPDX-License-Identifier: BSD-2-Clause */
/* Typing is in Redis and nowhere else: without it nobody knows who types, and saying so is lost. */
#include "config.h"

#include "api/h_typing.h"

#include "api/allow.h"
#include "api/call.h"
#include "store/people.h"
#include "web/json_write.h"

enum { TYPISTS_MAX = 100 };

/* ---- saying ---- */

static void say(struct call *call, bool is_typing)
{
	const struct redis_keys *keys = stores_keys(call->stores);
	const struct people_typing typing = {
		.ticket = call_ticket(call),
		.user = call->who.user_id,
		.name = call->who.name,
		.is_typing = is_typing,
	};
	struct buf commands = BUF_INIT;
	redisReply *reply = NULL;

	if (keys == NULL)
		return;
	people_put_typing(&commands, keys, &typing);
	if (stores_redis(call->stores, &commands, 1, stores_redis_deadline(call->stores), &reply) ==
	    ERR_NONE)
		stores_redis_trouble(call->stores, hot_trouble(reply));
	redis_conn_release(&reply, 1);
	buf_deinit(&commands);
}

void h_typing_say(struct call *call)
{
	const struct json_read_value *value = json_read_find(json_read_root(call->json), "typing");

	if (value == NULL || !json_read_is_bool(value)) {
		call_refuse_field(call, "/typing", "has to be true or false");
		return;
	}
	if (allow_ticket(call) != 0)
		return;
	say(call, json_read_bool(value));
	reply_empty(&call->reply, 204);
}

/* ---- reading ---- */

static void put_typist(struct json_write *json, const struct people_typist *typist)
{
	json_write_open_object(json);
	json_write_member_str(json, "user_id", typist->user);
	json_write_member_str(json, "name", typist->name);
	json_write_member_int(json, "expires_in_ms", typist->left_ms);
	json_write_close(json);
}

/* n: -1 where it cannot be told. */
static void answer(struct call *call, const struct people_typist *typists, int n)
{
	struct json_write json;

	reply_json(&call->reply, 200);
	json_write_init(&json, &call->reply.body);
	json_write_open_object(&json);
	if (n >= 0) {
		json_write_member_array(&json, "typing");
		for (int i = 0; i < n; i++)
			put_typist(&json, &typists[i]);
		json_write_close(&json);
	} else {
		json_write_member_null(&json, "typing");
	}
	json_write_close(&json);
	if (json_write_finish(&json) != 0)
		call_refuse(call, PROBLEM_INTERNAL, NULL);
}

void h_typing_read(struct call *call)
{
	redisReply *replies[PEOPLE_TYPISTS_REPLIES] = {NULL};
	struct people_typist typists[TYPISTS_MAX];
	const struct redis_keys *keys;
	struct buf commands = BUF_INIT;
	size_t asked;
	int n = -1;

	if (allow_ticket(call) != 0)
		return;
	keys = stores_keys(call->stores);
	if (keys != NULL) {
		asked = people_put_typists(&commands, keys, call_ticket(call));
		if (stores_redis(call->stores, &commands, asked,
				 stores_redis_deadline(call->stores), replies) == ERR_NONE) {
			stores_redis_trouble(call->stores, hot_trouble_of(replies, asked));
			n = people_parse_typists(replies, typists, TYPISTS_MAX);
		}
	}
	answer(call, typists, n);
	redis_conn_release(replies, PEOPLE_TYPISTS_REPLIES);
	buf_deinit(&commands);
}
