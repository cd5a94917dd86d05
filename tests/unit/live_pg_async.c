/* SPDX-License-Identifier: BSD-2-Clause */
/* The carrier in the event loop: each call ends once, from the loop, whatever the server does. */
#include "config.h"

#include "store/pg_async.h"

#include <event2/event.h>
#include <stdlib.h>

#include "base/clock.h"
#include "cmocka_setup.h"
#include "live_pg.h"
#include "store/record.h"

static const struct pg_query query_echo = {.name = "echo", .sql = "SELECT $1::bigint"};
static const struct pg_query query_write = {
	.name = "write", .sql = "SELECT $1::bigint + 0", .is_write = true};
static const struct pg_query query_wait = {
	.name = "wait", .sql = "SELECT $1::bigint FROM pg_sleep($1::bigint / 1000.0)"};
static const struct pg_query query_slow_write = {
	.name = "slow_write",
	.sql = "SELECT $1::bigint FROM pg_sleep($1::bigint / 1000.0)",
	.is_write = true};

/* What a test sees of the carrier. */
struct bench {
	struct event_base *base;
	struct pg_async *pa;
	struct relay *relay;
	int ups, downs;
	bool is_calling; /* inside pg_async_exec: no callback may run */
	int64_t epoch;
};

struct answer {
	struct bench *bench;
	int times;
	enum err err;
	int64_t value;
	bool was_away; /* the server, when it came */
	/* Something to do from inside the callback. */
	struct pg_call *cancel;
	struct answer *ask;
};

static void on_state(void *arg, bool is_up, const struct pg_deployment *deployment)
{
	struct bench *bench = arg;

	assert_false(bench->is_calling);
	assert_int_equal(is_up, deployment != NULL);
	if (is_up)
		bench->ups++;
	else
		bench->downs++;
	if (deployment != NULL)
		bench->epoch = deployment->epoch;
}

static void bench_start(struct bench *bench, int connections, int queue_max)
{
	struct pg_async_opts opts;

	*bench = (struct bench){.base = event_base_new(), .relay = relay_start()};
	opts = (struct pg_async_opts){
		.pg = relay_opts(bench->relay),
		.connections = connections,
		.queue_max = queue_max,
		.on_state = on_state,
		.arg = bench,
	};

	bench->pa = pg_async_new(bench->base, &opts);
	assert_non_null(bench->pa);
	assert_int_equal(bench->ups + bench->downs, 0);
}

static void bench_stop(struct bench *bench)
{
	pg_async_free(bench->pa);
	event_base_free(bench->base);
	relay_stop(bench->relay);
}

