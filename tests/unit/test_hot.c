/* SPDX-License-Identifier: BSD-2-Clause */
/* Redis commands and replies of the chat: what is sent, and what any answer is taken for. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmocka_setup.h"
#include "store/hot.h"
#include "store/redis_wire.h"
#include "store/upkeep.h"

static struct redis_keys keys;

static int setup(void **state)
{
	(void)state;
	return redis_keys_init(&keys, "b:", 3, 256);
}

/* The reply that these bytes are, fed in two parts cut at `cut`. */
static redisReply *reply_of(struct str bytes, size_t cut)
{
	redisReader *reader = redis_wire_reader_new();
	void *reply = NULL;

	redisReaderFeed(reader, bytes.p, cut);
	assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
	if (reply == NULL) {
		redisReaderFeed(reader, bytes.p + cut, bytes.n - cut);
		assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
	}
	assert_non_null(reply);
	redisReaderFree(reader);
	return reply;
}

static redisReply *reply_c(const char *bytes)
{
	return reply_of(str_of(bytes), strlen(bytes));
}

/* How many commands the buffer holds; they have the shape of replies. */
static size_t count_commands(const struct buf *b)
{
	redisReader *reader = redis_wire_reader_new();
	void *reply;
	size_t n = 0;

	assert_true(buf_ok(b));
	redisReaderFeed(reader, b->data, b->len);
	for (;;) {
		assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
		if (reply == NULL)
			break;
		freeReplyObject(reply);
		n++;
	}
	redisReaderFree(reader);
	return n;
}

static const struct ticket_event message = {
	.ticket = {"T-1", 3},
	.epoch = 3,
	.seq = 7,
	.n = 6,
	.n_public = 5,
	.prev_public = 4,
	.rev = 2,
	.kind = EVENT_MESSAGE,
	.message_kind = MESSAGE_TEXT,
	.is_public = true,
	.sender_id = {"ann", 3},
	.sender_name = {"", 0},
	.content = {"a\r\nb\0c", 6},
	.uid = {"u7", 2},
	.sent_at_ms = 1790000000000,
	.edited_at_ms = 1790000000001,
};

static const struct ticket_event deletion = {
	.ticket = {"T-1", 3},
	.epoch = 3,
	.seq = INT64_MAX,
	.n = 0,
	.n_public = 0,
	.target = 9,
	.target_n = 8,
	.target_n_public = 7,
	.rev = 1,
	.kind = EVENT_DELETE,
	.message_kind = MESSAGE_NOTE,
	.sender_id = {"ann", 3},
	.uid = {"u9", 2},
	.sent_at_ms = 1,
	.deleted_at_ms = 2,
	.deleted_by = {"bob", 3},
};

static const struct ticket_event removal = {
	.ticket = {"T-1", 3},
	.epoch = 3,
	.seq = 1,
	.kind = EVENT_PARTICIPANT,
	.is_public = true,
	.sender_id = {"ann", 3},
	.sent_at_ms = 1,
	.detail = {"{}", 2},
};

static void assert_str(struct str a, struct str b)
{
	assert_int_equal(a.p == NULL, b.p == NULL);
	assert_true(str_eq(a, b));
}

static void assert_event(const struct ticket_event *a, const struct ticket_event *b)
{
	assert_str(a->ticket, b->ticket);
	assert_int_equal(a->epoch, b->epoch);
	assert_int_equal(a->seq, b->seq);
	assert_int_equal(a->n, b->n);
	assert_int_equal(a->n_public, b->n_public);
	assert_int_equal(a->prev_public, b->prev_public);
	assert_int_equal(a->target, b->target);
	assert_int_equal(a->target_n, b->target_n);
	assert_int_equal(a->target_n_public, b->target_n_public);
	assert_int_equal(a->rev, b->rev);
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->message_kind, b->message_kind);
	assert_int_equal(a->is_public, b->is_public);
	assert_str(a->sender_id, b->sender_id);
	assert_str(a->sender_name, b->sender_name);
	assert_str(a->content, b->content);
	assert_str(a->uid, b->uid);
	assert_int_equal(a->sent_at_ms, b->sent_at_ms);
	assert_int_equal(a->edited_at_ms, b->edited_at_ms);
	assert_int_equal(a->deleted_at_ms, b->deleted_at_ms);
	assert_str(a->deleted_by, b->deleted_by);
	assert_str(a->detail, b->detail);
}

