/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Presence is in Redis and nowhere else: without it everything is unknown, and what is said is lost,
 * which is no error. Only when those who are away were last seen is asked of the record.
 */
#include "config.h"

#include "api/h_presence.h"

#include <stdlib.h>

#include "api/allow.h"
#include "api/call.h"
#include "base/clock.h"
#include "store/presence.h"
#include "web/json_write.h"
#include "web/query.h"

enum {
	SAID_MS = 60000, /* what a client says holds for so long */
	USERS_MAX = 200	 /* of one question */
};

_Static_assert(USERS_MAX <= RECORD_SEEN_MAX, "one statement holds them all");

/* What is known of one user. */
struct person {
	struct str user;
	bool is_hidden; /* the caller may not know */
	struct presence_state state;
};

/* ---- saying ---- */

/* Lost where Redis is away, which is no error. */
static void say(struct call *call, enum presence_status status)
{
	const struct redis_keys *keys = stores_keys(call->stores);
	struct buf commands = BUF_INIT;
	redisReply *reply = NULL;

	if (keys == NULL)
		return;
	presence_put_said(&commands, keys, call->who.user_id, status, SAID_MS);
	if (stores_redis(call->stores, &commands, 1, stores_redis_deadline(call->stores), &reply) ==
	    ERR_NONE)
		stores_redis_trouble(call->stores, hot_trouble(reply));
	redis_conn_release(&reply, 1);
	buf_deinit(&commands);
}

void h_presence_put(struct call *call)
{
	const struct json_read_value *value = json_read_find(json_read_root(call->json), "status");
	enum presence_status status;

	if (value == NULL || !json_read_is_string(value) ||
	    presence_status_parse(json_read_str(value), &status) != 0) {
		call_refuse_field(call, "/status", "has to be \"online\", \"away\" or \"offline\"");
		return;
	}
	say(call, status);
	reply_empty(&call->reply, 204);
}

/* ---- asking the stores ---- */

/* Asks Redis about all who are not hidden. Whoever it says nothing of stays unknown. */
static void ask_states(struct call *call, struct person *people, size_t n)
{
	const struct redis_keys *keys = stores_keys(call->stores);
	redisReply **replies = calloc(n > 0 ? n : 1, sizeof(redisReply *));
	struct buf commands = BUF_INIT;
	size_t asked = 0;

	for (size_t i = 0; i < n; i++) {
		people[i].state = (struct presence_state){.status = PRESENCE_UNKNOWN};
		if (keys != NULL && !people[i].is_hidden)
			asked += presence_put_state(&commands, keys, people[i].user);
	}
	if (replies != NULL && asked > 0 &&
	    stores_redis(call->stores, &commands, asked, stores_redis_deadline(call->stores),
			 replies) == ERR_NONE) {
		stores_redis_trouble(call->stores, hot_trouble_of(replies, asked));
		for (size_t i = 0, answer = 0; i < n; i++) {
			if (!people[i].is_hidden)
				presence_parse_state(replies[answer++], &people[i].state);
		}
		redis_conn_release(replies, asked);
	}
	buf_deinit(&commands);
	free(replies);
}

static struct person *find_person(struct person *people, size_t n, struct str user)
{
	for (size_t i = 0; i < n; i++) {
		if (str_eq(people[i].user, user))
			return &people[i];
	}
	return NULL;
}

/* The result, or NULL where the record does not answer: then what it would say stays unsaid. */
static PGresult *ask_record(struct call *call, struct pg_stmt *stmt)
{
	PGresult *result = NULL;

	if (stores_pg(call->stores, stmt, stores_pg_deadline(call->stores), &result) != ERR_NONE)
		result = NULL;
	pg_stmt_deinit(stmt);
	return result;
}

/* When those were last seen of whom Redis knows nothing any more. */
static void ask_seen(struct call *call, struct person *people, size_t n)
{
	struct str users[USERS_MAX];
	struct record_seen seen;
	struct pg_stmt stmt;
	PGresult *result;
	size_t asked = 0;

	for (size_t i = 0; i < n; i++) {
		if (people[i].state.status == PRESENCE_OFFLINE && people[i].state.seen_ms == 0)
			users[asked++] = people[i].user;
	}
	if (asked == 0)
		return;
	record_seen_put_read(&stmt, users, asked);
	result = ask_record(call, &stmt);
	for (size_t i = 0; result != NULL && i < record_seen_count(result); i++) {
		struct person *person;

		if (record_seen_parse(result, i, &seen) != 0)
			break;
		person = find_person(people, n, seen.user);
		if (person != NULL)
			person->state.seen_ms = seen.at_ms;
	}
	PQclear(result);
}

