/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Read marks: moved in the record, then told by way of Redis to whoever listens. They and what is unread
 * are read from the record alone.
 */
#include "config.h"

#include "api/h_read.h"

#include "api/call.h"
#include "base/clock.h"
#include "chat/access.h"
#include "store/people.h"
#include "store/record_read.h"
#include "web/json_write.h"
#include "web/query.h"

static bool is_staff(const struct call *call)
{
	return call_viewer(call) == MESSAGE_FOR_STAFF;
}

/* ---- moving a mark ---- */

/* A mark that cannot be told now is in the record; whoever asks is told there. */
static void tell(struct call *call, const struct record_read_done *done, bool is_public_news)
{
	const struct record_mark *mark = &done->mark;
	const struct people_read read = {
		.ticket = call_ticket(call),
		.user = call->who.user_id,
		.mark =
			{
				.epoch = done->epoch,
				.seq = mark->seq,
				.public_seq = mark->public_seq,
				.n = mark->n,
				.n_public = mark->n_public,
				.at_ms = mark->at_ms,
			},
		.is_public_news = is_public_news,
	};
	const struct redis_keys *keys = stores_keys(call->stores);
	struct buf commands = BUF_INIT;
	redisReply *reply = NULL;

	if (keys == NULL)
		return;
	people_put_read(&commands, keys, &read);
	if (stores_redis(call->stores, &commands, 1, stores_redis_deadline(call->stores), &reply) ==
	    ERR_NONE)
		stores_redis_trouble(call->stores, hot_trouble(reply));
	redis_conn_release(&reply, 1);
	buf_deinit(&commands);
}

static void answer_mark(struct call *call, const PGresult *result, bool is_repeat)
{
	struct record_read_done done;
	struct json_write j;

	if (record_read_parse_mark(result, &done) != 0) {
		call_refuse(call, PROBLEM_INTERNAL, NULL);
		return;
	}
	stores_learn_epoch(call->stores, done.epoch);
	if (done.outcome == RECORD_READ_NOT_A_PARTICIPANT) {
		call_refuse(call, PROBLEM_NOT_A_PARTICIPANT, NULL);
		return;
	}
	/* Found done by a repeat: that it moved then was perhaps never told. */
	if (done.outcome == RECORD_READ_MOVED || (is_repeat && done.mark.seq > 0))
		tell(call, &done, done.is_public_moved);
	reply_json(&call->reply, 200);
	json_write_init(&j, &call->reply.body);
	json_write_open_object(&j);
	json_write_member_int(&j, "seq", is_staff(call) ? done.mark.seq : done.mark.public_seq);
	json_write_member_int(&j, "unread", done.unread);
	json_write_close(&j);
	if (json_write_finish(&j) != 0)
		call_refuse(call, PROBLEM_INTERNAL, NULL);
}

void h_read_put(struct call *call)
{
	const struct json_read_value *seq = json_read_find(json_read_root(call->json), "seq");
	struct record_read read = {
		.ticket = call_ticket(call),
		.user = call->who.user_id,
		.role = str_of(ids_role_text(call->who.role)),
		.grant = call_grant(call),
	};
	PGresult *result = NULL;
	struct pg_stmt stmt;
	bool is_repeat;
	enum err err;

	if (seq == NULL || json_read_int(seq, 0, INT64_MAX, &read.seq) != 0) {
		call_refuse_field(call, "/seq", "has to be a whole number of 0 or more");
		return;
	}
	record_read_put_mark(&stmt, &read);
	err = stores_pg_repeatable(call->stores, &stmt, stores_pg_deadline(call->stores), &result,
				   &is_repeat);
	if (err == ERR_NONE)
		answer_mark(call, result, is_repeat);
	else
		call_refuse_failure(call, err, "the mark may not be stored; put it again");
	PQclear(result);
	pg_stmt_deinit(&stmt);
}

/* ---- receipts ---- */

static void write_time(struct json_write *j, const char *key, int64_t real_ms)
{
	char text[CLOCK_TEXT_SIZE];

	clock_format(real_ms, text);
	json_write_member_cstr(j, key, text);
}

/* 0, or -1 if the answer makes no sense. */
static int write_receipts(struct call *call, const struct record_read_list *list,
			  const PGresult *result)
{
	const bool shows_all = is_staff(call);
	struct record_mark mark;
	struct json_write j;
	struct str user;

	json_write_init(&j, &call->reply.body);
	json_write_open_object(&j);
	json_write_member_array(&j, "receipts");
	for (size_t i = 0; i < list->count; i++) {
		int64_t seq;

		if (record_read_parse_listed(result, i, &user, &mark) != 0)
			return -1;
		seq = shows_all ? mark.seq : mark.public_seq;
		/* Who has read but notes has read nothing that the public knows of. */
		if (seq == 0)
			continue;
		json_write_open_object(&j);
		json_write_member_str(&j, "user_id", user);
		json_write_member_int(&j, "seq", seq);
		write_time(&j, "at", shows_all ? mark.at_ms : mark.public_at_ms);
		json_write_close(&j);
	}
	json_write_close(&j);
	json_write_close(&j);
	return json_write_finish(&j);
}