/* The list of entries that XRANGE would answer after these events were pushed. */
static void put_entries(struct buf *b, const struct ticket_event *const *events, size_t n)
{
	redis_wire_begin(b, n);
	for (size_t i = 0; i < n; i++) {
		struct buf command = BUF_INIT;
		redisReply *sent;
		char id[32];

		hot_put_push(&command, &keys, events[i], STR(""));
		sent = reply_of(buf_str(&command), command.len);
		snprintf(id, sizeof(id), "%s-0", sent->element[10]->str);
		redis_wire_begin(b, 2);
		redis_wire_arg(b, str_of(id));
		redis_wire_begin(b, sent->elements - 12);
		for (size_t k = 12; k < sent->elements; k++)
			redis_wire_arg(b,
				       (struct str){sent->element[k]->str, sent->element[k]->len});
		freeReplyObject(sent);
		buf_deinit(&command);
	}
}

static void test_push_names_keys_and_fields(void **state)
{
	struct buf b = BUF_INIT;
	redisReply *r;

	(void)state;
	assert_int_equal(hot_put_push(&b, &keys, &message, STR("agent")), 1);
	r = reply_of(buf_str(&b), b.len);
	assert_string_equal(r->element[0]->str, "FCALL");
	assert_string_equal(r->element[1]->str, "bellhop_2_push");
	assert_string_equal(r->element[2]->str, "5");
	assert_string_equal(r->element[3]->str, "b:3:{129}:chat:T-1");
	assert_string_equal(r->element[4]->str, "b:3:{129}:meta:T-1");
	assert_string_equal(r->element[5]->str, "b:3:{129}:who:T-1");
	assert_string_equal(r->element[6]->str, "b:3:{129}:swept");
	assert_string_equal(r->element[7]->str, "b:{129}:typing:T-1");
	assert_string_equal(r->element[8]->str, "agent");
	assert_string_equal(r->element[9]->str, "b:");
	assert_string_equal(r->element[10]->str, "7");
	assert_int_equal(r->elements, 12 + 2 * atoi(r->element[11]->str));
	freeReplyObject(r);
	buf_deinit(&b);
}

/* What is written is what is read, whichever way the bytes arrive. */
static void test_events_survive_every_split(void **state)
{
	const struct ticket_event *const events[] = {&removal, &message, &deletion};
	struct ticket_event read[3];
	struct buf b = BUF_INIT;

	(void)state;
	put_entries(&b, events, 3);
	for (size_t cut = 0; cut <= b.len; cut++) {
		redisReply *r = reply_of(buf_str(&b), cut);

		assert_int_equal(hot_parse_events(r, STR("T-1"), 3, read, 3), 3);
		for (size_t i = 0; i < 3; i++)
			assert_event(&read[i], events[i]);
		freeReplyObject(r);
	}
	buf_deinit(&b);
}

#define ENTRY(id, fields) "*1\r\n*2\r\n" id fields
#define F_KIND		  "$4\r\nkind\r\n$1\r\nm\r\n"

static void test_odd_entries_are_refused(void **state)
{
	static const char *const odd[] = {
		"$1\r\nx\r\n",
		":1\r\n",
		"-ERR x\r\n",
		"*1\r\n$1\r\nx\r\n",
		"*1\r\n*1\r\n$3\r\n1-0\r\n",
		ENTRY("$3\r\n1-1\r\n", "*2\r\n" F_KIND),
		ENTRY("$3\r\n0-0\r\n", "*2\r\n" F_KIND),
		ENTRY("$2\r\n-0\r\n", "*2\r\n" F_KIND),
		ENTRY("$4\r\n-1-0\r\n", "*2\r\n" F_KIND),
		ENTRY("$4\r\n01-0\r\n", "*2\r\n" F_KIND),
		ENTRY("$22\r\n99999999999999999999-0\r\n", "*2\r\n" F_KIND),
		ENTRY(":1\r\n", "*2\r\n" F_KIND),
		ENTRY("$3\r\n1-0\r\n", "$1\r\nx\r\n"),
		ENTRY("$3\r\n1-0\r\n", "*1\r\n$4\r\nkind\r\n"),
		ENTRY("$3\r\n1-0\r\n", "*0\r\n"),
		ENTRY("$3\r\n1-0\r\n", "*2\r\n$4\r\nkind\r\n$1\r\nz\r\n"),
		ENTRY("$3\r\n1-0\r\n", "*2\r\n$4\r\nkind\r\n$2\r\nmm\r\n"),
		ENTRY("$3\r\n1-0\r\n", "*2\r\n$4\r\nkind\r\n:5\r\n"),
		ENTRY("$3\r\n1-0\r\n", "*4\r\n" F_KIND "$1\r\nn\r\n$2\r\n-1\r\n"),
		ENTRY("$3\r\n1-0\r\n", "*4\r\n" F_KIND "$1\r\nn\r\n$3\r\n1e3\r\n"),
		ENTRY("$3\r\n1-0\r\n", "*4\r\n" F_KIND "$12\r\nmessage_kind\r\n$1\r\nq\r\n"),
	};
	struct ticket_event events[2];

	(void)state;
	for (size_t i = 0; i < LENGTH(odd); i++) {
		redisReply *r = reply_c(odd[i]);

		assert_int_equal(hot_parse_events(r, STR("T-1"), 3, events, 2), -1);
		freeReplyObject(r);
	}
	assert_int_equal(hot_parse_events(NULL, STR("T-1"), 3, events, 2), -1);
}