/* A requester learns of nobody but people of tickets of his own. */
static void hide_strangers(struct call *call, struct person *people, size_t n)
{
	struct record_seen_shared shared = {
		.asker = call->who.user_id,
		.tickets = call->who.tickets,
		.n_tickets = call->who.n_tickets,
	};
	struct str users[USERS_MAX];
	struct pg_stmt stmt;
	PGresult *result;

	if (authn_identity_is_staff(&call->who) || call->who.all_tickets)
		return;
	for (size_t i = 0; i < n; i++) {
		people[i].is_hidden = !str_eq(people[i].user, call->who.user_id);
		if (people[i].is_hidden)
			users[shared.n++] = people[i].user;
	}
	if (shared.n == 0)
		return;
	shared.users = users;
	record_seen_put_shared(&stmt, &shared);
	result = ask_record(call, &stmt);
	for (size_t i = 0; result != NULL && i < record_seen_count_shared(result); i++) {
		struct person *person;
		struct str user;

		if (record_seen_parse_shared(result, i, &user) != 0)
			break;
		person = find_person(people, n, user);
		if (person != NULL)
			person->is_hidden = false;
	}
	PQclear(result);
}

/* ---- answering ---- */

static void write_person(struct json_write *j, struct str user, const struct presence_state *state)
{
	char text[CLOCK_TEXT_SIZE];

	json_write_open_object(j);
	json_write_member_str(j, "user_id", user);
	json_write_member_cstr(j, "status", presence_status_text(state->status));
	if (state->status == PRESENCE_OFFLINE && state->seen_ms > 0) {
		clock_format(state->seen_ms, text);
		json_write_member_cstr(j, "last_seen", text);
	} else {
		json_write_member_null(j, "last_seen");
	}
	json_write_close(j);
}

static void begin_users(struct call *call, struct json_write *j)
{
	reply_json(&call->reply, 200);
	json_write_init(j, &call->reply.body);
	json_write_open_object(j);
	json_write_member_array(j, "users");
}

static void end_users(struct call *call, struct json_write *j)
{
	json_write_close(j);
	json_write_close(j);
	if (json_write_finish(j) != 0)
		call_refuse(call, PROBLEM_INTERNAL, NULL);
}

/* Redis is away: nobody can tell who is there. */
static void answer_nothing(struct call *call)
{
	struct json_write j;

	reply_json(&call->reply, 200);
	json_write_init(&j, &call->reply.body);
	json_write_open_object(&j);
	json_write_member_null(&j, "users");
	json_write_close(&j);
	if (json_write_finish(&j) != 0)
		call_refuse(call, PROBLEM_INTERNAL, NULL);
}

static void answer_people(struct call *call, const struct person *people, size_t n)
{
	struct json_write j;

	begin_users(call, &j);
	for (size_t i = 0; i < n; i++)
		write_person(&j, people[i].user, &people[i].state);
	end_users(call, &j);
}

/* ---- many ---- */

/* Each user once, in the order of the query. Their number, or 0 after a refusal. */
static size_t read_users(struct call *call, struct str list, struct person *people)
{
	struct str user;
	size_t n = 0, named = 0;

	if (list.n == 0) {
		call_refuse(call, PROBLEM_INVALID_FIELD, "users has to be a list of user ids");
		return 0;
	}
	while (str_split(&list, ',', &user)) {
		if (!ids_is_user(user)) {
			call_refuse(call, PROBLEM_INVALID_FIELD,
				    "users has to be user ids with commas between them");
			return 0;
		}
		if (++named > USERS_MAX) {
			call_refuse(call, PROBLEM_INVALID_FIELD, "users are 200 at most");
			return 0;
		}
		if (find_person(people, n, user) == NULL)
			people[n++] = (struct person){.user = user};
	}
	return n;
}

