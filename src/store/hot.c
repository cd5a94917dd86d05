/* SPDX-License-Identifier: BSD-2-Clause */
/* Redis commands and replies: what goes into Redis, and how it is read back. */
#include "config.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "store/hot.h"
#include "store/redis_wire.h"

/* ---- events as stream entries ---- */

/*
 * One table for writing and reading. Absent facts are left out; the order is fixed, since Redis stores
 * field names once for neighbours that have the same.
 */
enum field_type { FIELD_NUMBER, FIELD_TEXT, FIELD_LETTER, FIELD_FLAG };

struct field {
	const char *name;
	enum field_type type;
	bool is_always; /* written when 0, too */
	size_t offset;
};

#define FIELD(field_name, field_type, always, member)                                       \
	{                                                                                   \
		(field_name), (field_type), (always), offsetof(struct ticket_event, member) \
	}

static const struct field event_fields[] = {
	FIELD("kind", FIELD_LETTER, true, kind),
	FIELD("n", FIELD_NUMBER, true, n),
	FIELD("n_public", FIELD_NUMBER, true, n_public),
	FIELD("prev_public", FIELD_NUMBER, false, prev_public),
	FIELD("public", FIELD_FLAG, false, is_public),
	FIELD("sender_id", FIELD_TEXT, false, sender_id),
	FIELD("sent_at", FIELD_NUMBER, true, sent_at_ms),
	FIELD("message_kind", FIELD_LETTER, false, message_kind),
	FIELD("rev", FIELD_NUMBER, false, rev),
	FIELD("uid", FIELD_TEXT, false, uid),
	FIELD("content", FIELD_TEXT, false, content),
	FIELD("sender_name", FIELD_TEXT, false, sender_name),
	FIELD("target", FIELD_NUMBER, false, target),
	FIELD("target_n", FIELD_NUMBER, false, target_n),
	FIELD("target_n_public", FIELD_NUMBER, false, target_n_public),
	FIELD("edited_at", FIELD_NUMBER, false, edited_at_ms),
	FIELD("deleted_at", FIELD_NUMBER, false, deleted_at_ms),
	FIELD("deleted_by", FIELD_TEXT, false, deleted_by),
	FIELD("detail", FIELD_TEXT, false, detail),
};

enum { FIELD_COUNT = sizeof(event_fields) / sizeof(event_fields[0]) };

_Static_assert(sizeof(enum event_kind) == sizeof(int) && sizeof(enum message_kind) == sizeof(int),
	       "letters are read and written as int");

static bool is_written(const struct field *field, const struct ticket_event *event)
{
	const char *at = (const char *)event + field->offset;

	if (field->is_always)
		return true;
	switch (field->type) {
	case FIELD_NUMBER:
		return *(const int64_t *)at != 0;
	case FIELD_TEXT:
		return ((const struct str *)at)->p != NULL;
	case FIELD_LETTER:
		return *(const int *)at != 0;
	case FIELD_FLAG:
		return *(const bool *)at;
	}
	return false;
}

static void put_value(struct buf *b, const struct field *field, const struct ticket_event *event)
{
	const char *at = (const char *)event + field->offset;
	char letter;

	switch (field->type) {
	case FIELD_NUMBER:
		redis_wire_arg_i64(b, *(const int64_t *)at);
		break;
	case FIELD_TEXT:
		redis_wire_arg(b, *(const struct str *)at);
		break;
	case FIELD_LETTER:
		letter = (char)*(const int *)at;
		redis_wire_arg(b, (struct str){&letter, 1});
		break;
	case FIELD_FLAG:
		redis_wire_arg(b, STR("1"));
		break;
	}
}

static size_t count_fields(const struct ticket_event *event)
{
	size_t n = 0;

	for (size_t i = 0; i < FIELD_COUNT; i++)
		n += is_written(&event_fields[i], event);
	return n;
}

/* How many arguments put_event() makes. */
static size_t event_args(const struct ticket_event *event)
{
	return 2 + 2 * count_fields(event);
}

