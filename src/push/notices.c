/* SPDX-License-Identifier: BSD-2-Clause */
/* Sorts what was published. */
#include "config.h"

#include "push/notices.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "push/crowds.h"
#include "push/hubs.h"
#include "push/muster.h"
#include "push/opening.h"
#include "push/payload.h"
#include "push/push.h"
#include "push/reads.h"
#include "push/subscriber.h"
#include "push/typing.h"

enum { LOG_EVERY_MS = 60000 };

struct notices {
	struct push *push;
	struct typing *typing;
	struct reads *reads;
	struct crowds *crowds;
	struct muster *muster;
	int64_t odd, logged_ms; /* clock_mono_ms, 0: never */
};

struct notices *notices_new(struct push *push)
{
	struct notices *notices = calloc(1, sizeof(*notices));

	if (notices == NULL)
		return NULL;
	notices->push = push;
	notices->typing = typing_new(push->base);
	notices->reads = reads_new(push->base);
	notices->crowds = crowds_new();
	if (notices->crowds != NULL)
		notices->muster = muster_new(push->base, push->stores, notices->crowds);
	if (notices->typing == NULL || notices->reads == NULL || notices->muster == NULL) {
		notices_free(notices);
		return NULL;
	}
	return notices;
}

void notices_free(struct notices *notices)
{
	if (notices == NULL)
		return;
	typing_free(notices->typing);
	reads_free(notices->reads);
	muster_free(notices->muster);
	crowds_free(notices->crowds);
	free(notices);
}

void notices_count_odd(struct notices *notices)
{
	int64_t now_ms = clock_mono_ms();

	notices->odd++;
	if (notices->logged_ms != 0 && now_ms < notices->logged_ms + LOG_EVERY_MS)
		return;
	notices->logged_ms = now_ms;
	log_warn(NULL, "could not read what was published", LOG_INT("messages", notices->odd));
}

void notices_ticket(struct notices *notices, struct str ticket, struct str payload)
{
	struct hub *hub = hubs_find(notices->push->hubs, ticket);
	struct payload said;

	if (hub == NULL)
		return;
	if (payload_parse(payload, &said) != 0) {
		notices_count_odd(notices);
		return;
	}
	switch (said.kind) {
	case PAYLOAD_TYPING_START:
		typing_start(notices->typing, hub, said.user, said.name, said.ms);
		break;
	case PAYLOAD_TYPING_STOP:
		typing_stop(notices->typing, hub, said.user, said.name);
		break;
	case PAYLOAD_READ:
		reads_take(notices->reads, hub,
			   &(struct reads_mark){.user = said.user,
						.seq = said.seq,
						.public_seq = said.public_seq,
						.at_ms = said.at_ms});
		break;
	case PAYLOAD_HERE:
		crowds_here(notices->crowds, hub, said.user, said.status);
		break;
	case PAYLOAD_PRESENCE:
	case PAYLOAD_RENEWED:
	case PAYLOAD_INBOX:
		notices_count_odd(notices);
		break;
	}
	payload_deinit(&said);
}

static void notices_renewed(struct notices *notices, const struct renewal *renewal)
{
	subscribers_renew(notices->push->subscribers, renewal);
	openings_renew(notices->push->openings, renewal);
}

void notices_system(struct notices *notices, struct str payload)
{
	struct payload said;

	if (payload_parse(payload, &said) != 0) {
		notices_count_odd(notices);
		return;
	}
	if (said.kind == PAYLOAD_PRESENCE)
		crowds_presence(
			notices->crowds, said.user,
			&(struct presence_state){.status = said.status, .seen_ms = said.seen_ms});
	else if (said.kind == PAYLOAD_RENEWED)
		notices_renewed(notices, &said.renewal);
	else
		notices_count_odd(notices);
	payload_deinit(&said);
}

void notices_joined(struct notices *notices, struct str ticket)
{
	struct hub *hub = hubs_find(notices->push->hubs, ticket);

	if (hub != NULL)
		muster_joined(notices->muster, hub);
}

int notices_hub_made(struct notices *notices, struct hub *hub)
{
	return muster_hub(notices->muster, hub);
}

void notices_fed(struct notices *notices, struct hub *hub, const struct ticket_event *event)
{
	typing_event(notices->typing, hub, event);
	crowds_event(notices->crowds, hub, event);
}

void notices_hub_gone(struct notices *notices, struct hub *hub)
{
	typing_forget(notices->typing, hub);
	reads_forget(notices->reads, hub);
	muster_forget(notices->muster, hub);
	crowds_forget(notices->crowds, hub);
}

struct typing *notices_typing(struct notices *notices)
{
	return notices->typing;
}

struct crowds *notices_crowds(struct notices *notices)
{
	return notices->crowds;
}