void h_presence_read(struct call *call)
{
	struct person people[USERS_MAX];
	struct query q;
	const char *fault;
	size_t n;

	switch (query_parse(&q, call->request.query, &fault)) {
	case QUERY_OK:
		break;
	case QUERY_BAD:
		call_refuse(call, PROBLEM_INVALID_FIELD, fault);
		return;
	case QUERY_MEMORY:
		call_refuse(call, PROBLEM_INTERNAL, NULL);
		return;
	}
	n = read_users(call, query_find(&q, "users"), people);
	if (n > 0) {
		hide_strangers(call, people, n);
		ask_states(call, people, n);
		ask_seen(call, people, n);
		answer_people(call, people, n);
	}
	query_deinit(&q);
}

/* ---- everybody ---- */

static void answer_online(struct call *call, redisReply *const *replies)
{
	struct json_write j;

	for (size_t shard = 0; shard < REDIS_KEYS_SHARDS; shard++) {
		if (presence_count_online(replies[shard]) < 0) {
			answer_nothing(call);
			return;
		}
	}
	begin_users(call, &j);
	for (size_t shard = 0; shard < REDIS_KEYS_SHARDS; shard++) {
		size_t n = (size_t)presence_count_online(replies[shard]);

		for (size_t i = 0; i < n; i++) {
			struct presence_state state = {0};
			struct str user;

			if (presence_parse_online(replies[shard], i, &user, &state.status) == 0)
				write_person(&j, user, &state);
		}
	}
	end_users(call, &j);
}

void h_presence_online(struct call *call)
{
	const struct redis_keys *keys = stores_keys(call->stores);
	redisReply *replies[REDIS_KEYS_SHARDS] = {NULL};
	struct buf commands = BUF_INIT;
	size_t n = keys != NULL ? presence_put_online(&commands, keys) : 0;

	if (n > 0 && stores_redis(call->stores, &commands, n, stores_redis_deadline(call->stores),
				  replies) == ERR_NONE) {
		stores_redis_trouble(call->stores, hot_trouble_of(replies, n));
		answer_online(call, replies);
	} else {
		answer_nothing(call);
	}
	redis_conn_release(replies, n);
	buf_deinit(&commands);
}

/* ---- who is looking ---- */

static void answer_roster(struct call *call, const struct str *users, size_t n)
{
	struct person *people = calloc(n > 0 ? n : 1, sizeof(*people));

	if (people == NULL) {
		call_refuse(call, PROBLEM_INTERNAL, NULL);
		return;
	}
	for (size_t i = 0; i < n; i++)
		people[i].user = users[i];
	ask_states(call, people, n);
	/* Whoever is looking is there; the two are only asked one after the other. */
	for (size_t i = 0; i < n; i++) {
		if (people[i].state.status == PRESENCE_OFFLINE)
			people[i].state.status = PRESENCE_ONLINE;
	}
	answer_people(call, people, n);
	free(people);
}

void h_presence_roster(struct call *call)
{
	enum { TIME, LOOKING, REPLIES };
	struct str *users = calloc(PRESENCE_LOOKING_MAX, sizeof(*users));
	redisReply *replies[REPLIES] = {NULL};
	struct buf commands = BUF_INIT;
	const struct redis_keys *keys;
	int64_t now_ms;
	int n = -1;

	if (users == NULL) {
		call_refuse(call, PROBLEM_INTERNAL, NULL);
		return;
	}
	if (allow_ticket(call) != 0)
		goto out;
	keys = stores_keys(call->stores);
	if (keys != NULL) {
		hot_put_time(&commands);
		presence_put_looking(&commands, keys, call_ticket(call));
		if (stores_redis(call->stores, &commands, REPLIES,
				 stores_redis_deadline(call->stores), replies) == ERR_NONE) {
			stores_redis_trouble(call->stores, hot_trouble_of(replies, REPLIES));
			if (hot_parse_time(replies[TIME], &now_ms) == 0)
				n = presence_parse_looking(replies[LOOKING], now_ms, users);
		}
	}
	if (n < 0)
		answer_nothing(call);
	else
		answer_roster(call, users, (size_t)n);
	redis_conn_release(replies, REPLIES);
out:
	buf_deinit(&commands);
	free(users);
}