/* seq, number of fields, field, value, ... */
static void put_event(struct buf *b, const struct ticket_event *event)
{
	redis_wire_arg_i64(b, event->seq);
	redis_wire_arg_i64(b, (int64_t)count_fields(event));
	for (size_t i = 0; i < FIELD_COUNT; i++) {
		if (is_written(&event_fields[i], event)) {
			redis_wire_arg(b, str_of(event_fields[i].name));
			put_value(b, &event_fields[i], event);
		}
	}
}

static struct str reply_str(const redisReply *reply)
{
	return (struct str){reply->str, reply->len};
}

static bool is_text(const redisReply *reply)
{
	return reply != NULL && reply->type == REDIS_REPLY_STRING;
}

static bool is_array(const redisReply *reply, size_t n)
{
	return reply != NULL && reply->type == REDIS_REPLY_ARRAY && reply->elements == n;
}

/* A number held as text; nil is 0. 0, or -1. */
static int read_number(const redisReply *reply, int64_t *value_r)
{
	if (reply != NULL && reply->type == REDIS_REPLY_NIL) {
		*value_r = 0;
		return 0;
	}
	return is_text(reply) ? str_to_i64(reply_str(reply), 0, INT64_MAX, value_r) : -1;
}

/* A text; nil is absent. 0, or -1. */
static int read_text(const redisReply *reply, struct str *text_r)
{
	if (reply != NULL && reply->type == REDIS_REPLY_NIL) {
		*text_r = (struct str){NULL, 0};
		return 0;
	}
	if (!is_text(reply))
		return -1;
	*text_r = reply_str(reply);
	return 0;
}

static int read_value(const struct field *field, const redisReply *reply,
		      struct ticket_event *event)
{
	char *at = (char *)event + field->offset;

	switch (field->type) {
	case FIELD_NUMBER:
		return str_to_i64(reply_str(reply), 0, INT64_MAX, (int64_t *)at);
	case FIELD_TEXT:
		*(struct str *)at = reply_str(reply);
		return 0;
	case FIELD_LETTER:
		if (reply->len != 1)
			return -1;
		*(int *)at = reply->str[0];
		return 0;
	case FIELD_FLAG:
		*(bool *)at = str_eq(reply_str(reply), STR("1"));
		return 0;
	}
	return -1;
}

/* The field of that name, looked for from `start` on, where it will be nearly always. */
static const struct field *find_field(struct str name, size_t start)
{
	for (size_t i = 0; i < FIELD_COUNT; i++) {
		const struct field *field = &event_fields[(start + i) % FIELD_COUNT];

		if (str_eq_c(name, field->name))
			return field;
	}
	return NULL;
}

/* "<seq>-0" */
static int read_id(const redisReply *reply, int64_t *seq_r)
{
	if (!is_text(reply) || reply->len < 3 || memcmp(reply->str + reply->len - 2, "-0", 2) != 0)
		return -1;
	return str_to_i64((struct str){reply->str, reply->len - 2}, 1, INT64_MAX, seq_r);
}

/* An entry: [id, [field, value, ...]]. Fields that we do not know are a newer program's. */
static int read_event(const redisReply *entry, struct ticket_event *event_r)
{
	const redisReply *list;
	size_t next = 0;

	if (!is_array(entry, 2) || read_id(entry->element[0], &event_r->seq) != 0)
		return -1;
	list = entry->element[1];
	if (list->type != REDIS_REPLY_ARRAY || list->elements % 2 != 0)
		return -1;
	for (size_t i = 0; i < list->elements; i += 2) {
		const struct field *field;

		if (!is_text(list->element[i]) || !is_text(list->element[i + 1]))
			return -1;
		field = find_field(reply_str(list->element[i]), next);
		if (field == NULL)
			continue;
		if (read_value(field, list->element[i + 1], event_r) != 0)
			return -1;
		next = (size_t)(field - event_fields) + 1;
	}
	if (!event_kind_is_known((int)event_r->kind) ||
	    (event_r->message_kind != MESSAGE_NONE &&
	     !event_message_kind_is_known((int)event_r->message_kind)))
		return -1;
	return 0;
}