/* Turns the loop until the condition holds. */
#define TURN_UNTIL(bench, condition)                                 \
	do {                                                         \
		int64_t turn_deadline_ms = live_pg_deadline();       \
                                                                     \
		while (!(condition)) {                               \
			if (clock_mono_ms() > turn_deadline_ms)      \
				fail_msg("in vain: %s", #condition); \
			turn(bench);                                 \
		}                                                    \
	} while (0)

static void turn(struct bench *bench)
{
	struct timeval tv = {.tv_usec = 20000};

	event_base_loopexit(bench->base, &tv);
	event_base_loop(bench->base, EVLOOP_ONCE);
}

static struct pg_call *ask(struct bench *bench, const struct pg_query *query, int64_t value,
			   int timeout_ms, struct answer *answer);

static void on_answer(void *arg, enum err err, const PGresult *result)
{
	struct answer *answer = arg;

	assert_false(answer->bench->is_calling);
	assert_int_equal(result != NULL, err == ERR_NONE);
	answer->times++;
	answer->err = err;
	answer->was_away = pg_async_is_away(answer->bench->pa);
	if (result != NULL) {
		struct pg_row r = pg_row_of(result, 0);

		answer->value = pg_row_int(&r);
		assert_false(r.failed);
	}
	if (answer->cancel != NULL)
		pg_call_cancel(answer->cancel);
	if (answer->ask != NULL)
		assert_non_null(
			ask(answer->bench, &query_echo, answer->value + 1, 20000, answer->ask));
}

static struct pg_call *ask(struct bench *bench, const struct pg_query *query, int64_t value,
			   int timeout_ms, struct answer *answer)
{
	struct pg_call *call;
	struct pg_stmt stmt;

	answer->bench = bench;
	pg_stmt_init(&stmt, query);
	pg_stmt_int(&stmt, value);
	bench->is_calling = true;
	call = pg_async_exec(bench->pa, &stmt, timeout_ms, on_answer, answer);
	bench->is_calling = false;
	assert_null(stmt.bytes.data);
	return call;
}

enum { LONG_MS = 20000 };

static void many_calls(void **state)
{
	enum { CALLS = 200 };
	struct bench bench;
	struct answer answers[CALLS] = {0}, last = {0};

	(void)state;
	bench_start(&bench, 3, 0);
	/* Asked before any connection exists: they wait for one. */
	for (int i = 0; i < CALLS; i++) {
		answers[i].ask = i == 0 ? &last : NULL;
		assert_non_null(ask(&bench, &query_echo, i, LONG_MS, &answers[i]));
	}
	assert_false(pg_async_is_up(bench.pa));
	for (int i = 0; i < CALLS; i++) {
		TURN_UNTIL(&bench, answers[i].times > 0);
		assert_int_equal(answers[i].err, ERR_NONE);
		assert_int_equal(answers[i].value, i);
	}
	TURN_UNTIL(&bench, last.times > 0);
	assert_int_equal(last.value, 1);
	TURN_UNTIL(&bench, bench.ups == 3);
	assert_int_equal(bench.downs, 0);
	assert_true(bench.epoch >= 1);
	for (int i = 0; i < CALLS; i++)
		assert_int_equal(answers[i].times, 1);
	bench_stop(&bench);
}

static void cancelling(void **state)
{
	struct bench bench;
	struct answer slow = {0}, queued = {0}, by_other = {0}, killer = {0}, after = {0};
	struct pg_call *call;

	(void)state;
	bench_start(&bench, 1, 0);
	TURN_UNTIL(&bench, pg_async_is_up(bench.pa));
	call = ask(&bench, &query_wait, 200, LONG_MS, &slow);
	pg_call_cancel(ask(&bench, &query_echo, 1, LONG_MS, &queued));
	TURN_UNTIL(&bench, live_pg_number("SELECT count(*) FROM pg_stat_activity"
					  " WHERE wait_event = 'PgSleep'") == 1);
	pg_call_cancel(call);
	assert_non_null(ask(&bench, &query_echo, 2, LONG_MS, &killer));
	killer.cancel = ask(&bench, &query_echo, 3, LONG_MS, &by_other);
	assert_non_null(ask(&bench, &query_echo, 4, LONG_MS, &after));
	TURN_UNTIL(&bench, after.times > 0);
	assert_int_equal(after.value, 4);
	assert_int_equal(killer.times, 1);
	assert_int_equal(slow.times + queued.times + by_other.times, 0);
	bench_stop(&bench);
}

static void running_out_of_time(void **state)
{
	struct bench bench;
	struct answer warm = {0}, slow = {0}, write = {0}, queued = {0}, after = {0};

	(void)state;
	bench_start(&bench, 1, 0);
	assert_non_null(ask(&bench, &query_write, 1, LONG_MS, &warm));
	TURN_UNTIL(&bench, warm.times > 0);
	relay_set(bench.relay, RELAY_STALL);
	assert_non_null(ask(&bench, &query_write, 2, 300, &write));
	assert_non_null(ask(&bench, &query_echo, 3, 100, &queued));
	TURN_UNTIL(&bench, write.times > 0);
	assert_int_equal(write.err, ERR_UNCERTAIN);
	assert_int_equal(queued.times, 1);
	assert_int_equal(queued.err, ERR_UNAVAILABLE);
	assert_int_equal(bench.downs, 1);
	assert_false(pg_async_is_up(bench.pa));
	assert_string_equal(pg_async_error(bench.pa), "no answer in time");

	relay_set(bench.relay, RELAY_PASS);
	assert_non_null(ask(&bench, &query_wait, 5000, 300, &slow));
	TURN_UNTIL(&bench, slow.times > 0);
	assert_true(slow.err == ERR_TIMEOUT || slow.err == ERR_UNAVAILABLE);
	assert_non_null(ask(&bench, &query_echo, 5, LONG_MS, &after));
	TURN_UNTIL(&bench, after.times > 0);
	assert_int_equal(after.err, ERR_NONE);
	assert_int_equal(after.value, 5);
	bench_stop(&bench);
}

static void a_missed_deadline_counts_for_idle_connections(void **state)
{
	struct bench bench;
	struct answer late = {0};

	(void)state;
	bench_start(&bench, 3, 0);
	TURN_UNTIL(&bench, bench.ups == 3);
	relay_set(bench.relay, RELAY_STALL);
	assert_non_null(ask(&bench, &query_echo, 1, 200, &late));
	TURN_UNTIL(&bench, late.times > 0);
	assert_int_not_equal(late.err, ERR_NONE);
	assert_int_equal(bench.downs, 1);
	assert_false(pg_async_is_up(bench.pa));
	assert_true(late.was_away);
	assert_true(pg_async_is_away(bench.pa));
	relay_set(bench.relay, RELAY_PASS);
	TURN_UNTIL(&bench, bench.ups == 6);
	assert_false(pg_async_is_away(bench.pa));
	bench_stop(&bench);
}

static void end_backends(void)
{
	live_pg_run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
		    " WHERE usename = 'bellhop'");
}

