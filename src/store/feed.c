/* SPDX-License-Identifier: BSD-2-Clause */
/* Keeps streams in step with the record. */
#include "config.h"

#include <stdlib.h>

#include "base/clock.h"
#include "store/feed.h"
#include "store/record.h"

/* Others push and load at the same time; so often it may happen in a row before we give up. */
#define ATTEMPTS 4

/* What is known of a stream that is to be brought up. */
struct feed_place {
	int64_t tail_seq, asked_at_ms;
	int64_t news_from;
};

/* The participants and events of a ticket, read in this order: hot_load says why. */
struct batch {
	PGresult *people_result, *events_result;
	struct hot_participant *people;
	size_t npeople;
	struct record_events events;
	bool is_fresh_start;
};

static void batch_deinit(struct batch *batch)
{
	PQclear(batch->people_result);
	PQclear(batch->events_result);
	free(batch->people);
	record_events_deinit(&batch->events);
	*batch = (struct batch){0};
}

/* Runs a statement and frees it. 0, or -1. */
static int ask_record(const struct feed *feed, struct pg_stmt *stmt, PGresult **result_r)
{
	enum err err =
		pg_conn_exec(feed->pg, stmt, clock_mono_ms() + feed->pg_timeout_ms, result_r);

	pg_stmt_deinit(stmt);
	return err == ERR_NONE ? 0 : -1;
}

static int read_people(const struct feed *feed, struct str ticket, struct batch *batch)
{
	struct record_participant person;
	struct pg_stmt stmt;
	size_t n;

	record_put_participants(&stmt, ticket);
	if (ask_record(feed, &stmt, &batch->people_result) != 0)
		return -1;
	n = record_count_participants(batch->people_result);
	batch->people = calloc(n + 1, sizeof(*batch->people));
	if (batch->people == NULL)
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (record_parse_participant(batch->people_result, i, &person) != 0)
			return -1;
		batch->people[i] = (struct hot_participant){person.user, person.role};
	}
	batch->npeople = n;
	return 0;
}

static int read_events(const struct feed *feed, struct str ticket, struct pg_stmt *stmt,
		       struct batch *batch)
{
	record_events_deinit(&batch->events);
	PQclear(batch->events_result);
	batch->events_result = NULL;
	if (ask_record(feed, stmt, &batch->events_result) != 0)
		return -1;
	return record_parse_events(batch->events_result, ticket, &batch->events);
}

/* What follows tail_seq if it is not too much, else the newest. */
static int read_batch(const struct feed *feed, struct str ticket, int64_t tail_seq,
		      struct batch *batch)
{
	struct pg_stmt stmt;

	if (read_people(feed, ticket, batch) != 0)
		return -1;
	if (tail_seq > 0) {
		record_put_range(&stmt, &(struct record_range_query){.ticket = ticket,
								     .from = tail_seq + 1,
								     .to = INT64_MAX,
								     .limit = HOT_LOAD_MAX});
		if (read_events(feed, ticket, &stmt, batch) != 0)
			return -1;
		if (batch->events.ticket.last_seq - tail_seq <= HOT_LOAD_MAX &&
		    batch->events.ticket.first_seq <= tail_seq + 1)
			return 0;
		batch->is_fresh_start = true;
	}
	record_put_tail(&stmt, ticket, HOT_LOAD_MAX);
	return read_events(feed, ticket, &stmt, batch);
}

/* One exchange with Redis whose answer is that of push or load. */
static enum err ask_redis(const struct feed *feed, const struct buf *commands,
			  struct hot_pushed *pushed_r, enum hot_trouble *trouble_r)
{
	redisReply *reply;
	enum err err = redis_conn_exec(feed->redis, commands, 1,
				       clock_mono_ms() + feed->redis_timeout_ms, &reply);

	*trouble_r = HOT_TROUBLE_NONE;
	*pushed_r = (struct hot_pushed){.outcome = HOT_ODD};
	if (err == ERR_NONE) {
		hot_parse_push(reply, pushed_r);
		*trouble_r = hot_trouble(reply);
	}
	redis_conn_release(&reply, 1);
	return err;
}

