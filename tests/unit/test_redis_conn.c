/* SPDX-License-Identifier: BSD-2-Clause */
/* The blocking carrier against servers that misbehave. */
#include "config.h"

#include <string.h>

#include "base/clock.h"
#include "cmocka_setup.h"
#include "fake_redis.h"
#include "store/redis_conn.h"

#define HELLO "+OK\r\n"

static struct buf two_pings(void)
{
	struct buf b = BUF_INIT;

	redis_wire_putc(&b, "PING", NULL);
	redis_wire_putc(&b, "PING", NULL);
	return b;
}

/* One exec of two commands on a fresh connection, with this much time. */
static enum err exec_two(struct redis_conn *conn, int64_t timeout_ms, redisReply **replies)
{
	struct buf b = two_pings();
	enum err err = redis_conn_exec(conn, &b, 2, clock_mono_ms() + timeout_ms, replies);

	buf_deinit(&b);
	return err;
}

static void test_outcomes(void **state)
{
	static const struct {
		struct fake_redis_turn turn;
		enum err err;
	} rows[] = {
		{{HELLO, "+PONG\r\n-ERR no\r\n", false, false}, ERR_NONE},
		{{HELLO, "+PONG\r\n-ERR no\r\n", true, false}, ERR_NONE},
		{{"-ERR unknown subcommand\r\n", "+PONG\r\n+PONG\r\n", false, false}, ERR_NONE},
		{{NULL, NULL, false, false}, ERR_UNAVAILABLE},
		{{HELLO, NULL, false, false}, ERR_UNCERTAIN},
		{{HELLO, "+PONG\r\n", false, true}, ERR_UNCERTAIN},
		{{HELLO, "+PONG\r\n", false, false}, ERR_UNCERTAIN},
		{{HELLO, "", false, false}, ERR_UNCERTAIN},
		{{HELLO, "HTTP/1.1 400 Bad Request\r\n\r\n", false, false}, ERR_PROTOCOL},
		{{HELLO, "*2000000\r\n", false, false}, ERR_PROTOCOL},
		{{"nonsense\r\n", NULL, false, false}, ERR_PROTOCOL},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		redisReply *replies[2] = {(redisReply *)1, (redisReply *)1};
		struct fake_redis fake;
		struct redis_conn *conn;

		fake_redis_start(&fake, &rows[i].turn, 1);
		conn = redis_conn_new(&fake.target, "test", 1000);
		assert_non_null(conn);
		assert_int_equal(exec_two(conn, 300, replies), rows[i].err);
		if (rows[i].err == ERR_NONE) {
			assert_string_equal(replies[0]->str, "PONG");
			assert_int_equal(redis_conn_generation(conn), 1);
		} else {
			assert_null(replies[0]);
			assert_null(replies[1]);
			assert_true(strlen(redis_conn_reason(conn)) > 0);
		}
		redis_conn_release(replies, 2);
		redis_conn_free(conn);
		fake_redis_stop(&fake);
	}
}

static void test_refused(void **state)
{
	static const struct fake_redis_turn turn = {
		"-WRONGPASS invalid username-password pair\r\n+OK\r\n", "", false, false};
	redisReply *replies[2];
	struct fake_redis fake;
	struct redis_conn *conn;

	(void)state;
	fake_redis_start(&fake, &turn, 1);
	fake.target.password = strdup("CHANGE_ME");
	conn = redis_conn_new(&fake.target, "test", 1000);
	assert_non_null(conn);
	assert_int_equal(exec_two(conn, 1000, replies), ERR_REFUSED);
	assert_null(strstr(redis_conn_reason(conn), "CHANGE_ME"));
	redis_conn_free(conn);
	fake_redis_stop(&fake);
}

static void test_nobody_there(void **state)
{
	struct redis_target target = {.path = (char *)"/nonexistent/socket"};
	struct redis_conn *conn = redis_conn_new(&target, "test", 1000);
	redisReply *replies[2];

	(void)state;
	assert_non_null(conn);
	assert_int_equal(exec_two(conn, 1000, replies), ERR_UNAVAILABLE);
	redis_conn_free(conn);
	redis_conn_free(NULL);
}

/* What a rider is told. */
struct told {
	int times;
	char text[32]; /* "" where there was no reply */
};

static void on_told(void *arg, const redisReply *reply)
{
	struct told *told = arg;

	told->times++;
	snprintf(told->text, sizeof(told->text), "%s", reply != NULL ? reply->str : "");
}

static int ride(struct redis_conn *conn, struct told *told)
{
	struct buf b = BUF_INIT;
	int status;

	redis_wire_putc(&b, "PING", NULL);
	status = redis_conn_ride(conn, &b, on_told, told);
	buf_deinit(&b);
	return status;
}