int hot_parse_events(const redisReply *entries, struct str ticket, int64_t epoch,
		     struct ticket_event *events_r, size_t max)
{
	if (entries != NULL && entries->type == REDIS_REPLY_NIL)
		return 0;
	if (entries == NULL || entries->type != REDIS_REPLY_ARRAY || entries->elements > max)
		return -1;
	for (size_t i = 0; i < entries->elements; i++) {
		events_r[i] = (struct ticket_event){.ticket = ticket, .epoch = epoch};
		if (read_event(entries->element[i], &events_r[i]) != 0)
			return -1;
	}
	return (int)entries->elements;
}

/* ---- calling the functions ---- */

static void put_key(struct buf *b, const struct redis_keys *keys, enum redis_key_kind kind,
		    struct str ticket)
{
	struct redis_key key;

	redis_keys_ticket(keys, kind, ticket, &key);
	redis_wire_arg(b, key.name);
}

static void put_ticket_keys(struct buf *b, const struct redis_keys *keys, struct str ticket)
{
	put_key(b, keys, REDIS_KEY_CHAT, ticket);
	put_key(b, keys, REDIS_KEY_META, ticket);
	put_key(b, keys, REDIS_KEY_WHO, ticket);
}

size_t hot_put_push(struct buf *b, const struct redis_keys *keys, const struct ticket_event *event,
		    struct str join_role)
{
	struct redis_key swept;

	redis_keys_swept(keys, redis_keys_partition(keys, event->ticket), &swept);
	redis_wire_begin(b, 10 + event_args(event));
	redis_wire_arg(b, STR("FCALL"));
	redis_wire_arg(b, STR(HOT_LIBRARY "_push"));
	redis_wire_arg(b, STR("5"));
	put_ticket_keys(b, keys, event->ticket);
	redis_wire_arg(b, str_of(swept.text));
	put_key(b, keys, REDIS_KEY_TYPING, event->ticket);
	redis_wire_arg(b, join_role);
	redis_wire_arg(b, str_of(keys->prefix));
	put_event(b, event);
	return 1;
}

size_t hot_put_load(struct buf *b, const struct redis_keys *keys, const struct hot_load *load)
{
	size_t nargs = 8 + 2 * load->npeople;

	for (size_t i = 0; i < load->nevents; i++)
		nargs += event_args(&load->events[i]);
	redis_wire_begin(b, 7 + nargs);
	redis_wire_arg(b, STR("FCALL"));
	redis_wire_arg(b, STR(HOT_LIBRARY "_load"));
	redis_wire_arg(b, STR("4"));
	put_ticket_keys(b, keys, load->ticket);
	put_key(b, keys, REDIS_KEY_TYPING, load->ticket);
	redis_wire_arg_i64(b, load->asked_at_ms);
	redis_wire_arg(b, load->is_fresh_start ? STR("1") : STR("0"));
	redis_wire_arg(b, load->status);
	redis_wire_arg(b, load->title);
	redis_wire_arg(b, str_of(keys->prefix));
	if (load->news_from > 0)
		redis_wire_arg_i64(b, load->news_from);
	else
		redis_wire_arg(b, STR(""));
	redis_wire_arg_i64(b, (int64_t)load->npeople);
	for (size_t i = 0; i < load->npeople; i++) {
		redis_wire_arg(b, load->people[i].user_id);
		redis_wire_arg(b, load->people[i].role);
	}
	redis_wire_arg_i64(b, (int64_t)load->nevents);
	for (size_t i = 0; i < load->nevents; i++)
		put_event(b, &load->events[i]);
	return 1;
}