static int ask_time(const struct feed *feed, int64_t *now_ms_r)
{
	struct buf commands = BUF_INIT;
	redisReply *reply = NULL;
	int status = -1;

	hot_put_time(&commands);
	if (redis_conn_exec(feed->redis, &commands, 1, clock_mono_ms() + feed->redis_timeout_ms,
			    &reply) == ERR_NONE)
		status = hot_parse_time(reply, now_ms_r);
	redis_conn_release(&reply, 1);
	buf_deinit(&commands);
	return status;
}

/* Loads a batch. Returns as ask_redis(). */
static enum err put_batch(const struct feed *feed, struct str ticket, const struct batch *batch,
			  const struct feed_place *place, struct feed_result *result_r,
			  struct hot_pushed *pushed_r)
{
	const struct hot_load load = {
		.ticket = ticket,
		.events = batch->events.events,
		.nevents = batch->events.count,
		.people = batch->people,
		.npeople = batch->npeople,
		.status = batch->events.ticket.status,
		.title = batch->events.ticket.title,
		.asked_at_ms = place->asked_at_ms,
		.news_from = place->news_from,
		.is_fresh_start = batch->is_fresh_start,
	};
	struct buf commands = BUF_INIT;
	enum err err;

	hot_put_load(&commands, feed->keys, &load);
	err = ask_redis(feed, &commands, pushed_r, &result_r->trouble);
	buf_deinit(&commands);
	return err;
}

static struct feed_result result_of(enum feed_outcome outcome)
{
	return (struct feed_result){.outcome = outcome};
}

/* One try to bring the stream up. True: *result_r is final; false: again from *place. */
static bool try_fill(const struct feed *feed, struct str ticket, struct feed_place *place,
		     struct feed_result *result_r)
{
	struct batch batch = {0};
	struct hot_pushed pushed = {0};
	bool is_final = true;

	*result_r = result_of(FEED_DONE);
	if (read_batch(feed, ticket, place->tail_seq, &batch) != 0) {
		*result_r = result_of(FEED_RECORD);
	} else if (batch.events.ticket.last_seq < place->tail_seq) {
		*result_r = result_of(FEED_CLASH);
	} else if (batch.events.count > 0) {
		if (put_batch(feed, ticket, &batch, place, result_r, &pushed) != ERR_NONE)
			pushed.outcome = HOT_TROUBLE;
		switch (pushed.outcome) {
		case HOT_OK:
		case HOT_DUP:
			break;
		case HOT_CLASH:
			result_r->outcome = FEED_CLASH;
			break;
		case HOT_GAP:
			place->tail_seq = pushed.last;
			place->asked_at_ms = pushed.asked_at_ms;
			is_final = false;
			break;
		case HOT_LATE:
			is_final = ask_time(feed, &place->asked_at_ms) != 0;
			if (is_final)
				result_r->outcome = FEED_REDIS;
			break;
		case HOT_EMPTY:
		case HOT_TROUBLE:
		case HOT_ODD:
			result_r->outcome = FEED_REDIS;
			break;
		}
	}
	batch_deinit(&batch);
	return is_final;
}

struct feed_result feed_fill(const struct feed *feed, struct str ticket, int64_t tail_seq,
			     int64_t asked_at_ms, int64_t news_from)
{
	struct feed_place place = {tail_seq, asked_at_ms, news_from};
	struct feed_result result;

	for (int i = 0; i < ATTEMPTS; i++) {
		if (try_fill(feed, ticket, &place, &result))
			return result;
	}
	return result_of(FEED_UNSTEADY);
}

struct feed_result feed_push(const struct feed *feed, const struct ticket_event *event,
			     struct str join_role)
{
	struct feed_result result = {.outcome = FEED_REDIS};
	struct hot_pushed pushed;
	struct buf commands = BUF_INIT;
	enum err err;

	hot_put_push(&commands, feed->keys, event, join_role);
	err = ask_redis(feed, &commands, &pushed, &result.trouble);
	buf_deinit(&commands);
	if (err != ERR_NONE)
		return result;
	switch (pushed.outcome) {
	case HOT_OK:
	case HOT_DUP:
		result.outcome = FEED_DONE;
		break;
	case HOT_CLASH:
		result.outcome = FEED_CLASH;
		break;
	case HOT_GAP:
	case HOT_EMPTY:
		return feed_fill(feed, event->ticket, pushed.last, pushed.asked_at_ms, event->seq);
	case HOT_LATE:
	case HOT_TROUBLE:
	case HOT_ODD:
		break;
	}
	return result;
}
