/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whatever Redis answers: the bytes go through the bounded reader, and every reply to every parser.
 * Nothing may crash, and what is accepted must make sense.
 */
#include "config.h"

#include "fuzz.h"
#include "store/hot.h"
#include "store/people.h"
#include "store/presence.h"
#include "store/redis_wire.h"
#include "store/upkeep.h"

#define EVENTS_MAX 64

static void parse_streams(const redisReply *reply, const struct redis_keys *keys)
{
	int n = hot_count_streams(reply);

	for (int i = 0; i < n; i++) {
		struct hot_stream stream;
		char id[HOT_STREAM_ID_SIZE];

		if (hot_parse_stream(reply, (size_t)i, keys, &stream) == 0 &&
		    stream.ticket.p == NULL)
			hot_parse_wake(stream.entries, id);
	}
}

static void parse_presence(const redisReply *reply)
{
	struct str looking[PRESENCE_LOOKING_MAX];
	struct presence_state state;
	enum presence_status status;
	struct record_seen seen;
	struct str user;
	int n = presence_parse_looking(reply, 0, looking);

	for (int i = 0; i < n; i++)
		FUZZ_EXPECT(looking[i].n > 0 &&
			    (i == 0 || str_cmp(looking[i - 1], looking[i]) < 0));
	if (presence_parse_state(reply, &state) == 0)
		FUZZ_EXPECT(state.status < PRESENCE_UNKNOWN && state.seen_ms >= 0);
	n = presence_count_online(reply);
	for (int i = 0; i < n; i++) {
		if (presence_parse_online(reply, (size_t)i, &user, &status) == 0)
			FUZZ_EXPECT(user.n > 0 && status < PRESENCE_UNKNOWN);
		if (presence_parse_gone(reply, (size_t)i, &seen) == 0)
			FUZZ_EXPECT(seen.user.n > 0 && seen.at_ms > 0);
	}
}

static void parse(const redisReply *reply, const struct redis_keys *keys)
{
	redisReply *const replies[HOT_OPEN_REPLIES] = {(redisReply *)reply, (redisReply *)reply,
						       (redisReply *)reply, (redisReply *)reply,
						       (redisReply *)reply};
	struct ticket_event events[EVENTS_MAX];
	struct people_typist typists[EVENTS_MAX];
	struct people_mark read;
	struct redis_keys other;
	struct upkeep_trimmed trimmed;
	struct upkeep_scan scan;
	struct hot_pushed pushed;
	struct hot_open open;
	struct hot_tail tail;
	struct hot_mark mark;
	int n = hot_parse_events(reply, STR("T-1"), 1, events, EVENTS_MAX);

	for (int i = 0; i < n; i++) {
		FUZZ_EXPECT(events[i].seq >= 1 && events[i].n >= 0);
		FUZZ_EXPECT(event_kind_is_known((int)events[i].kind));
	}
	hot_parse_push(reply, &pushed);
	if (hot_parse_open(replies, &open) == 0 && open.has_stream)
		FUZZ_EXPECT(open.first_seq >= 1 && open.last_seq >= open.first_seq);
	hot_parse_tail(replies, &tail);
	hot_parse_mark(reply, &mark);
	if (hot_parse_deployment(reply, "b:", &other) == 0)
		FUZZ_EXPECT(other.epoch >= 1 && other.partitions >= 1);
	if (upkeep_parse_scan(reply, &scan) == 0)
		FUZZ_EXPECT(scan.keys != NULL);
	upkeep_parse_trimmed(reply, &trimmed);
	n = people_parse_typists(replies, typists, EVENTS_MAX);
	for (int i = 0; i < n; i++)
		FUZZ_EXPECT(typists[i].left_ms >= 1 && typists[i].user.p != NULL);
	n = people_count_marks(reply);
	for (int i = 0; i < n; i++) {
		FUZZ_EXPECT(people_mark_user(reply, (size_t)i).p != NULL);
		if (people_parse_mark(reply, (size_t)i, &read) == 0)
			FUZZ_EXPECT(read.seq >= 0 && read.n >= 0);
	}
	parse_streams(reply, keys);
	parse_presence(reply);
	FUZZ_EXPECT(hot_trouble_text(hot_trouble(reply)) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	redisReader *reader = redis_wire_reader_new();
	struct redis_keys keys;
	void *reply;

	if (reader == NULL || redis_keys_init(&keys, "b:", 1, 256) != 0)
		return 0;
	if (redisReaderFeed(reader, (const char *)data, size) == REDIS_OK) {
		while (redisReaderGetReply(reader, &reply) == REDIS_OK && reply != NULL) {
			parse(reply, &keys);
			freeReplyObject(reply);
		}
	}
	redisReaderFree(reader);
	return 0;
}
