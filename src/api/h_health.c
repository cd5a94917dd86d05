/* SPDX-License-Identifier: BSD-2-Clause */
/* How the service is. */
#include "config.h"

#include "api/h_health.h"

#include <string.h>

#include "api/call.h"
#include "store/record.h"
#include "store/redis_wire.h"
#include "web/json_write.h"

/* What INFO of Redis says of interest. */
struct redis_info {
	bool is_connected;
	int64_t uptime_s;
	int64_t connected_clients;
	int64_t used_memory;
};

/* How far the archiver is behind; -1 where that cannot be told. */
struct archive_lag {
	int64_t events;
	int64_t ms;
};

/* The number behind "\nname:" in the text of INFO; 0 where there is none. */
static int64_t info_number(struct str info, const char *name)
{
	struct str line, key;
	int64_t value = 0;

	while (str_split(&info, '\n', &line)) {
		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		if (str_split(&line, ':', &key) && str_eq_c(key, name) && line.p != NULL &&
		    str_to_i64(line, 0, INT64_MAX, &value) == 0)
			break;
	}
	return value;
}

static void load_redis_info(struct stores *s, struct redis_info *info_r)
{
	static const char *const sections[] = {"server", "clients", "memory"};
	struct buf commands = BUF_INIT;
	redisReply *replies[3] = {NULL};
	struct str text;

	*info_r = (struct redis_info){0};
	for (size_t i = 0; i < 3; i++)
		redis_wire_putc(&commands, "INFO", sections[i], NULL);
	if (stores_redis(s, &commands, 3, stores_redis_deadline(s), replies) == ERR_NONE) {
		info_r->is_connected = true;
		for (size_t i = 0; i < 3; i++) {
			/* An account without the right to ask leaves the numbers at 0. */
			if (replies[i]->type != REDIS_REPLY_STRING)
				continue;
			text = (struct str){replies[i]->str, replies[i]->len};
			info_r->uptime_s += info_number(text, "uptime_in_seconds");
			info_r->connected_clients += info_number(text, "connected_clients");
			info_r->used_memory += info_number(text, "used_memory");
		}
	}
	redis_conn_release(replies, 3);
	buf_deinit(&commands);
}

/* The sweep's mark, as any partition has it. False if Redis cannot tell. */
static bool load_mark(struct stores *s, struct hot_mark *mark_r, int64_t *now_ms_r)
{
	const struct redis_keys *keys = stores_keys(s);
	struct buf commands = BUF_INIT;
	redisReply *replies[HOT_OPEN_REPLIES + 1] = {NULL};
	struct hot_open open;
	bool is_read = false;
	size_t n;

	if (keys == NULL)
		return false;
	n = hot_put_mark_read(&commands, keys, 0);
	n += hot_put_open(&commands, keys, STR("-"), STR("-"));
	if (stores_redis(s, &commands, n, stores_redis_deadline(s), replies) == ERR_NONE &&
	    hot_parse_mark(replies[0], mark_r) == 0 && mark_r->exists &&
	    hot_parse_open(replies + 1, &open) == 0) {
		*now_ms_r = open.now_ms;
		is_read = true;
	}
	redis_conn_release(replies, HOT_OPEN_REPLIES + 1);
	buf_deinit(&commands);
	return is_read;
}

/* Events that the record dates after the mark. Returns whether the record answered. */
static bool load_unswept(struct stores *s, const struct hot_mark *mark, int64_t *events_r)
{
	struct record_sweep sweep;
	struct record_swept swept;
	struct pg_stmt stmt;
	PGresult *result = NULL;
	bool has_answer = false;

	record_put_sweep(&stmt, mark->until_us);
	if (stores_pg(s, &stmt, stores_pg_deadline(s), &result) == ERR_NONE &&
	    record_parse_sweep(result, &sweep) == 0) {
		has_answer = true;
		*events_r = 0;
		for (size_t i = 0; i < sweep.count; i++) {
			if (record_parse_swept(result, i, &swept) == 0)
				*events_r += swept.last_seq - swept.first_seq + 1;
		}
	}
	PQclear(result);
	pg_stmt_deinit(&stmt);
	return has_answer;
}

