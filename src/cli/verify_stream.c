/* SPDX-License-Identifier: BSD-2-Clause */
/* bellhop verify: what Redis has of one ticket against the record. */
#include "config.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/verify.h"
#include "store/compare.h"

enum {
	/* Several times what the archiver needs to bring a stream up to the record. */
	ATTEMPTS = 10,
	PAUSE_MS = 300,
	BATCH = HOT_LOAD_MAX,
};

/* One look at a ticket. */
struct look {
	struct verify *v;
	struct hot_open open;
	redisReply *replies[HOT_OPEN_REPLIES];	 /* that it borrows from */
	struct record_opened record;		 /* read after `open` */
	PGresult *result;			 /* that it borrows from */
	char difference[VERIFY_DIFFERENCE_SIZE]; /* "" as long as there is none */
};

static void end(struct look *look)
{
	redis_conn_release(look->replies, HOT_OPEN_REPLIES);
	PQclear(look->result);
}

static void differs(struct look *look, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void differs(struct look *look, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(look->difference, sizeof(look->difference), format, ap);
	va_end(ap);
}

/* Whether all that follows need not be looked at. */
static bool is_settled(const struct look *look)
{
	return look->difference[0] != '\0';
}

static int read_open(struct look *look)
{
	struct stores *stores = look->v->stores;
	struct buf commands = BUF_INIT;
	int status;

	hot_put_open(&commands, &stores->keys, look->v->ticket, STR(""));
	status = stores_pipeline(stores, &commands, HOT_OPEN_REPLIES, look->replies);
	if (status == 0 && hot_parse_open(look->replies, &look->open) != 0)
		differs(look, "what Redis holds is malformed: %s",
			hot_trouble_text(hot_trouble_of(look->replies, HOT_OPEN_REPLIES)));
	buf_deinit(&commands);
	return status;
}

static int read_record(struct look *look)
{
	struct stores *stores = look->v->stores;
	struct pg_stmt stmt;

	record_put_access(&stmt, look->v->ticket, STR(""));
	look->result = stores_ask(stores, &stmt);
	if (look->result == NULL)
		return -1;
	return record_parse_open(look->result, &look->record) != 0
		       ? stores_odd(stores, "PostgreSQL")
		       : 0;
}

/* What the ticket's rows say, in both stores. */
static void compare_ticket(struct look *look)
{
	const struct hot_open *open = &look->open;
	const struct record_ticket *ticket = &look->record.ticket;

	if (open->last_seq < ticket->last_seq)
		differs(look, "the stream ends at %lld, the record at %lld",
			(long long)open->last_seq, (long long)ticket->last_seq);
	else if (open->last_seq > ticket->last_seq)
		differs(look, "the stream goes on to %lld, the record ends at %lld",
			(long long)open->last_seq, (long long)ticket->last_seq);
	else if (open->first_seq < ticket->first_seq)
		differs(look, "the stream begins at %lld, the record at %lld",
			(long long)open->first_seq, (long long)ticket->first_seq);
	else if (!str_eq(open->status, ticket->status))
		differs(look, "its status is %.*s in Redis, %.*s here", STR_ARG(open->status),
			STR_ARG(ticket->status));
	else if (!str_eq(open->title, ticket->title))
		differs(look, "its title in Redis is another one");
}

/* The counts that meta has, against those of the event at the stream's end. */
static void compare_end(struct look *look, const struct ticket_event *last)
{
	const struct hot_open *open = &look->open;

	if (open->n != last->n || open->n_public != last->n_public ||
	    open->last_public != (last->is_public ? last->seq : last->prev_public))
		differs(look, "the stream's counts are not those of its event %lld",
			(long long)last->seq);
}

/* Whether both are sealed forms of one text, as while bellhop reseal is under way. */
static bool is_same_text(const struct seal *seal, const struct ticket_event *a,
			 const struct ticket_event *b)
{
	const struct seal_place places[] = {seal_place_of(a), seal_place_of(b)};
	struct buf buf_a = BUF_INIT, buf_b = BUF_INIT;
	struct str text_a, text_b;
	bool is_same;

	if (!seal_is_sealed(a->content) && !seal_is_sealed(b->content))
		return false;
	is_same = seal_open(seal, &places[0], a->content, &buf_a, &text_a) == SEAL_OPENED &&
		  seal_open(seal, &places[1], b->content, &buf_b, &text_b) == SEAL_OPENED &&
		  text_a.p != NULL && text_b.p != NULL && str_eq(text_a, text_b);
	buf_deinit(&buf_a);
	buf_deinit(&buf_b);
	return is_same;
}

/* Both stores' events from..to; the stream's must be all there. */
static void compare_batch(struct look *look, const struct ticket_event *stream, size_t nstream,
			  const struct record_events *record)
{
	for (size_t i = 0; i < record->count && !is_settled(look); i++) {
		const struct ticket_event *e = &record->events[i];
		const char *field;

		if (i >= nstream || stream[i].seq != e->seq) {
			differs(look, "event %lld is missing in the stream", (long long)e->seq);
			return;
		}
		field = compare_event(&stream[i], e);
		if (field != NULL && strcmp(field, "content") == 0 &&
		    is_same_text(look->v->stores->seal, &stream[i], e))
			field = NULL;
		if (field != NULL)
			differs(look, "event %lld: the stream differs in %s", (long long)e->seq,
				field);
		else if (e->seq == look->open.last_seq)
			compare_end(look, e);
	}
	if (!is_settled(look) && nstream > record->count)
		differs(look, "event %lld is in the stream, but not in the record",
			(long long)stream[record->count].seq);
}

static int read_batch(struct look *look, int64_t from, int64_t to)
{
	struct stores *stores = look->v->stores;
	struct ticket_event events[BATCH];
	struct buf commands = BUF_INIT;
	struct record_events record = {0};
	struct pg_stmt stmt;
	PGresult *result = NULL;
	redisReply *reply = NULL;
	int status = -1;
	int n;

	hot_put_range(&commands, &stores->keys,
		      &(struct hot_range){
			      .ticket = look->v->ticket, .from = from, .to = to, .count = BATCH});
	if (stores_pipeline(stores, &commands, 1, &reply) != 0)
		goto out;
	record_put_range(
		&stmt, &(struct record_range_query){
			       .ticket = look->v->ticket, .from = from, .to = to, .limit = BATCH});
	result = stores_ask(stores, &stmt);
	if (result == NULL)
		goto out;
	if (record_parse_events(result, look->v->ticket, &record) != 0) {
		stores_odd(stores, "PostgreSQL");
		goto out;
	}
	n = hot_parse_events(reply, look->v->ticket, stores->keys.epoch, events, BATCH);
	if (n < 0)
		differs(look, "the stream holds a malformed event above %lld", (long long)from - 1);
	else
		compare_batch(look, events, (size_t)n, &record);
	status = 0;
out:
	record_events_deinit(&record);
	PQclear(result);
	redis_conn_release(&reply, 1);
	buf_deinit(&commands);
	return status;
}

/* The whole stream, once. */
static int look_once(struct look *look)
{
	const struct hot_open *open = &look->open;
	int status = read_open(look);

	if (status != 0 || is_settled(look) || !open->has_stream)
		return status;
	if (read_record(look) != 0)
		return -1;
	compare_ticket(look);
	if (!is_settled(look))
		status = verify_people(look->v, look->difference);
	for (int64_t from = open->first_seq;
	     from <= open->last_seq && status == 0 && !is_settled(look); from += BATCH) {
		int64_t to = from + BATCH - 1;

		status = read_batch(look, from, to < open->last_seq ? to : open->last_seq);
	}
	return status;
}

int verify_stream(struct verify *v)
{
	struct look look = {.v = v};

	for (int i = 0; i < ATTEMPTS; i++) {
		int status;

		look = (struct look){.v = v};
		status = look_once(&look);
		end(&look);
		if (status != 0)
			return -1;
		if (!is_settled(&look)) {
			v->streams += look.open.has_stream;
			return 0;
		}
		if (i + 1 < ATTEMPTS)
			poll(NULL, 0, PAUSE_MS);
	}
	v->streams++;
	verify_differs(v, "%s", look.difference);
	return 0;
}
