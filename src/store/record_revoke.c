/* SPDX-License-Identifier: BSD-2-Clause */
/* The statements about revocations, and the commands about their copy. */
#include "config.h"

#include "store/record_revoke.h"

#include "store/redis_keys.h"
#include "store/redis_wire.h"

/* ---- the record ---- */

/* Twice revoked is revoked: a lost answer is not an uncertain one. */
static const struct pg_query query_revoke = {
	.name = "revoke",
	.sql = "SELECT bellhop.revoke($1::text, $2::text, $3::bigint::integer)",
};

void record_revoke_put(struct pg_stmt *stmt, const struct record_revocation *revocation,
		       int64_t days)
{
	pg_stmt_init(stmt, &query_revoke);
	pg_stmt_text(stmt, revocation->jti);
	pg_stmt_text(stmt, revocation->user);
	pg_stmt_int(stmt, days);
}

/*
 * One row at least, for the epoch. LIMIT 1 says what the planner does not know of a table that was never
 * analyzed: it would expect so many rows that it compiled the plan of each page, for a quarter of a second.
 */
static const struct pg_query query_list = {
	.name = "revocations",
	.sql = "SELECT d.epoch, now(), r.id, r.jti, r.user_id, r.revoked_at,"
	       "  NULLIF(r.expires_at, 'infinity')"
	       " FROM (SELECT epoch FROM bellhop.deployment WHERE is_only LIMIT 1) d"
	       " LEFT JOIN LATERAL (SELECT * FROM bellhop.revocation x WHERE x.id > $1"
	       "  ORDER BY x.id LIMIT $2) r ON true ORDER BY r.id",
};

void record_revoke_put_list(struct pg_stmt *stmt, int64_t after_id)
{
	pg_stmt_init(stmt, &query_list);
	pg_stmt_int(stmt, after_id);
	pg_stmt_int(stmt, RECORD_REVOKE_LIMIT);
}

int record_revoke_parse_list(const PGresult *result, struct record_revocations *list_r)
{
	struct pg_row r = pg_row_of(result, 0);

	*list_r = (struct record_revocations){.epoch = pg_row_int(&r)};
	list_r->now_us = pg_row_time_us(&r);
	if (!pg_row_is_null(&r))
		list_r->count = (size_t)PQntuples(result);
	return r.failed ? -1 : 0;
}

int record_revoke_parse(const PGresult *result, size_t i, struct record_revocation *revocation_r)
{
	struct pg_row r = pg_row_of(result, (int)i);

	pg_row_skip(&r, 2);
	*revocation_r = (struct record_revocation){.id = pg_row_int(&r)};
	revocation_r->jti = pg_row_str(&r);
	revocation_r->user = pg_row_str(&r);
	revocation_r->at_us = pg_row_time_us(&r);
	revocation_r->end_us = pg_row_is_null(&r) ? INT64_MAX : pg_row_time_us(&r);
	return r.failed || (revocation_r->jti.p == NULL) == (revocation_r->user.p == NULL) ? -1 : 0;
}

static const struct pg_query query_expire = {
	.name = "revoke_expire",
	.sql = "DELETE FROM bellhop.revocation WHERE expires_at < now()",
};

void record_revoke_put_expire(struct pg_stmt *stmt)
{
	pg_stmt_init(stmt, &query_expire);
}

/* ---- the copy ---- */

#define WHOLE STR("whole")

static void put_key(struct buf *b, const char *prefix)
{
	struct redis_key key;

	redis_keys_revoked(prefix, &key);
	redis_wire_arg(b, key.name);
}

size_t record_revoke_put_copy(struct buf *b, const char *prefix,
			      const struct record_revocation *revocations, size_t count,
			      bool is_whole)
{
	size_t fields = count + (is_whole ? 1 : 0);
	struct buf field = BUF_INIT;

	if (fields == 0)
		return 0;
	redis_wire_begin(b, 2 + 2 * fields);
	redis_wire_arg(b, STR("HSET"));
	put_key(b, prefix);
	for (size_t i = 0; i < count; i++) {
		const struct record_revocation *one = &revocations[i];

		buf_reset(&field);
		buf_putc(&field, one->jti.p != NULL ? 'j' : 'u');
		buf_put_str(&field, one->jti.p != NULL ? one->jti : one->user);
		redis_wire_arg(b, buf_str(&field));
		redis_wire_arg_i64(b, one->at_us);
		b->failed = b->failed || !buf_ok(&field);
	}
	if (is_whole) {
		redis_wire_arg(b, WHOLE);
		redis_wire_arg(b, STR("1"));
	}
	buf_deinit(&field);
	return 1;
}

size_t record_revoke_put_copy_probe(struct buf *b, const char *prefix)
{
	redis_wire_begin(b, 3);
	redis_wire_arg(b, STR("HEXISTS"));
	put_key(b, prefix);
	redis_wire_arg(b, WHOLE);
	return 1;
}

size_t record_revoke_put_copy_drop(struct buf *b, const char *prefix)
{
	redis_wire_begin(b, 2);
	redis_wire_arg(b, STR("UNLINK"));
	put_key(b, prefix);
	return 1;
}

size_t record_revoke_put_copy_read(struct buf *b, const char *prefix)
{
	redis_wire_begin(b, 2);
	redis_wire_arg(b, STR("HGETALL"));
	put_key(b, prefix);
	return 1;
}

static struct str text_of(const redisReply *reply)
{
	if (reply == NULL || reply->type != REDIS_REPLY_STRING)
		return (struct str){0};
	return (struct str){reply->str, reply->len};
}

int64_t record_revoke_count_copy(const redisReply *reply)
{
	bool is_whole = false;

	if (reply == NULL || reply->type != REDIS_REPLY_ARRAY || reply->elements % 2 != 0)
		return -1;
	for (size_t i = 0; i < reply->elements; i += 2)
		is_whole = is_whole || str_eq(text_of(reply->element[i]), WHOLE);
	return is_whole ? (int64_t)(reply->elements / 2) : -1;
}

int record_revoke_parse_copy(const redisReply *reply, size_t i,
			     struct record_revocation *revocation_r)
{
	struct str field = text_of(reply->element[2 * i]);
	struct str id = {field.p + 1, field.n - 1};

	*revocation_r = (struct record_revocation){0};
	if (field.n < 2 ||
	    str_to_i64(text_of(reply->element[2 * i + 1]), 0, INT64_MAX, &revocation_r->at_us) != 0)
		return -1;
	if (field.p[0] == 'j')
		revocation_r->jti = id;
	else if (field.p[0] == 'u')
		revocation_r->user = id;
	else
		return -1; /* "whole", too */
	return 0;
}
