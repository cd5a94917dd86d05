/* SPDX-License-Identifier: BSD-2-Clause */
/* One timer, first for the warning and then for the end. */
#include "config.h"

#include "push/expiry.h"

#include <event2/event.h>
#include <stdlib.h>

#include "base/clock.h"
#include "web/jwt.h"

struct expiry {
	const struct expiry_ops *ops;
	void *owner;
	struct event *timer;
	int64_t end_ms; /* 0: none */
	bool is_told;	/* that it is soon */
};

static void look(struct expiry *expiry)
{
	int64_t left_ms = expiry->end_ms - clock_real_ms();
	int64_t wait_ms = left_ms;
	struct timeval wait;

	if (left_ms <= 0) {
		expiry->end_ms = 0;
		expiry->ops->over(expiry->owner);
		return;
	}
	if (left_ms > EXPIRY_SOON_MS)
		wait_ms = left_ms - EXPIRY_SOON_MS;
	wait = (struct timeval){wait_ms / 1000, wait_ms % 1000 * 1000};
	if (event_add(expiry->timer, &wait) != 0) {
		expiry->end_ms = 0;
		expiry->ops->failed(expiry->owner);
		return;
	}
	if (left_ms <= EXPIRY_SOON_MS && !expiry->is_told) {
		expiry->is_told = true;
		expiry->ops->soon(expiry->owner, left_ms);
	}
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct expiry *expiry = arg;

	(void)fd;
	(void)what;
	if (expiry->end_ms != 0)
		look(expiry);
}

void expiry_watch(struct expiry *expiry, int64_t end_ms)
{
	expiry_stop(expiry);
	expiry->end_ms = end_ms;
	expiry->is_told = false;
	if (end_ms != 0)
		look(expiry);
}

void expiry_stop(struct expiry *expiry)
{
	event_del(expiry->timer);
	expiry->end_ms = 0;
}

int64_t expiry_end_ms(int64_t exp_ms, bool is_stream)
{
	if (exp_ms == 0 || (is_stream && exp_ms > clock_real_ms()))
		return exp_ms;
	return exp_ms + JWT_LEEWAY_S * INT64_C(1000);
}

struct expiry *expiry_new(struct event_base *base, const struct expiry_ops *ops, void *owner)
{
	struct expiry *expiry = calloc(1, sizeof(*expiry));

	if (expiry == NULL)
		return NULL;
	expiry->ops = ops;
	expiry->owner = owner;
	expiry->timer = evtimer_new(base, on_timer, expiry);
	if (expiry->timer == NULL) {
		free(expiry);
		return NULL;
	}
	return expiry;
}

void expiry_free(struct expiry *expiry)
{
	if (expiry == NULL)
		return;
	event_free(expiry->timer);
	free(expiry);
}