static void answer_receipts(struct call *call, const PGresult *result)
{
	struct record_read_list list;

	if (record_read_parse_list(result, &list) != 0) {
		call_refuse(call, PROBLEM_INTERNAL, NULL);
		return;
	}
	stores_learn_epoch(call->stores, list.epoch);
	if (access_decide(&call->who, call_ticket(call), access_from_record(list.membership)) !=
	    ACCESS_YES) {
		call_refuse(call, PROBLEM_NOT_A_PARTICIPANT, NULL);
		return;
	}
	reply_json(&call->reply, 200);
	if (write_receipts(call, &list, result) != 0)
		call_refuse(call, PROBLEM_INTERNAL, NULL);
}

/* Asks the record, and has the answer worded by `answer`. */
static void ask(struct call *call, struct pg_stmt *stmt,
		void (*answer)(struct call *call, const PGresult *result))
{
	PGresult *result = NULL;
	enum err err;

	err = stores_pg(call->stores, stmt, stores_pg_deadline(call->stores), &result);
	if (err == ERR_NONE)
		answer(call, result);
	else
		call_refuse_failure(call, err, "the record is away");
	PQclear(result);
	pg_stmt_deinit(stmt);
}

void h_read_receipts(struct call *call)
{
	struct pg_stmt stmt;

	record_read_put_list(&stmt, call_ticket(call), call->who.user_id);
	ask(call, &stmt, answer_receipts);
}

/* ---- unread ---- */

static void begin_unread(struct call *call, struct json_write *j, int64_t total)
{
	reply_json(&call->reply, 200);
	json_write_init(j, &call->reply.body);
	json_write_open_object(j);
	json_write_member_int(j, "total", total);
	json_write_member_object(j, "tickets");
}

static void end_unread(struct call *call, struct json_write *j)
{
	json_write_close(j);
	json_write_close(j);
	if (json_write_finish(j) != 0)
		call_refuse(call, PROBLEM_INTERNAL, NULL);
}

static void write_unread(struct json_write *j, struct str ticket, int64_t unread)
{
	json_write_key_str(j, ticket);
	json_write_int(j, unread);
}

static void answer_all(struct call *call, const PGresult *result)
{
	struct record_unread unread;
	struct json_write j;
	struct str ticket;
	int64_t total = 0;
	int64_t here;

	if (record_read_parse_unread(result, &unread) != 0) {
		call_refuse(call, PROBLEM_INTERNAL, NULL);
		return;
	}
	stores_learn_epoch(call->stores, unread.epoch);
	for (size_t i = 0; i < unread.count; i++) {
		if (record_read_parse_ticket(result, i, &ticket, &here) != 0) {
			call_refuse(call, PROBLEM_INTERNAL, NULL);
			return;
		}
		total += here;
	}
	begin_unread(call, &j, total);
	for (size_t i = 0; i < unread.count; i++) {
		record_read_parse_ticket(result, i, &ticket, &here);
		write_unread(&j, ticket, here);
	}
	end_unread(call, &j);
}

static void answer_one(struct call *call, struct str ticket, const PGresult *result)
{
	struct record_opened opened;
	struct json_write j;
	int64_t unread;

	if (record_parse_open(result, &opened) != 0) {
		call_refuse(call, PROBLEM_INTERNAL, NULL);
		return;
	}
	stores_learn_epoch(call->stores, opened.ticket.epoch);
	if (access_decide(&call->who, ticket, access_from_record(opened.membership)) !=
	    ACCESS_YES) {
		call_refuse(call, PROBLEM_NOT_A_PARTICIPANT, NULL);
		return;
	}
	unread = is_staff(call) ? opened.unread : opened.unread_public;
	begin_unread(call, &j, unread);
	write_unread(&j, ticket, unread);
	end_unread(call, &j);
}

/* The ticket comes from the query, and not from the path. */
static void ask_one(struct call *call, struct str ticket)
{
	PGresult *result = NULL;
	struct pg_stmt stmt;
	enum err err;

	if (!ids_is_ticket(ticket)) {
		call_refuse(call, PROBLEM_INVALID_FIELD, "ticket has to be the id of a ticket");
		return;
	}
	record_put_open(&stmt, ticket, call->who.user_id);
	err = stores_pg(call->stores, &stmt, stores_pg_deadline(call->stores), &result);
	if (err == ERR_NONE)
		answer_one(call, ticket, result);
	else
		call_refuse_failure(call, err, "the record is away");
	PQclear(result);
	pg_stmt_deinit(&stmt);
}

void h_read_unread(struct call *call)
{
	const char *fault;
	struct pg_stmt stmt;
	struct query q;
	struct str ticket;

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
	ticket = query_find(&q, "ticket");
	if (ticket.p != NULL) {
		ask_one(call, ticket);
	} else {
		record_read_put_unread(&stmt, call->who.user_id, is_staff(call));
		ask(call, &stmt, answer_all);
	}
	query_deinit(&q);
}
