/* SPDX-License-Identifier: BSD-2-Clause */
/* The event-driven carrier against servers that misbehave, and callbacks that pull the rug. */
#include "config.h"

#include <event2/event.h>
#include <string.h>

#include "base/clock.h"
#include "cmocka_setup.h"
#include "fake_redis.h"
#include "store/redis_async.h"

#define HELLO "+OK\r\n"

/* What has happened so far. */
struct seen {
	struct event_base *base;
	struct redis_async *ra;
	int ups, downs, calls, messages;
	enum err err;
	size_t nreplies;
	bool is_inside; /* a call of the module is on the stack */
	bool closes, resubmits;
};

static void on_state(void *arg, bool is_up, const char *reason)
{
	struct seen *seen = arg;

	assert_false(seen->is_inside);
	assert_int_equal(reason == NULL, is_up);
	if (is_up)
		seen->ups++;
	else
		seen->downs++;
}

static struct redis_async_call *submit(struct seen *seen, int64_t timeout_ms);

static void on_answer(void *arg, enum err err, redisReply **replies, size_t nreplies)
{
	struct seen *seen = arg;

	assert_false(seen->is_inside);
	assert_int_equal(replies == NULL, err != ERR_NONE);
	seen->calls++;
	seen->err = err;
	seen->nreplies = nreplies;
	if (seen->closes) {
		redis_async_close(seen->ra);
		seen->ra = NULL;
	} else if (seen->resubmits) {
		seen->resubmits = false;
		submit(seen, 1000);
	}
}

static struct redis_async_call *submit(struct seen *seen, int64_t timeout_ms)
{
	struct buf b = BUF_INIT;
	struct redis_async_call *call;

	redis_wire_putc(&b, "PING", NULL);
	redis_wire_putc(&b, "PING", NULL);
	seen->is_inside = true;
	call = redis_async_submit(seen->ra, &(struct redis_async_request){.commands = &b,
									  .nreplies = 2,
									  .timeout_ms = timeout_ms,
									  .cb = on_answer,
									  .arg = seen});
	seen->is_inside = false;
	assert_non_null(call);
	buf_deinit(&b);
	return call;
}