static void a_read_outlives_its_connection(void **state)
{
	static const struct pg_query deadly = {
		.name = "deadly",
		.sql = "SELECT $1::bigint FROM pg_terminate_backend(pg_backend_pid())"};
	struct bench bench;
	struct answer read = {0}, write = {0}, killer = {0}, after = {0};

	(void)state;
	bench_start(&bench, 2, 0);
	TURN_UNTIL(&bench, bench.ups == 2);
	assert_non_null(ask(&bench, &query_slow_write, 500, LONG_MS, &write));
	assert_non_null(ask(&bench, &query_wait, 500, LONG_MS, &read));
	TURN_UNTIL(&bench, live_pg_number("SELECT count(*) FROM pg_stat_activity"
					  " WHERE wait_event = 'PgSleep'") == 2);
	end_backends();
	TURN_UNTIL(&bench, bench.downs == 1);
	assert_false(pg_async_is_away(bench.pa));
	TURN_UNTIL(&bench, read.times + write.times == 2);
	assert_int_equal(read.err, ERR_NONE);
	assert_int_equal(read.value, 500);
	assert_int_not_equal(write.err, ERR_NONE);

	/* Not for ever: it may be what ends them. */
	assert_non_null(ask(&bench, &deadly, 1, LONG_MS, &killer));
	TURN_UNTIL(&bench, killer.times > 0);
	assert_int_not_equal(killer.err, ERR_NONE);
	assert_non_null(ask(&bench, &query_echo, 2, LONG_MS, &after));
	TURN_UNTIL(&bench, after.times > 0);
	assert_int_equal(after.value, 2);
	bench_stop(&bench);
}