static bool ask_postgres(struct stores *s)
{
	struct pg_deployment deployment;
	struct pg_stmt stmt;
	PGresult *result = NULL;
	bool has_answer;

	record_put_deployment(&stmt);
	has_answer = stores_pg(s, &stmt, stores_pg_deadline(s), &result) == ERR_NONE &&
		     pg_sql_parse_deployment(result, &deployment) == 0;
	PQclear(result);
	pg_stmt_deinit(&stmt);
	return has_answer;
}

static void write_number(struct json_write *j, const char *key, int64_t value)
{
	if (value < 0)
		json_write_member_null(j, key);
	else
		json_write_member_int(j, key, value);
}

static void finish(struct call *call, const struct json_write *j)
{
	if (json_write_finish(j) != 0)
		call_refuse(call, PROBLEM_INTERNAL, NULL);
}

static const char *connection_text(bool is_connected)
{
	return is_connected ? "connected" : "disconnected";
}

void h_health_alive(struct call *call)
{
	reply_json(&call->reply, 200);
	buf_puts(&call->reply.body, "{\"status\":\"ok\"}");
}

void h_health_ready(struct call *call)
{
	struct archive_lag lag = {-1, -1};
	struct redis_info info;
	struct hot_mark mark;
	struct json_write j;
	bool has_postgres = ask_postgres(call->stores);
	int64_t now_ms;

	load_redis_info(call->stores, &info);
	if (info.is_connected && load_mark(call->stores, &mark, &now_ms)) {
		lag.ms = now_ms > mark.at_ms ? now_ms - mark.at_ms : 0;
		if (!has_postgres || !load_unswept(call->stores, &mark, &lag.events))
			lag.events = -1;
	}
	if (!has_postgres && !info.is_connected) {
		call_refuse_unavailable(call, "neither Redis nor PostgreSQL answers");
		return;
	}
	reply_json(&call->reply, 200);
	json_write_init(&j, &call->reply.body);
	json_write_open_object(&j);
	json_write_member_cstr(&j, "mode", mode_text(stores_mode(call->stores)));
	json_write_member_object(&j, "redis");
	json_write_member_cstr(&j, "status", connection_text(info.is_connected));
	json_write_close(&j);
	json_write_member_object(&j, "postgres");
	json_write_member_cstr(&j, "status", connection_text(has_postgres));
	json_write_close(&j);
	json_write_member_object(&j, "archive");
	write_number(&j, "lag_events", lag.events);
	write_number(&j, "lag_seconds", lag.ms < 0 ? -1 : lag.ms / 1000);
	json_write_member_int(&j, "spooled", 0);
	json_write_close(&j);
	json_write_close(&j);
	finish(call, &j);
}

void h_health_redis(struct call *call)
{
	struct redis_info info;
	struct json_write j;

	load_redis_info(call->stores, &info);
	reply_json(&call->reply, 200);
	json_write_init(&j, &call->reply.body);
	json_write_open_object(&j);
	json_write_member_cstr(&j, "status", connection_text(info.is_connected));
	write_number(&j, "uptime", info.is_connected ? info.uptime_s : -1);
	write_number(&j, "connected_clients", info.is_connected ? info.connected_clients : -1);
	write_number(&j, "used_memory", info.is_connected ? info.used_memory : -1);
	json_write_close(&j);
	finish(call, &j);
}

void h_health_auth(struct call *call)
{
	reply_empty(&call->reply, 204);
	reply_header(&call->reply, "X-Bellhop-User", call->who.user_id);
	reply_header(&call->reply, "X-Bellhop-Role", str_of(ids_role_text(call->who.role)));
}