static void test_entries_of_a_newer_program(void **state)
{
	redisReply *r = reply_c(ENTRY("$3\r\n5-0\r\n", "*4\r\n$3\r\nnew\r\n$1\r\nx\r\n" F_KIND));
	struct ticket_event event;

	(void)state;
	assert_int_equal(hot_parse_events(r, STR("T-1"), 3, &event, 1), 1);
	assert_int_equal(event.seq, 5);
	assert_int_equal(hot_parse_events(r, STR("T-1"), 3, &event, 0), -1);
	freeReplyObject(r);
	r = reply_c("*-1\r\n");
	assert_int_equal(hot_parse_events(r, STR("T-1"), 3, &event, 1), 0);
	freeReplyObject(r);
}

static void test_outcomes_of_push(void **state)
{
	static const struct {
		const char *bytes;
		enum hot_push outcome;
		int64_t last, asked_at_ms;
	} rows[] = {
		{"+OK\r\n", HOT_OK, 0, 0},
		{"+DUP\r\n", HOT_DUP, 0, 0},
		{"+CLASH\r\n", HOT_CLASH, 0, 0},
		{"+LATE\r\n", HOT_LATE, 0, 0},
		{"+GAP 12 1790000000000\r\n", HOT_GAP, 12, 1790000000000},
		{"+EMPTY 1790000000000\r\n", HOT_EMPTY, 0, 1790000000000},
		{"-WRONGTYPE x\r\n", HOT_TROUBLE, 0, 0},
		{"-ERR Function not found\r\n", HOT_TROUBLE, 0, 0},
		{"+GAP\r\n", HOT_ODD, 0, 0},
		{"+GAP x y\r\n", HOT_ODD, 0, 0},
		{"+GAP 12\r\n", HOT_ODD, 12, 0},
		{"+EMPTY\r\n", HOT_ODD, 0, 0},
		{"+\r\n", HOT_ODD, 0, 0},
		{"+OKAY\r\n", HOT_ODD, 0, 0},
		{"$2\r\nOK\r\n", HOT_ODD, 0, 0},
		{":1\r\n", HOT_ODD, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		redisReply *r = reply_c(rows[i].bytes);
		struct hot_pushed pushed;

		hot_parse_push(r, &pushed);
		assert_int_equal(pushed.outcome, rows[i].outcome);
		assert_int_equal(pushed.last, rows[i].last);
		assert_int_equal(pushed.asked_at_ms, rows[i].asked_at_ms);
		freeReplyObject(r);
	}
}

/* Every builder brings as many replies as it says. */
static void test_counts_of_replies(void **state)
{
	const struct hot_position positions[] = {{STR("T-1"), 5}, {STR("T-2"), 0}};
	const struct hot_participant people[] = {{STR("ann"), STR("agent")}};
	const struct ticket_event events[] = {message, message};
	const struct hot_mark was[] = {{.exists = true, .until_us = 5}, {.exists = false}};
	struct buf b = BUF_INIT;
	size_t n = 0;

	(void)state;
	n += hot_put_push(&b, &keys, &message, (struct str){NULL, 0});
	n += hot_put_load(&b, &keys,
			  &(struct hot_load){.ticket = STR("T-1"),
					     .events = events,
					     .nevents = 2,
					     .people = people,
					     .npeople = 1});
	n += hot_put_open(&b, &keys, STR("T-1"), STR("ann"));
	n += hot_put_tail(&b, &keys, STR("T-1"));
	n += hot_put_time(&b);
	n += hot_put_range(
		&b, &keys,
		&(struct hot_range){.ticket = STR("T-1"), .from = 1, .to = 5, .count = 9});
	n += hot_put_wait(&b, &keys,
			  &(struct hot_wait){.positions = positions,
					     .npositions = 2,
					     .node = STR("n"),
					     .wake_after = "0-0",
					     .count = 100,
					     .block_ms = 5000});
	n += hot_put_wake(&b, &keys, STR("n"), 1);
	n += hot_put_deployment(&b, &keys);
	n += hot_put_deployment_read(&b, "b:");
	n += hot_put_mark_read(&b, &keys, 7);
	n += hot_put_unmark(&b, &keys, 7);
	n += upkeep_put_library(&b, STR("#!lua"));
	n += upkeep_put_probes(&b);
	n += upkeep_put_marks(&b, &keys, &(struct upkeep_marks){.first = 3, .n = 2, .was = was});
	n += upkeep_put_trim(&b, &keys, STR("T-1"),
			     &(struct upkeep_window){.events = 1, .committed_seq = 5});
	n += upkeep_put_scan(&b, &keys, "0", 10);
	n += upkeep_put_unlink(&b, STR("k"));
	assert_int_equal(count_commands(&b), n);
	buf_deinit(&b);
}

static int parse_open(const char *const *bytes, struct hot_open *open_r, redisReply **replies)
{
	for (size_t i = 0; i < HOT_OPEN_REPLIES; i++)
		replies[i] = reply_c(bytes[i]);
	return hot_parse_open(replies, open_r);
}

static void free_replies(redisReply **replies)
{
	for (size_t i = 0; i < HOT_OPEN_REPLIES; i++)
		freeReplyObject(replies[i]);
}

#define NIL7	 "*7\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n"
#define META7	 "*7\r\n$1\r\n3\r\n$1\r\n9\r\n$1\r\n8\r\n$1\r\n7\r\n$1\r\n6\r\n$4\r\nopen\r\n$-1\r\n"
#define REMOVED2 "*2\r\n$7\r\nremoved\r\n$3\r\nall\r\n"
#define LOST2	 "*2\r\n$-1\r\n$-1\r\n"
#define TIME2	 "*2\r\n$4\r\n1000\r\n$6\r\n500000\r\n"

static void test_open(void **state)
{
	static const struct {
		const char *mark;
		bool is_swept;
	} marks[] = {
		{"*2\r\n$1\r\n5\r\n$7\r\n1000000\r\n", true},
		{"*2\r\n$1\r\n5\r\n$6\r\n997500\r\n", true},
		{"*2\r\n$1\r\n5\r\n$6\r\n997499\r\n", false},
		{"*2\r\n$-1\r\n$-1\r\n", false},
		{"*2\r\n$1\r\n5\r\n$-1\r\n", false},
	};
	redisReply *replies[HOT_OPEN_REPLIES];
	struct hot_open open;

	(void)state;
	for (size_t i = 0; i < LENGTH(marks); i++) {
		const char *bytes[] = {TIME2, marks[i].mark, ":7\r\n", META7, REMOVED2};

		assert_int_equal(parse_open(bytes, &open, replies), 0);
		assert_true(open.has_stream);
		assert_int_equal(open.is_swept, marks[i].is_swept);
		assert_int_equal(hot_is_usable(&open), marks[i].is_swept);
		assert_int_equal(open.now_ms, 1000500);
		assert_int_equal(open.first_seq, 3);
		assert_int_equal(open.last_seq, 9);
		assert_int_equal(open.last_public, 8);
		assert_int_equal(open.n, 7);
		assert_int_equal(open.n_public, 6);
		assert_true(str_eq(open.status, STR("open")));
		assert_null(open.title.p);
		assert_true(str_eq(open.role, STR("removed")));
		assert_true(open.knows_people);
		free_replies(replies);
	}
}

/* Without a stream nothing of the rest counts, least of all a role. */
static void test_open_without_stream(void **state)
{
	const char *none[] = {TIME2, "*2\r\n$1\r\n5\r\n$7\r\n1000000\r\n", ":0\r\n", NIL7, LOST2};
	const char *left[] = {TIME2, "*2\r\n$1\r\n5\r\n$7\r\n1000000\r\n", ":0\r\n", META7,
			      REMOVED2};
	redisReply *replies[HOT_OPEN_REPLIES];
	struct hot_open open;

	(void)state;
	assert_int_equal(parse_open(none, &open, replies), 0);
	assert_false(open.has_stream);
	assert_true(open.is_swept);
	free_replies(replies);
	assert_int_equal(parse_open(left, &open, replies), 0);
	assert_false(open.has_stream);
	assert_int_equal(open.last_seq, 0);
	assert_null(open.role.p);
	assert_false(open.knows_people);
	free_replies(replies);
}

/* Somebody has deleted `who`, and a push has begun it anew. */
static void test_open_without_people(void **state)
{
	const char *lost[] = {TIME2, "*2\r\n$1\r\n5\r\n$7\r\n1000000\r\n", ":7\r\n", META7, LOST2};
	const char *begun[] = {TIME2, "*2\r\n$1\r\n5\r\n$7\r\n1000000\r\n", ":7\r\n", META7,
			       "*2\r\n$5\r\nagent\r\n$-1\r\n"};
	redisReply *replies[HOT_OPEN_REPLIES];
	struct hot_open open;

	(void)state;
	assert_int_equal(parse_open(lost, &open, replies), 0);
	assert_true(open.has_stream);
	assert_false(open.knows_people);
	free_replies(replies);
	assert_int_equal(parse_open(begun, &open, replies), 0);
	assert_true(str_eq(open.role, STR("agent")));
	assert_false(open.knows_people);
	free_replies(replies);
}

static void test_odd_open(void **state)
{
	static const char *const good[] = {TIME2, "*2\r\n$-1\r\n$-1\r\n", ":7\r\n", META7, LOST2};
	static const char *const odd[] = {"-LOADING x\r\n", "*1\r\n:1\r\n", "$1\r\nx\r\n",
					  "*-1\r\n"};
	redisReply *replies[HOT_OPEN_REPLIES];
	struct hot_open open;

	(void)state;
	for (size_t at = 0; at < HOT_OPEN_REPLIES; at++) {
		for (size_t i = 0; i < LENGTH(odd); i++) {
			const char *bytes[HOT_OPEN_REPLIES];

			memcpy(bytes, good, sizeof(bytes));
			bytes[at] = odd[i];
			assert_int_equal(parse_open(bytes, &open, replies), -1);
			assert_false(open.has_stream || open.is_swept);
			free_replies(replies);
		}
	}
}

static void test_streams_of_a_wait(void **state)
{
	redisReply *r = reply_c("*2\r\n*2\r\n$18\r\nb:3:{129}:chat:T-1\r\n*0\r\n"
				"*2\r\n$10\r\nb:wake:n:1\r\n*1\r\n*2\r\n$6\r\n1790-3\r\n"
				"*2\r\n$1\r\nw\r\n$1\r\n1\r\n");
	struct hot_stream stream;
	char id[HOT_STREAM_ID_SIZE];

	(void)state;
	assert_int_equal(hot_count_streams(r), 2);
	assert_int_equal(hot_parse_stream(r, 0, &keys, &stream), 0);
	assert_true(str_eq(stream.ticket, STR("T-1")));
	assert_int_equal(hot_parse_wake(stream.entries, id), -1);
	assert_int_equal(hot_parse_stream(r, 1, &keys, &stream), 0);
	assert_null(stream.ticket.p);
	assert_int_equal(hot_parse_wake(stream.entries, id), 0);
	assert_string_equal(id, "1790-3");
	assert_int_equal(hot_parse_stream(r, 2, &keys, &stream), -1);
	freeReplyObject(r);
	r = reply_c("*-1\r\n");
	assert_int_equal(hot_count_streams(r), 0);
	freeReplyObject(r);
	r = reply_c("-UNBLOCKED x\r\n");
	assert_int_equal(hot_count_streams(r), -1);
	freeReplyObject(r);
	r = reply_c("*1\r\n*2\r\n$5\r\nother\r\n*0\r\n");
	assert_int_equal(hot_parse_stream(r, 0, &keys, &stream), -1);
	freeReplyObject(r);
}

static void test_deployment(void **state)
{
	static const struct {
		const char *bytes;
		int status;
	} rows[] = {
		{"*2\r\n$1\r\n4\r\n$3\r\n256\r\n", 0},
		{"*2\r\n$-1\r\n$-1\r\n", -1},
		{"*2\r\n$1\r\n0\r\n$3\r\n256\r\n", -1},
		{"*2\r\n$1\r\n4\r\n$4\r\n9999\r\n", -1},
		{"*2\r\n$1\r\nx\r\n$3\r\n256\r\n", -1},
		{"-LOADING\r\n", -1},
		{"*1\r\n$1\r\n4\r\n", -1},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		redisReply *r = reply_c(rows[i].bytes);
		struct redis_keys read;

		assert_int_equal(hot_parse_deployment(r, "b:", &read), rows[i].status);
		if (rows[i].status == 0)
			assert_int_equal(read.epoch, 4);
		freeReplyObject(r);
	}
}

static void test_troubles(void **state)
{
	static const struct {
		const char *bytes;
		enum hot_trouble trouble;
	} rows[] = {
		{"+OK\r\n", HOT_TROUBLE_NONE},
		{"-ERR Function not found\r\n", HOT_TROUBLE_FUNCTION},
		{"-LOADING Redis is loading the dataset in memory\r\n", HOT_TROUBLE_AWAY},
		{"-BUSY Redis is busy running a script\r\n", HOT_TROUBLE_AWAY},
		{"-READONLY You can't write against a read only replica.\r\n", HOT_TROUBLE_AWAY},
		{"-NOREPLICAS Not enough good replicas to write.\r\n", HOT_TROUBLE_AWAY},
		{"-CLUSTERDOWN The cluster is down\r\n", HOT_TROUBLE_AWAY},
		{"-OOM command not allowed when used memory > 'maxmemory'.\r\n", HOT_TROUBLE_FULL},
		{"-MISCONF Redis is configured to save RDB snapshots\r\n", HOT_TROUBLE_FULL},
		{"-NOPERM this user has no permissions\r\n", HOT_TROUBLE_DENIED},
		{"-NOAUTH Authentication required.\r\n", HOT_TROUBLE_DENIED},
		{"-MOVED 3999 127.0.0.1:6381\r\n", HOT_TROUBLE_MOVED},
		{"-ASK 3999 127.0.0.1:6381\r\n", HOT_TROUBLE_MOVED},
		{"-TRYAGAIN Multiple keys request\r\n", HOT_TROUBLE_RETRY},
		{"-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n", HOT_TROUBLE_RETRY},
		{"-WRONGTYPE Operation against a key\r\n", HOT_TROUBLE_DATA},
		{"-BADARG push: seq is not a number\r\n", HOT_TROUBLE_DATA},
		{"-ERR unknown command\r\n", HOT_TROUBLE_OTHER},
		{"-\r\n", HOT_TROUBLE_OTHER},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		redisReply *r = reply_c(rows[i].bytes);

		assert_int_equal(hot_trouble(r), rows[i].trouble);
		assert_int_equal(hot_trouble_of(&r, 1), rows[i].trouble);
		assert_non_null(hot_trouble_text(rows[i].trouble));
		freeReplyObject(r);
	}
}

static void test_scan_and_trimmed(void **state)
{
	redisReply *r = reply_c("*2\r\n$2\r\n17\r\n*1\r\n$1\r\nk\r\n");
	struct upkeep_trimmed trimmed;
	struct upkeep_scan scan;

	(void)state;
	assert_int_equal(upkeep_parse_scan(r, &scan), 0);
	assert_string_equal(scan.cursor, "17");
	assert_int_equal(scan.keys->elements, 1);
	assert_int_equal(upkeep_parse_trimmed(r, &trimmed), -1);
	freeReplyObject(r);
	r = reply_c("*2\r\n:5\r\n:1\r\n");
	assert_int_equal(upkeep_parse_scan(r, &scan), -1);
	assert_int_equal(upkeep_parse_trimmed(r, &trimmed), 0);
	assert_int_equal(trimmed.removed, 5);
	assert_true(trimmed.is_dropped);
	freeReplyObject(r);
	r = reply_c("*2\r\n$2\r\n17\r\n*1\r\n:1\r\n");
	assert_int_equal(upkeep_parse_scan(r, &scan), -1);
	freeReplyObject(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_push_names_keys_and_fields),
		cmocka_unit_test(test_events_survive_every_split),
		cmocka_unit_test(test_odd_entries_are_refused),
		cmocka_unit_test(test_entries_of_a_newer_program),
		cmocka_unit_test(test_outcomes_of_push),
		cmocka_unit_test(test_counts_of_replies),
		cmocka_unit_test(test_open),
		cmocka_unit_test(test_open_without_stream),
		cmocka_unit_test(test_open_without_people),
		cmocka_unit_test(test_odd_open),
		cmocka_unit_test(test_streams_of_a_wait),
		cmocka_unit_test(test_deployment),
		cmocka_unit_test(test_troubles),
		cmocka_unit_test(test_scan_and_trimmed),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