void hot_parse_push(const redisReply *reply, struct hot_pushed *pushed_r)
{
	static const struct {
		const char *word;
		enum hot_push outcome;
		bool has_last, has_now;
	} words[] = {
		{"OK", HOT_OK, false, false},	    {"DUP", HOT_DUP, false, false},
		{"GAP", HOT_GAP, true, true},	    {"EMPTY", HOT_EMPTY, false, true},
		{"CLASH", HOT_CLASH, false, false}, {"LATE", HOT_LATE, false, false},
	};
	struct str rest, head, number;

	*pushed_r = (struct hot_pushed){.outcome = HOT_ODD};
	if (reply != NULL && reply->type == REDIS_REPLY_ERROR)
		pushed_r->outcome = HOT_TROUBLE;
	if (reply == NULL || reply->type != REDIS_REPLY_STATUS)
		return;
	rest = reply_str(reply);
	if (!str_split(&rest, ' ', &head))
		return;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!str_eq_c(head, words[i].word))
			continue;
		if (words[i].has_last && (!str_split(&rest, ' ', &number) ||
					  str_to_i64(number, 0, INT64_MAX, &pushed_r->last) != 0))
			return;
		if (words[i].has_now &&
		    (!str_split(&rest, ' ', &number) ||
		     str_to_i64(number, 0, INT64_MAX, &pushed_r->asked_at_ms) != 0))
			return;
		pushed_r->outcome = words[i].outcome;
	}
}

/* ---- reading ---- */

static void put_meta(struct buf *b, const struct redis_keys *keys, struct str ticket,
		     size_t nfields)
{
	redis_wire_begin(b, 2 + nfields);
	redis_wire_arg(b, STR("HMGET"));
	put_key(b, keys, REDIS_KEY_META, ticket);
}

size_t hot_put_mark_read(struct buf *b, const struct redis_keys *keys, unsigned int partition)
{
	struct redis_key key;

	redis_keys_swept(keys, partition, &key);
	redis_wire_put(b, 4, (const struct str[]){STR("HMGET"), key.name, STR("until"), STR("at")});
	return 1;
}

size_t hot_put_unmark(struct buf *b, const struct redis_keys *keys, unsigned int partition)
{
	struct redis_key key;

	redis_keys_swept(keys, partition, &key);
	redis_wire_put(b, 2, (const struct str[]){STR("UNLINK"), key.name});
	return 1;
}

int hot_parse_mark(const redisReply *reply, struct hot_mark *mark_r)
{
	struct hot_mark mark = {0};

	if (!is_array(reply, 2) || read_number(reply->element[0], &mark.until_us) != 0 ||
	    read_number(reply->element[1], &mark.at_ms) != 0)
		return -1;
	mark.exists = reply->element[0]->type != REDIS_REPLY_NIL &&
		      reply->element[1]->type != REDIS_REPLY_NIL;
	*mark_r = mark;
	return 0;
}

/* TIME: [seconds, microseconds] */
int hot_parse_time(const redisReply *reply, int64_t *now_ms_r)
{
	int64_t s, us;

	if (!is_array(reply, 2) || read_number(reply->element[0], &s) != 0 ||
	    read_number(reply->element[1], &us) != 0 || s > INT64_MAX / 1000 - 1)
		return -1;
	*now_ms_r = s * 1000 + us / 1000;
	return 0;
}

size_t hot_put_time(struct buf *b)
{
	redis_wire_put(b, 1, (const struct str[]){STR("TIME")});
	return 1;
}

size_t hot_put_open(struct buf *b, const struct redis_keys *keys, struct str ticket,
		    struct str user)
{
	static const char *const fields[] = {"first",	 "last_seq", "last_public", "n",
					     "n_public", "status",   "title"};
	size_t nfields = sizeof(fields) / sizeof(fields[0]);

	/* The mark first: what is read after it is at least as new as it promises. */
	hot_put_time(b);
	hot_put_mark_read(b, keys, redis_keys_partition(keys, ticket));
	redis_wire_begin(b, 2);
	redis_wire_arg(b, STR("XLEN"));
	put_key(b, keys, REDIS_KEY_CHAT, ticket);
	put_meta(b, keys, ticket, nfields);
	for (size_t i = 0; i < nfields; i++)
		redis_wire_arg(b, str_of(fields[i]));
	redis_wire_begin(b, 4);
	redis_wire_arg(b, STR("HMGET"));
	put_key(b, keys, REDIS_KEY_WHO, ticket);
	redis_wire_arg(b, user);
	redis_wire_arg(b, STR("*"));
	return HOT_OPEN_REPLIES;
}