static void test_riders(void **state)
{
	static const struct {
		struct fake_redis_turn turn;
		enum err err;
		const char *text;
	} rows[] = {
		{{HELLO, "+MINE\r\n+PONG\r\n-ERR no\r\n", true, false}, ERR_NONE, "MINE"},
		{{HELLO, "-ERR mine\r\n+PONG\r\n+PONG\r\n", false, false}, ERR_NONE, "ERR mine"},
		{{HELLO, "+MINE\r\n+PONG\r\n", false, true}, ERR_UNCERTAIN, "MINE"},
		{{HELLO, "", false, false}, ERR_UNCERTAIN, ""},
		{{NULL, NULL, false, false}, ERR_UNAVAILABLE, ""},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		redisReply *replies[2];
		struct told told = {0}, second = {0};
		struct fake_redis fake;
		struct redis_conn *conn;

		fake_redis_start(&fake, &rows[i].turn, 1);
		conn = redis_conn_new(&fake.target, "test", 1000);
		assert_non_null(conn);
		assert_int_equal(ride(conn, &told), 0);
		assert_int_equal(ride(conn, &second), -1);
		assert_true(redis_conn_has_rider(conn));
		assert_int_equal(exec_two(conn, 300, replies), rows[i].err);
		assert_false(redis_conn_has_rider(conn));
		assert_int_equal(told.times, 1);
		assert_string_equal(told.text, rows[i].text);
		if (rows[i].err == ERR_NONE)
			assert_string_equal(replies[0]->str, "PONG");
		redis_conn_release(replies, 2);
		/* One that nothing came along for is told as well. */
		assert_int_equal(ride(conn, &told), 0);
		redis_conn_free(conn);
		assert_int_equal(told.times, 2);
		assert_int_equal(second.times, 0);
		fake_redis_stop(&fake);
	}
}

static void test_a_rider_goes_alone(void **state)
{
	static const struct fake_redis_turn turn = {HELLO, "+MINE\r\n", false, false};
	const struct buf nothing = BUF_INIT;
	struct told told = {0};
	struct fake_redis fake;
	struct redis_conn *conn;

	(void)state;
	fake_redis_start(&fake, &turn, 1);
	conn = redis_conn_new(&fake.target, "test", 1000);
	assert_non_null(conn);
	assert_int_equal(ride(conn, &told), 0);
	assert_int_equal(redis_conn_exec(conn, &nothing, 0, clock_mono_ms() + 1000, NULL),
			 ERR_NONE);
	assert_int_equal(told.times, 1);
	assert_string_equal(told.text, "MINE");
	redis_conn_free(conn);
	fake_redis_stop(&fake);
}

/* A server that trickles does not stretch the deadline. */
static void test_deadline_holds(void **state)
{
	static const struct fake_redis_turn turn = {HELLO, "$1000000\r\nxxxxx", true, false};
	redisReply *replies[2];
	struct fake_redis fake;
	struct redis_conn *conn;
	int64_t start;

	(void)state;
	fake_redis_start(&fake, &turn, 1);
	conn = redis_conn_new(&fake.target, "test", 1000);
	assert_non_null(conn);
	start = clock_mono_ms();
	assert_int_equal(exec_two(conn, 200, replies), ERR_UNCERTAIN);
	assert_in_range(clock_mono_ms() - start, 190, 2000);
	redis_conn_free(conn);
	fake_redis_stop(&fake);
}

/* A connection that died while idle is replaced before anything is sent on it. */
static void test_comes_back(void **state)
{
	static const struct fake_redis_turn turns[] = {
		{HELLO, "+PONG\r\n+PONG\r\n", false, true},
		{HELLO, NULL, false, false},
		{HELLO, "+PONG\r\n+PONG\r\n", false, false},
	};
	redisReply *replies[2];
	struct fake_redis fake;
	struct redis_conn *conn;

	(void)state;
	fake_redis_start(&fake, turns, LENGTH(turns));
	conn = redis_conn_new(&fake.target, "test", 1000);
	assert_non_null(conn);
	assert_int_equal(exec_two(conn, 2000, replies), ERR_NONE);
	redis_conn_release(replies, 2);
	/* Found dead or not, it answers or says so; the third connection is good. */
	while (redis_conn_generation(conn) < 3) {
		enum err err = exec_two(conn, 2000, replies);

		assert_true(err == ERR_UNCERTAIN || err == ERR_NONE);
		redis_conn_release(replies, 2);
	}
	assert_int_equal(redis_conn_generation(conn), 3);
	redis_conn_free(conn);
	fake_redis_stop(&fake);
}

static void test_failed_buffer(void **state)
{
	struct redis_target target = {.path = (char *)"/nonexistent/socket"};
	struct redis_conn *conn = redis_conn_new(&target, "test", 1000);
	struct buf b = {.limit = 4};
	struct told told = {0};
	redisReply *reply;

	(void)state;
	assert_non_null(conn);
	redis_wire_putc(&b, "PING", NULL);
	assert_int_equal(ride(conn, &told), 0);
	assert_int_equal(redis_conn_exec(conn, &b, 1, clock_mono_ms() + 100, &reply), ERR_MEMORY);
	/* Whoever rides along does not wait for another one. */
	assert_int_equal(told.times, 1);
	assert_string_equal(told.text, "");
	buf_deinit(&b);
	redis_conn_free(conn);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_outcomes),	   cmocka_unit_test(test_refused),
		cmocka_unit_test(test_nobody_there),	   cmocka_unit_test(test_riders),
		cmocka_unit_test(test_a_rider_goes_alone), cmocka_unit_test(test_deadline_holds),
		cmocka_unit_test(test_comes_back),	   cmocka_unit_test(test_failed_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
