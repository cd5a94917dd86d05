/* SPDX-License-Identifier: BSD-2-Clause */
/* Participants, then the newest events, then one load: the order that hot_put_load() wants. */
#include "config.h"

#include "push/restore.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "base/log.h"
#include "push/stores.h"
#include "store/hot.h"
#include "store/record.h"
#include "web/ids.h"

enum {
	/* Each is a page of the record: a restart with many streams must not be a storm of them. */
	JOBS_MAX = 8,
};

/* One ticket on its way. */
struct job {
	TAILQ_ENTRY(job) entry;
	struct restore *restore;
	char ticket[IDS_TICKET_MAX + 1];
	int64_t asked_at_ms;
	int64_t epoch;
	struct pg_call *record_call;
	struct redis_async_call *redis_call;
	struct ticket_people {
		char (*names)[2][IDS_USER_MAX + 1]; /* user and role */
		struct hot_participant *list;
		size_t n;
	} people;
};

TAILQ_HEAD(job_list, job);

struct restore {
	struct stores *stores;
	struct job_list jobs;
	size_t count;
};

static void job_free(struct job *job)
{
	if (job->record_call != NULL)
		pg_call_cancel(job->record_call);
	if (job->redis_call != NULL)
		redis_async_cancel(job->redis_call);
	TAILQ_REMOVE(&job->restore->jobs, job, entry);
	job->restore->count--;
	free(job->people.names);
	free(job->people.list);
	free(job);
}

static void on_loaded(void *arg, enum err err, redisReply **replies, size_t n)
{
	struct job *job = arg;
	const struct log_ctx ctx = {.ticket = str_of(job->ticket)};

	job->redis_call = NULL;
	if (err == ERR_NONE && n > 0)
		log_debug(&ctx, "brought back to redis",
			  LOG_STR("trouble", hot_trouble_text(hot_trouble(replies[0]))));
	job_free(job);
}

static void on_events(void *arg, enum err err, const PGresult *result)
{
	struct job *job = arg;
	struct stores *stores = job->restore->stores;
	struct record_events events = {0};
	struct buf commands = BUF_INIT;

	job->record_call = NULL;
	if (err == ERR_NONE && record_parse_events(result, str_of(job->ticket), &events) == 0 &&
	    events.count > 0 && events.ticket.epoch == job->epoch &&
	    stores_epoch(stores) == job->epoch) {
		const struct hot_load load = {
			.ticket = str_of(job->ticket),
			.events = events.events,
			.nevents = events.count,
			.people = job->people.list,
			.npeople = job->people.n,
			.status = events.ticket.status,
			.title = events.ticket.title,
			.asked_at_ms = job->asked_at_ms,
		};
		size_t replies = hot_put_load(&commands, stores_keys(stores), &load);

		job->redis_call = stores_ask_redis(stores, &commands, replies, on_loaded, job);
	}
	record_events_deinit(&events);
	buf_deinit(&commands);
	if (job->redis_call == NULL)
		job_free(job);
}

/* The answer does not outlive its callback, so names are copied. 0, or -1. */
static int keep_people(struct job *job, const PGresult *result)
{
	struct ticket_people *people = &job->people;
	size_t n = record_count_participants(result);

	people->names = calloc(n + 1, sizeof(*people->names));
	people->list = calloc(n + 1, sizeof(*people->list));
	if (people->names == NULL || people->list == NULL)
		return -1;
	for (; people->n < n; people->n++) {
		char(*names)[IDS_USER_MAX + 1] = people->names[people->n];
		struct record_participant person;

		if (record_parse_participant(result, people->n, &person) != 0 ||
		    person.user.n > IDS_USER_MAX || person.role.n > IDS_USER_MAX)
			return -1;
		snprintf(names[0], sizeof(names[0]), "%.*s", STR_ARG(person.user));
		snprintf(names[1], sizeof(names[1]), "%.*s", STR_ARG(person.role));
		people->list[people->n] =
			(struct hot_participant){str_of(names[0]), str_of(names[1])};
	}
	return 0;
}

static void on_people(void *arg, enum err err, const PGresult *result)
{
	struct job *job = arg;
	struct pg_stmt stmt;

	job->record_call = NULL;
	if (err == ERR_NONE && keep_people(job, result) == 0) {
		record_put_tail(&stmt, str_of(job->ticket), HOT_LOAD_MAX);
		job->record_call = stores_ask_record(job->restore->stores, &stmt, on_events, job);
		pg_stmt_deinit(&stmt);
	}
	if (job->record_call == NULL)
		job_free(job);
}

void restore_ask(struct restore *restore, struct str ticket, int64_t now_ms)
{
	struct job *job;
	struct pg_stmt stmt;

	TAILQ_FOREACH(job, &restore->jobs, entry) {
		if (str_eq_c(ticket, job->ticket))
			return;
	}
	if (restore->count >= JOBS_MAX || stores_epoch(restore->stores) == 0)
		return;
	job = calloc(1, sizeof(*job));
	if (job == NULL)
		return;
	job->restore = restore;
	snprintf(job->ticket, sizeof(job->ticket), "%.*s", STR_ARG(ticket));
	job->asked_at_ms = now_ms;
	job->epoch = stores_epoch(restore->stores);
	TAILQ_INSERT_TAIL(&restore->jobs, job, entry);
	restore->count++;
	record_put_participants(&stmt, ticket);
	job->record_call = stores_ask_record(restore->stores, &stmt, on_people, job);
	pg_stmt_deinit(&stmt);
	if (job->record_call == NULL)
		job_free(job);
}

struct restore *restore_new(struct stores *stores)
{
	struct restore *restore = calloc(1, sizeof(*restore));

	if (restore == NULL)
		return NULL;
	restore->stores = stores;
	TAILQ_INIT(&restore->jobs);
	return restore;
}

void restore_free(struct restore *restore)
{
	if (restore == NULL)
		return;
	while (!TAILQ_EMPTY(&restore->jobs))
		job_free(TAILQ_FIRST(&restore->jobs));
	free(restore);
}