static int read_open_meta(const redisReply *meta, struct hot_open *open)
{
	int64_t *const numbers[] = {&open->first_seq, &open->last_seq, &open->last_public, &open->n,
				    &open->n_public};
	size_t count = sizeof(numbers) / sizeof(numbers[0]);

	if (!is_array(meta, count + 2))
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (read_number(meta->element[i], numbers[i]) != 0)
			return -1;
	}
	return read_text(meta->element[count], &open->status) != 0 ||
			       read_text(meta->element[count + 1], &open->title) != 0
		       ? -1
		       : 0;
}

/* [role, what load() has left there] */
static int read_open_people(const redisReply *people, struct hot_open *open)
{
	if (!is_array(people, 2) || read_text(people->element[0], &open->role) != 0)
		return -1;
	open->knows_people = is_text(people->element[1]);
	return 0;
}

int hot_parse_open(redisReply *const *replies, struct hot_open *open_r)
{
	struct hot_open open = {0};
	struct hot_mark mark;
	int64_t age_ms;

	*open_r = open;
	if (hot_parse_time(replies[0], &open.now_ms) != 0 ||
	    hot_parse_mark(replies[1], &mark) != 0 || replies[2] == NULL ||
	    replies[2]->type != REDIS_REPLY_INTEGER || read_open_meta(replies[3], &open) != 0 ||
	    read_open_people(replies[4], &open) != 0)
		return -1;
	open.swept_at_ms = mark.exists ? mark.at_ms : 0;
	age_ms = open.now_ms - open.swept_at_ms;
	open.is_swept = mark.exists && age_ms <= HOT_SWEPT_MAX_MS;
	open.has_stream = replies[2]->integer > 0 && open.first_seq > 0 &&
			  open.last_seq >= open.first_seq;
	if (!open.has_stream)
		open = (struct hot_open){.is_swept = open.is_swept,
					 .now_ms = open.now_ms,
					 .swept_at_ms = open.swept_at_ms};
	*open_r = open;
	return 0;
}

size_t hot_put_tail(struct buf *b, const struct redis_keys *keys, struct str ticket)
{
	static const char *const fields[] = {"last_seq", "first", "bytes", "last_uid"};

	put_meta(b, keys, ticket, 4);
	for (size_t i = 0; i < 4; i++)
		redis_wire_arg(b, str_of(fields[i]));
	redis_wire_begin(b, 2);
	redis_wire_arg(b, STR("XLEN"));
	put_key(b, keys, REDIS_KEY_CHAT, ticket);
	return HOT_TAIL_REPLIES;
}

int hot_parse_tail(redisReply *const *replies, struct hot_tail *tail_r)
{
	struct hot_tail tail = {0};
	const redisReply *meta = replies[0];

	if (!is_array(meta, 4) || read_number(meta->element[0], &tail.last_seq) != 0 ||
	    read_number(meta->element[1], &tail.first_seq) != 0 ||
	    read_number(meta->element[2], &tail.bytes) != 0 ||
	    read_text(meta->element[3], &tail.last_uid) != 0 || replies[1] == NULL ||
	    replies[1]->type != REDIS_REPLY_INTEGER)
		return -1;
	if (replies[1]->integer == 0 || tail.first_seq == 0)
		tail = (struct hot_tail){0};
	*tail_r = tail;
	return 0;
}

static void put_id(struct buf *b, int64_t seq)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%lld-0", (long long)seq);

	redis_wire_arg(b, (struct str){text, (size_t)n});
}

size_t hot_put_range(struct buf *b, const struct redis_keys *keys, const struct hot_range *range)
{
	redis_wire_begin(b, 6);
	redis_wire_arg(b, range->newest_first ? STR("XREVRANGE") : STR("XRANGE"));
	put_key(b, keys, REDIS_KEY_CHAT, range->ticket);
	put_id(b, range->newest_first ? range->to : range->from);
	put_id(b, range->newest_first ? range->from : range->to);
	redis_wire_arg(b, STR("COUNT"));
	redis_wire_arg_i64(b, range->count);
	return 1;
}

/* ---- waiting ---- */

