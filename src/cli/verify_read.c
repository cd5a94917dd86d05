/* SPDX-License-Identifier: BSD-2-Clause */
/* bellhop verify: read marks and unread counts of one ticket. */
#include "config.h"

#include <stdlib.h>

#include "cli/verify.h"
#include "store/people.h"
#include "store/record_copy.h"
#include "store/record_read.h"

/* ---- the record ---- */

static int check_marks(struct verify *v)
{
	struct pg_stmt stmt;
	PGresult *result;
	struct str user;
	int status = 0;
	int64_t seq;

	record_copy_put_receipts(&stmt, v->ticket);
	result = stores_ask(v->stores, &stmt);
	if (result == NULL)
		return -1;
	for (size_t i = 0; i < record_copy_count_receipts(result) && status == 0; i++) {
		if (record_copy_parse_receipt(result, i, &user, &seq) != 0)
			status = stores_odd(v->stores, "PostgreSQL");
		else
			verify_differs(v, "read mark of %.*s: its counts are not those at %lld",
				       STR_ARG(user), (long long)seq);
	}
	PQclear(result);
	return status;
}

/* Some people; *after becomes the last of them. */
static int check_unread_batch(struct verify *v, char **after, bool *is_last_r)
{
	struct pg_stmt stmt;
	PGresult *result;
	struct str user = {0};
	bool is_right;
	int status = 0;
	size_t n;

	record_copy_put_unread(&stmt, v->ticket, str_of(*after));
	result = stores_ask(v->stores, &stmt);
	if (result == NULL)
		return -1;
	n = record_copy_count_unread(result, is_last_r);
	for (size_t i = 0; i < n && status == 0; i++) {
		if (record_copy_parse_unread(result, i, &user, &is_right) != 0)
			status = stores_odd(v->stores, "PostgreSQL");
		else if (!is_right)
			verify_differs(v, "unread of %.*s is not what a recount gives",
				       STR_ARG(user));
	}
	if (n > 0 && status == 0) {
		free(*after);
		*after = str_dup(user);
		if (*after == NULL)
			status = stores_odd(v->stores, "PostgreSQL");
	}
	PQclear(result);
	return status;
}

static int check_unread(struct verify *v)
{
	char *after = str_dup(STR(""));
	bool is_last = false;
	int status = after != NULL ? 0 : stores_odd(v->stores, "PostgreSQL");

	while (!is_last && status == 0)
		status = check_unread_batch(v, &after, &is_last);
	free(after);
	return status;
}

int verify_read(struct verify *v)
{
	return check_marks(v) != 0 ? -1 : check_unread(v);
}

/* ---- the copies in Redis ---- */

/* The record's mark of a user, read after the copy; false where there is none. They are in order. */
static bool find_mark(const PGresult *result, size_t count, struct str user,
		      struct record_mark *mark_r)
{
	size_t from = 0, to = count;
	struct str other;

	while (from < to) {
		size_t middle = from + (to - from) / 2;
		int order;

		if (record_read_parse_listed(result, middle, &other, mark_r) != 0)
			return false;
		order = str_cmp(user, other);
		if (order == 0)
			return true;
		if (order < 0)
			to = middle;
		else
			from = middle + 1;
	}
	return false;
}

static bool is_equal(const struct people_mark *copy, const struct record_mark *mark)
{
	return copy->seq == mark->seq && copy->public_seq == mark->public_seq &&
	       copy->n == mark->n && copy->n_public == mark->n_public && copy->at_ms == mark->at_ms;
}

static void compare_copy(struct verify *v, const redisReply *copies, size_t i,
			 const PGresult *result, size_t count)
{
	struct people_mark copy;
	struct record_mark mark;
	struct str user = people_mark_user(copies, i);

	if (people_parse_mark(copies, i, &copy) != 0)
		verify_differs(v, "read mark of %.*s in Redis is malformed", STR_ARG(user));
	else if (copy.epoch != v->stores->keys.epoch)
		return;
	else if (!find_mark(result, count, user, &mark))
		verify_differs(v, "read mark of %.*s is in Redis, but not in the record",
			       STR_ARG(user));
	else if (copy.seq > mark.seq || (copy.seq == mark.seq && !is_equal(&copy, &mark)))
		verify_differs(v, "read mark of %.*s: %lld in Redis, %lld in the record%s",
			       STR_ARG(user), (long long)copy.seq, (long long)mark.seq,
			       copy.seq == mark.seq ? ", with other counts" : "");
}

static int compare_copies(struct verify *v, const redisReply *copies)
{
	int n = people_count_marks(copies);
	struct record_read_list list;
	struct pg_stmt stmt;
	PGresult *result;

	if (n < 0)
		verify_differs(v, "the read marks in Redis are malformed");
	if (n <= 0)
		return 0;
	record_read_put_list(&stmt, v->ticket, STR(""));
	result = stores_ask(v->stores, &stmt);
	if (result == NULL)
		return -1;
	if (record_read_parse_list(result, &list) != 0) {
		PQclear(result);
		return stores_odd(v->stores, "PostgreSQL");
	}
	for (size_t i = 0; i < (size_t)n; i++)
		compare_copy(v, copies, i, result, list.count);
	PQclear(result);
	return 0;
}

int verify_read_copies(struct verify *v)
{
	struct buf commands = BUF_INIT;
	redisReply *copies = NULL;
	int status;

	people_put_marks(&commands, &v->stores->keys, v->ticket);
	status = stores_pipeline(v->stores, &commands, 1, &copies);
	if (status == 0)
		status = compare_copies(v, copies);
	redis_conn_release(&copies, 1);
	buf_deinit(&commands);
	return status;
}
