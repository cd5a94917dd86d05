/* SPDX-License-Identifier: BSD-2-Clause */
/* What is published reaches whoever follows it, and the connection comes back by itself. */
#include "config.h"

#include <event2/event.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "cmocka_setup.h"
#include "fake_redis.h"
#include "push/live.h"

#define HELLO	   "+OK\r\n"
#define SUBSCRIBED "*3\r\n$9\r\nsubscribe\r\n$8\r\nb:system\r\n:1\r\n"

struct seen {
	struct event_base *base;
	struct live *live;
	struct buf heard; /* "kind id payload;" ... */
	int joined;	  /* how often the ticket's channel was */
	bool leaves;	  /* the ticket, as soon as it hears of it */
};

static void note(struct seen *seen, const char *kind, struct str id, struct str payload)
{
	buf_printf(&seen->heard, "%s %.*s %.*s;", kind, STR_ARG(id), STR_ARG(payload));
}

static void on_ticket(void *arg, struct str ticket, struct str payload)
{
	struct seen *seen = arg;

	if (seen->leaves)
		live_unfollow_ticket(seen->live, ticket);
	note(seen, "ticket", ticket, payload);
}

static void on_user(void *arg, struct str user, struct str payload)
{
	note(arg, "user", user, payload);
}

static void on_system(void *arg, struct str payload)
{
	note(arg, "system", STR("-"), payload);
}

static void on_joined(void *arg, struct str ticket)
{
	assert_true(str_eq_c(ticket, "T-1"));
	((struct seen *)arg)->joined++;
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

static void begin(struct seen *seen, const struct redis_target *target)
{
	*seen = (struct seen){.base = event_base_new(), .heard = BUF_INIT};
	seen->live = live_new(&(struct live_opts){.base = seen->base,
						  .target = target,
						  .prefix = "b:",
						  .connect_timeout_ms = 500,
						  .ops = {.ticket = on_ticket,
							  .user = on_user,
							  .system = on_system,
							  .joined = on_joined,
							  .arg = seen}});
	assert_non_null(seen->live);
}

static void end(struct seen *seen)
{
	live_free(seen->live);
	event_base_loop(seen->base, EVLOOP_NONBLOCK);
	event_base_free(seen->base);
	buf_deinit(&seen->heard);
}

/* The answers to b:system, b:live:T-1 and b:user:ann, and messages of those and of another. */
#define MESSAGES                                                             \
	SUBSCRIBED "*3\r\n$9\r\nsubscribe\r\n$10\r\nb:live:T-1\r\n:2\r\n"    \
		   "*3\r\n$7\r\nmessage\r\n$10\r\nb:live:T-1\r\n$1\r\na\r\n" \
		   "*3\r\n$9\r\nsubscribe\r\n$10\r\nb:user:ann\r\n:3\r\n"    \
		   "*3\r\n$7\r\nmessage\r\n$10\r\nb:user:ann\r\n$1\r\nb\r\n" \
		   "*3\r\n$7\r\nmessage\r\n$10\r\nb:live:T-2\r\n$1\r\nc\r\n" \
		   "*3\r\n$7\r\nmessage\r\n$10\r\nb:live:T-1\r\n$1\r\nd\r\n" \
		   "*3\r\n$7\r\nmessage\r\n$8\r\nb:system\r\n$2\r\n{}\r\n"

static void hear(bool is_dripping, bool leaves, const char *expected)
{
	const struct fake_redis_turn turn = {HELLO, MESSAGES, is_dripping, false};
	struct fake_redis fake;
	struct seen seen;

	fake_redis_start(&fake, &turn, 1);
	begin(&seen, &fake.target);
	seen.leaves = leaves;
	assert_int_equal(live_follow_ticket(seen.live, STR("T-1")), 0);
	assert_int_equal(live_follow_user(seen.live, STR("ann")), 0);
	RUN_UNTIL(&seen, strstr(buf_cstr(&seen.heard), "system") != NULL);
	assert_string_equal(buf_cstr(&seen.heard), expected);
	RUN_UNTIL(&seen, seen.joined == (leaves ? seen.joined : 1));
	assert_true(live_is_up(seen.live));
	end(&seen);
	fake_redis_stop(&fake);
}

static void messages_go_to_those_who_follow(void **state)
{
	(void)state;
	hear(false, false, "ticket T-1 a;user ann b;ticket T-1 d;system - {};");
	hear(true, false, "ticket T-1 a;user ann b;ticket T-1 d;system - {};");
	hear(false, true, "ticket T-1 a;user ann b;system - {};");
}

#define JOINED SUBSCRIBED "*3\r\n$9\r\nsubscribe\r\n$10\r\nb:live:T-1\r\n:2\r\n"

/* And what was missed meanwhile can be asked for. */
static void it_comes_back_by_itself(void **state)
{
	static const struct fake_redis_turn turns[] = {
		{HELLO, JOINED, false, true},
		{NULL, NULL, false, false},
		{HELLO, "nonsense\r\n", false, false},
		{HELLO, JOINED "*3\r\n$7\r\nmessage\r\n$8\r\nb:system\r\n$2\r\n{}\r\n", false,
		 false},
	};
	struct fake_redis fake;
	struct seen seen;

	(void)state;
	fake_redis_start(&fake, turns, LENGTH(turns));
	begin(&seen, &fake.target);
	assert_int_equal(live_follow_ticket(seen.live, STR("T-1")), 0);
	RUN_UNTIL(&seen, strstr(buf_cstr(&seen.heard), "system") != NULL);
	assert_string_equal(buf_cstr(&seen.heard), "system - {};");
	RUN_UNTIL(&seen, seen.joined == 2);
	end(&seen);
	fake_redis_stop(&fake);
}

/* Also while there is no connection, and more often than it was followed. */
static void following_is_counted(void **state)
{
	static const char answer[] = SUBSCRIBED
		"*3\r\n$9\r\nsubscribe\r\n$10\r\nb:live:T-1\r\n:2\r\n"
		"*3\r\n$7\r\nmessage\r\n$10\r\nb:user:ann\r\n$1\r\nb\r\n"
		"*3\r\n$7\r\nmessage\r\n$10\r\nb:live:T-1\r\n$1\r\nd\r\n";
	const struct fake_redis_turn turn = {HELLO, answer, false, false};
	struct fake_redis fake;
	struct seen seen;

	(void)state;
	fake_redis_start(&fake, &turn, 1);
	begin(&seen, &fake.target);
	assert_int_equal(live_follow_ticket(seen.live, STR("T-1")), 0);
	assert_int_equal(live_follow_ticket(seen.live, STR("T-1")), 0);
	assert_int_equal(live_follow_user(seen.live, STR("ann")), 0);
	live_unfollow_ticket(seen.live, STR("T-1"));
	live_unfollow_user(seen.live, STR("ann"));
	live_unfollow_user(seen.live, STR("ann"));
	live_unfollow_user(seen.live, STR("nobody"));
	RUN_UNTIL(&seen, seen.heard.len > 0);
	assert_string_equal(buf_cstr(&seen.heard), "ticket T-1 d;");
	end(&seen);
	fake_redis_stop(&fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_go_to_those_who_follow),
		cmocka_unit_test(it_comes_back_by_itself),
		cmocka_unit_test(following_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