size_t hot_put_wait(struct buf *b, const struct redis_keys *keys, const struct hot_wait *wait)
{
	struct redis_key wake;

	redis_keys_wake(keys, wait->node, wait->reader, &wake);
	redis_wire_begin(b, 6 + 2 * (wait->npositions + 1));
	redis_wire_arg(b, STR("XREAD"));
	redis_wire_arg(b, STR("COUNT"));
	redis_wire_arg_i64(b, wait->count);
	redis_wire_arg(b, STR("BLOCK"));
	/* 0 would be for ever. */
	redis_wire_arg_i64(b, wait->block_ms > 0 ? wait->block_ms : 1);
	redis_wire_arg(b, STR("STREAMS"));
	redis_wire_arg(b, wake.name);
	for (size_t i = 0; i < wait->npositions; i++)
		put_key(b, keys, REDIS_KEY_CHAT, wait->positions[i].ticket);
	redis_wire_arg(b, str_of(wait->wake_after));
	for (size_t i = 0; i < wait->npositions; i++)
		put_id(b, wait->positions[i].after_seq);
	return 1;
}

int hot_count_streams(const redisReply *reply)
{
	if (reply != NULL && reply->type == REDIS_REPLY_NIL)
		return 0;
	if (reply == NULL || reply->type != REDIS_REPLY_ARRAY ||
	    reply->elements > HOT_XREAD_KEYS_MAX)
		return -1;
	return (int)reply->elements;
}

int hot_parse_stream(const redisReply *reply, size_t i, const struct redis_keys *keys,
		     struct hot_stream *stream_r)
{
	const redisReply *pair;
	struct redis_key wake;
	struct str key;

	if (hot_count_streams(reply) <= (int)i)
		return -1;
	pair = reply->element[i];
	if (!is_array(pair, 2) || !is_text(pair->element[0]) ||
	    pair->element[1]->type != REDIS_REPLY_ARRAY)
		return -1;
	key = reply_str(pair->element[0]);
	stream_r->ticket = redis_keys_ticket_of(keys, key);
	stream_r->entries = pair->element[1];
	if (stream_r->ticket.p != NULL)
		return 0;
	redis_keys_wake(keys, STR(""), 0, &wake);
	/* "<prefix>wake::0" less what names the reader */
	return str_starts(key, (struct str){wake.name.p, wake.name.n - 2}) ? 0 : -1;
}

int hot_parse_wake(const redisReply *entries, char id_r[HOT_STREAM_ID_SIZE])
{
	const redisReply *entry;

	if (entries == NULL || entries->type != REDIS_REPLY_ARRAY || entries->elements == 0)
		return -1;
	entry = entries->element[entries->elements - 1];
	if (!is_array(entry, 2) || !is_text(entry->element[0]) || entry->element[0]->len == 0 ||
	    entry->element[0]->len >= HOT_STREAM_ID_SIZE ||
	    strspn(entry->element[0]->str, "0123456789-") != entry->element[0]->len)
		return -1;
	memcpy(id_r, entry->element[0]->str, entry->element[0]->len + 1);
	return 0;
}

size_t hot_put_wake(struct buf *b, const struct redis_keys *keys, struct str node, int64_t reader)
{
	struct redis_key key;

	redis_keys_wake(keys, node, reader, &key);
	redis_wire_put(b, 7,
		       (const struct str[]){STR("XADD"), key.name, STR("MAXLEN"), STR("1"),
					    STR("*"), STR("w"), STR("1")});
	/* A node that is gone for good leaves nothing behind. */
	redis_wire_begin(b, 3);
	redis_wire_arg(b, STR("EXPIRE"));
	redis_wire_arg(b, key.name);
	redis_wire_arg_i64(b, HOT_WAKE_EXPIRE_S);
	return HOT_WAKE_REPLIES;
}

/* ---- deployment copy ---- */