static void losing_the_server(void **state)
{
	struct bench bench;
	struct answer warm = {0}, cut = {0}, refused = {0}, after = {0};
	int ups;

	(void)state;
	bench_start(&bench, 1, 0);
	assert_non_null(ask(&bench, &query_write, 1, LONG_MS, &warm));
	TURN_UNTIL(&bench, warm.times > 0);
	relay_set(bench.relay, RELAY_CUT);
	assert_non_null(ask(&bench, &query_write, 2, LONG_MS, &cut));
	TURN_UNTIL(&bench, cut.times > 0);
	assert_int_equal(cut.err, ERR_UNCERTAIN);
	assert_int_equal(bench.downs, 1);
	/* Where no connection can be made, calls do not wait for their time-outs. */
	relay_set(bench.relay, RELAY_REFUSE);
	assert_non_null(ask(&bench, &query_write, 3, LONG_MS, &refused));
	TURN_UNTIL(&bench, refused.times > 0);
	assert_int_equal(refused.err, ERR_UNAVAILABLE);
	refused.times = 0;
	assert_non_null(ask(&bench, &query_write, 4, LONG_MS, &refused));
	TURN_UNTIL(&bench, refused.times > 0);
	assert_int_equal(refused.err, ERR_UNAVAILABLE);
	assert_true(pg_async_is_away(bench.pa));

	ups = bench.ups;
	relay_set(bench.relay, RELAY_PASS);
	TURN_UNTIL(&bench, bench.ups > ups);
	assert_non_null(ask(&bench, &query_echo, 5, LONG_MS, &after));
	TURN_UNTIL(&bench, after.times > 0);
	assert_int_equal(after.value, 5);

	/* An idle connection that is ended is noticed without asking. */
	end_backends();
	TURN_UNTIL(&bench, bench.downs == 2);
	TURN_UNTIL(&bench, pg_async_is_up(bench.pa));
	bench_stop(&bench);
}

static void a_full_queue(void **state)
{
	struct bench bench;
	struct answer answers[4] = {0};
	struct pg_stmt broken;

	(void)state;
	bench_start(&bench, 1, 2);
	assert_non_null(ask(&bench, &query_echo, 0, LONG_MS, &answers[0]));
	assert_non_null(ask(&bench, &query_echo, 1, LONG_MS, &answers[1]));
	assert_null(ask(&bench, &query_echo, 2, LONG_MS, &answers[2]));
	pg_stmt_init(&broken, &query_echo);
	pg_stmt_text(&broken, (struct str){"1\0", 2});
	assert_null(pg_async_exec(bench.pa, &broken, LONG_MS, on_answer, &answers[3]));
	TURN_UNTIL(&bench, answers[1].times > 0);
	assert_int_equal(answers[2].times + answers[3].times, 0);
	/* Freed with a call under way and one in the queue: neither is told. */
	answers[0].times = answers[1].times = 0;
	assert_non_null(ask(&bench, &query_wait, 3000, LONG_MS, &answers[0]));
	assert_non_null(ask(&bench, &query_echo, 1, LONG_MS, &answers[1]));
	TURN_UNTIL(&bench, live_pg_number("SELECT count(*) FROM pg_stat_activity"
					  " WHERE wait_event = 'PgSleep'") == 1);
	bench_stop(&bench);
	assert_int_equal(answers[0].times + answers[1].times, 0);
}

static void an_error_of_the_statement(void **state)
{
	static const struct pg_query wrong = {.name = "wrong",
					      .sql = "SELECT $1::bigint FROM nowhere"};
	static const struct pg_query zero = {.name = "zero", .sql = "SELECT 1 / ($1::bigint - 1)"};
	struct bench bench;
	struct answer answers[4] = {0};

	(void)state;
	bench_start(&bench, 1, 0);
	assert_non_null(ask(&bench, &wrong, 1, LONG_MS, &answers[0]));
	assert_non_null(ask(&bench, &zero, 1, LONG_MS, &answers[1]));
	assert_non_null(ask(&bench, &zero, 2, LONG_MS, &answers[2]));
	assert_non_null(ask(&bench, &query_echo, 7, LONG_MS, &answers[3]));
	TURN_UNTIL(&bench, answers[3].times > 0);
	assert_int_equal(answers[0].err, ERR_REFUSED);
	assert_int_equal(answers[1].err, ERR_INVALID);
	assert_int_equal(answers[2].err, ERR_NONE);
	assert_int_equal(answers[3].value, 7);
	assert_int_equal(bench.ups, 1);
	assert_int_equal(bench.downs, 0);
	bench_stop(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_calls),
		cmocka_unit_test(cancelling),
		cmocka_unit_test(a_missed_deadline_counts_for_idle_connections),
		cmocka_unit_test(running_out_of_time),
		cmocka_unit_test(losing_the_server),
		cmocka_unit_test(a_read_outlives_its_connection),
		cmocka_unit_test(a_full_queue),
		cmocka_unit_test(an_error_of_the_statement),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