/* Runs the loop until the condition holds. */
#define RUN_UNTIL(seen, condition)                                      \
	do {                                                            \
		int64_t run_deadline_ms = clock_mono_ms() + 10000;      \
                                                                        \
		while (!(condition)) {                                  \
			if (clock_mono_ms() > run_deadline_ms)          \
				fail_msg("in vain: %s", #condition);    \
			event_base_loop((seen)->base, EVLOOP_NONBLOCK); \
		}                                                       \
	} while (0)

static void begin_with(struct seen *seen, const struct redis_target *target,
		       void (*heard)(void *arg, struct str channel, struct str payload))
{
	*seen = (struct seen){.base = event_base_new(), .is_inside = true};
	seen->ra = redis_async_new(seen->base, &(struct redis_async_opts){.target = target,
									  .name = "test",
									  .connect_timeout_ms = 500,
									  .on_state = on_state,
									  .on_message = heard,
									  .arg = seen});
	seen->is_inside = false;
	assert_non_null(seen->ra);
}

static void begin(struct seen *seen, const struct redis_target *target)
{
	begin_with(seen, target, NULL);
}

static void end(struct seen *seen)
{
	redis_async_close(seen->ra);
	/* What was left behind would run now. */
	event_base_loop(seen->base, EVLOOP_NONBLOCK);
	event_base_free(seen->base);
}

static void test_outcomes(void **state)
{
	static const struct {
		struct fake_redis_turn turn;
		enum err err;
	} rows[] = {
		{{HELLO, "+PONG\r\n-ERR no\r\n", false, false}, ERR_NONE},
		{{HELLO, "+PONG\r\n-ERR no\r\n", true, false}, ERR_NONE},
		{{HELLO, NULL, false, false}, ERR_UNCERTAIN},
		{{HELLO, "+PONG\r\n", false, true}, ERR_UNCERTAIN},
		{{HELLO, "+PONG\r\n", false, false}, ERR_UNCERTAIN},
		{{HELLO, "", false, false}, ERR_UNCERTAIN},
		{{HELLO, "nonsense\r\n", false, false}, ERR_UNCERTAIN},
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct fake_redis fake;
		struct seen seen;

		fake_redis_start(&fake, &rows[i].turn, 1);
		begin(&seen, &fake.target);
		RUN_UNTIL(&seen, seen.ups == 1);
		assert_true(redis_async_is_up(seen.ra));
		submit(&seen, 200);
		RUN_UNTIL(&seen, seen.calls == 1);
		assert_int_equal(seen.err, rows[i].err);
		assert_int_equal(seen.nreplies, rows[i].err == ERR_NONE ? 2 : 0);
		if (rows[i].err != ERR_NONE)
			RUN_UNTIL(&seen, seen.downs == 1);
		end(&seen);
		assert_int_equal(seen.calls, 1);
		fake_redis_stop(&fake);
	}
}

static void test_not_up_is_told_later(void **state)
{
	struct redis_target target = {.path = (char *)"/nonexistent/socket"};
	struct seen seen;

	(void)state;
	begin(&seen, &target);
	submit(&seen, 1000);
	assert_int_equal(seen.calls, 0);
	RUN_UNTIL(&seen, seen.calls == 1 && seen.downs == 1);
	assert_int_equal(seen.err, ERR_UNAVAILABLE);
	end(&seen);
	assert_int_equal(seen.downs, 1);
}

static void test_refused_and_silent_hellos(void **state)
{
	static const struct fake_redis_turn refusing = {"-WRONGPASS no\r\n+OK\r\n", "", false,
							false};
	static const struct fake_redis_turn silent = {"", "", false, false};
	struct fake_redis fake;
	struct seen seen;

	(void)state;
	fake_redis_start(&fake, &refusing, 1);
	fake.target.password = strdup("CHANGE_ME");
	begin(&seen, &fake.target);
	RUN_UNTIL(&seen, seen.downs == 1);
	assert_int_equal(seen.ups, 0);
	end(&seen);
	fake_redis_stop(&fake);

	fake_redis_start(&fake, &silent, 1);
	begin(&seen, &fake.target);
	RUN_UNTIL(&seen, seen.downs == 1);
	end(&seen);
	fake_redis_stop(&fake);
}

static void test_comes_back(void **state)
{
	static const struct fake_redis_turn turns[] = {
		{HELLO, NULL, false, false},
		{NULL, NULL, false, false},
		{HELLO, "+PONG\r\n+PONG\r\n", false, false},
	};
	struct fake_redis fake;
	struct seen seen;

	(void)state;
	fake_redis_start(&fake, turns, LENGTH(turns));
	begin(&seen, &fake.target);
	RUN_UNTIL(&seen, seen.ups == 1);
	assert_int_equal(redis_async_generation(seen.ra), 1);
	submit(&seen, 1000);
	RUN_UNTIL(&seen, seen.ups == 2);
	assert_int_equal(seen.downs, 1);
	assert_int_equal(redis_async_generation(seen.ra), 2);
	assert_int_equal(seen.err, ERR_UNCERTAIN);
	submit(&seen, 1000);
	RUN_UNTIL(&seen, seen.calls == 2);
	assert_int_equal(seen.err, ERR_NONE);
	end(&seen);
	fake_redis_stop(&fake);
}

static void test_close_within_callback(void **state)
{
	static const struct fake_redis_turn turn = {HELLO, "+PONG\r\n+PONG\r\n+PONG\r\n+PONG\r\n",
						    false, false};
	struct fake_redis fake;
	struct seen seen;

	(void)state;
	fake_redis_start(&fake, &turn, 1);
	begin(&seen, &fake.target);
	RUN_UNTIL(&seen, seen.ups == 1);
	seen.closes = true;
	submit(&seen, 1000);
	submit(&seen, 1000);
	RUN_UNTIL(&seen, seen.calls == 1);
	end(&seen);
	assert_int_equal(seen.calls, 1);
	fake_redis_stop(&fake);
}

static void test_submit_within_callback(void **state)
{
	struct redis_target target = {.path = (char *)"/nonexistent/socket"};
	struct seen seen;

	(void)state;
	begin(&seen, &target);
	seen.resubmits = true;
	submit(&seen, 1000);
	RUN_UNTIL(&seen, seen.calls == 2);
	end(&seen);
}

static void test_cancel_and_close_silence(void **state)
{
	static const struct fake_redis_turn turn = {HELLO, "+PONG\r\n+PONG\r\n+PONG\r\n+PONG\r\n",
						    false, false};
	struct fake_redis fake;
	struct seen seen;
	struct redis_async_call *call;

	(void)state;
	fake_redis_start(&fake, &turn, 1);
	begin(&seen, &fake.target);
	RUN_UNTIL(&seen, seen.ups == 1);
	call = submit(&seen, 1000);
	redis_async_cancel(call);
	submit(&seen, 1000);
	RUN_UNTIL(&seen, seen.calls == 1);
	assert_int_equal(seen.err, ERR_NONE);
	submit(&seen, 1000);
	end(&seen);
	assert_int_equal(seen.calls, 1);
	fake_redis_stop(&fake);
}

#define MESSAGE "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\np\r\n"

static void on_message(void *arg, struct str channel, struct str payload)
{
	struct seen *seen = arg;

	assert_false(seen->is_inside);
	assert_true(str_eq(channel, STR("c")) && str_eq(payload, STR("p")));
	seen->messages++;
	if (seen->closes) {
		redis_async_close(seen->ra);
		seen->ra = NULL;
	}
}

/* Messages answer nothing, come between answers, and may be the last that is heard. */
static void test_messages(void **state)
{
	static const char answer[] = MESSAGE "+PONG\r\n" MESSAGE "+PONG\r\n" MESSAGE;
	static const struct {
		bool is_dripping, closes;
		int messages, calls;
	} rows[] = {{false, false, 3, 1}, {true, false, 3, 1}, {false, true, 1, 0}};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		const struct fake_redis_turn turn = {HELLO, answer, rows[i].is_dripping, false};
		struct fake_redis fake;
		struct seen seen;

		fake_redis_start(&fake, &turn, 1);
		begin_with(&seen, &fake.target, on_message);
		RUN_UNTIL(&seen, seen.ups == 1);
		seen.closes = rows[i].closes;
		submit(&seen, 1000);
		RUN_UNTIL(&seen, seen.messages == rows[i].messages && seen.calls == rows[i].calls);
		assert_int_equal(seen.downs, 0);
		end(&seen);
		assert_int_equal(seen.messages, rows[i].messages);
		assert_int_equal(seen.calls, rows[i].calls);
		fake_redis_stop(&fake);
	}
}

/* Without anybody who would hear it, it is an answer like any other, and breaks the order. */
static void test_a_message_that_nobody_wants(void **state)
{
	static const struct fake_redis_turn turn = {HELLO, "+PONG\r\n+PONG\r\n" MESSAGE, false,
						    false};
	struct fake_redis fake;
	struct seen seen;

	(void)state;
	fake_redis_start(&fake, &turn, 1);
	begin(&seen, &fake.target);
	RUN_UNTIL(&seen, seen.ups == 1);
	submit(&seen, 1000);
	RUN_UNTIL(&seen, seen.calls == 1 && seen.downs == 1);
	assert_int_equal(seen.err, ERR_NONE);
	end(&seen);
	fake_redis_stop(&fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_outcomes),
		cmocka_unit_test(test_not_up_is_told_later),
		cmocka_unit_test(test_refused_and_silent_hellos),
		cmocka_unit_test(test_comes_back),
		cmocka_unit_test(test_close_within_callback),
		cmocka_unit_test(test_submit_within_callback),
		cmocka_unit_test(test_cancel_and_close_silence),
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_a_message_that_nobody_wants),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