size_t hot_put_deployment(struct buf *b, const struct redis_keys *keys)
{
	struct redis_key key;

	redis_keys_deployment(keys->prefix, &key);
	redis_wire_begin(b, 6);
	redis_wire_arg(b, STR("HSET"));
	redis_wire_arg(b, key.name);
	redis_wire_arg(b, STR("epoch"));
	redis_wire_arg_i64(b, keys->epoch);
	redis_wire_arg(b, STR("partitions"));
	redis_wire_arg_i64(b, keys->partitions);
	return 1;
}

size_t hot_put_deployment_read(struct buf *b, const char *prefix)
{
	struct redis_key key;

	redis_keys_deployment(prefix, &key);
	redis_wire_put(
		b, 4,
		(const struct str[]){STR("HMGET"), key.name, STR("epoch"), STR("partitions")});
	return 1;
}

int hot_parse_deployment(const redisReply *reply, const char *prefix, struct redis_keys *keys_r)
{
	int64_t epoch, partitions;

	if (!is_array(reply, 2) || read_number(reply->element[0], &epoch) != 0 ||
	    read_number(reply->element[1], &partitions) != 0 ||
	    partitions > REDIS_KEYS_PARTITION_MAX)
		return -1;
	return redis_keys_init(keys_r, prefix, epoch, (unsigned int)partitions);
}

/* ---- error replies ---- */

enum hot_trouble hot_trouble(const redisReply *reply)
{
	static const struct {
		const char *start;
		enum hot_trouble trouble;
	} starts[] = {
		{"ERR Function not found", HOT_TROUBLE_FUNCTION},
		{"LOADING", HOT_TROUBLE_AWAY},
		{"BUSY", HOT_TROUBLE_AWAY},
		{"READONLY", HOT_TROUBLE_AWAY},
		{"MASTERDOWN", HOT_TROUBLE_AWAY},
		{"NOREPLICAS", HOT_TROUBLE_AWAY},
		{"CLUSTERDOWN", HOT_TROUBLE_AWAY},
		{"ERR max number of clients", HOT_TROUBLE_AWAY},
		{"OOM", HOT_TROUBLE_FULL},
		{"MISCONF", HOT_TROUBLE_FULL},
		{"NOPERM", HOT_TROUBLE_DENIED},
		{"NOAUTH", HOT_TROUBLE_DENIED},
		{"WRONGPASS", HOT_TROUBLE_DENIED},
		{"DENIED", HOT_TROUBLE_DENIED},
		{"MOVED", HOT_TROUBLE_MOVED},
		{"ASK", HOT_TROUBLE_MOVED},
		{"CROSSSLOT", HOT_TROUBLE_MOVED},
		{"TRYAGAIN", HOT_TROUBLE_RETRY},
		{"UNBLOCKED", HOT_TROUBLE_RETRY},
		{"WRONGTYPE", HOT_TROUBLE_DATA},
		{"BADARG", HOT_TROUBLE_DATA},
	};

	if (reply == NULL || reply->type != REDIS_REPLY_ERROR)
		return HOT_TROUBLE_NONE;
	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		if (str_starts(reply_str(reply), str_of(starts[i].start)))
			return starts[i].trouble;
	}
	return HOT_TROUBLE_OTHER;
}

enum hot_trouble hot_trouble_of(redisReply *const *replies, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		enum hot_trouble trouble = hot_trouble(replies[i]);

		if (trouble != HOT_TROUBLE_NONE)
			return trouble;
	}
	return HOT_TROUBLE_NONE;
}

const char *hot_trouble_text(enum hot_trouble trouble)
{
	switch (trouble) {
	case HOT_TROUBLE_NONE:
		return "no error";
	case HOT_TROUBLE_FUNCTION:
		return "the function library is not loaded";
	case HOT_TROUBLE_AWAY:
		return "the server cannot serve now";
	case HOT_TROUBLE_FULL:
		return "the server takes no writes";
	case HOT_TROUBLE_DENIED:
		return "the server denies access";
	case HOT_TROUBLE_MOVED:
		return "the key is on another node";
	case HOT_TROUBLE_RETRY:
		return "the server asks to try again";
	case HOT_TROUBLE_DATA:
		return "the key or an argument is of the wrong kind";
	case HOT_TROUBLE_OTHER:
		break;
	}
	return "the server answered with an error";
}
