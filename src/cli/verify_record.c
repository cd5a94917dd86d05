/* SPDX-License-Identifier: BSD-2-Clause */
/* bellhop verify: the record of one ticket against its own rules. */
#include "config.h"

#include "cli/verify.h"
#include "store/record_copy.h"

/* The walk over a ticket's events: how far it is, and what the event there said. */
struct walk {
	int64_t seq;
	int64_t n, n_public;
	int64_t last_public; /* -1: retention took it, so nobody knows */
};

static void check_number(struct verify *v, int64_t seq, const char *name, int64_t is, int64_t due)
{
	if (is != due)
		verify_differs(v, "event %lld: %s is %lld, a recount says %lld", (long long)seq,
			       name, (long long)is, (long long)due);
}

/* Begins below the oldest event that is kept. */
static void begin(struct walk *walk, int64_t first_seq, int64_t first_n, int64_t first_n_public)
{
	*walk = (struct walk){
		.seq = first_seq - 1,
		.n = first_n,
		.n_public = first_n_public,
		.last_public = first_seq > 1 ? -1 : 0,
	};
}

/* One event further; the walk goes on with what the event says, so that a fault is told once. */
static void step(struct verify *v, struct walk *walk, const struct record_audit *e)
{
	long long seq = e->seq;

	if (e->first_seq > walk->seq + 1)
		begin(walk, e->first_seq, e->first_n, e->first_n_public);
	if (e->seq != walk->seq + 1)
		verify_differs(v, "events %lld to %lld are missing", (long long)walk->seq + 1,
			       seq - 1);
	check_number(v, e->seq, "n", e->n, walk->n + e->is_message);
	check_number(v, e->seq, "n_public", e->n_public,
		     walk->n_public + (e->is_message && e->is_public));
	if (walk->last_public >= 0)
		check_number(v, e->seq, "prev_public", e->prev_public, walk->last_public);
	if (!e->is_own_right)
		verify_differs(v, "event %lld: its sender's own messages are counted wrongly", seq);
	if (!e->is_target_right)
		verify_differs(v, "event %lld: the message that it changes does not say so", seq);
	if (!e->is_state_right)
		verify_differs(v, "event %lld: text, deletion and kind do not go together", seq);
	*walk = (struct walk){
		.seq = e->seq,
		.n = e->n,
		.n_public = e->n_public,
		.last_public = e->is_public ? e->seq : e->prev_public,
	};
	v->events++;
}

/* A batch of events; *is_last_r if there are no more. */
static int step_batch(struct verify *v, struct walk *walk, int64_t to, bool *is_last_r)
{
	struct record_audit audit;
	struct pg_stmt stmt;
	PGresult *result;
	int status = 0;
	size_t n;

	record_copy_put_audit(&stmt, v->ticket, walk->seq, to);
	result = stores_ask(v->stores, &stmt);
	if (result == NULL)
		return -1;
	n = record_copy_count_audit(result);
	*is_last_r = n < RECORD_LIMIT_MAX;
	for (size_t i = 0; i < n && status == 0; i++) {
		if (record_copy_parse_audit(result, i, &audit) != 0)
			status = stores_odd(v->stores, "PostgreSQL");
		else
			step(v, walk, &audit);
	}
	PQclear(result);
	return status;
}

/* The ticket's row, which was read before the events: nothing of what it said can have changed. */
static void check_end(struct verify *v, const struct walk *walk, const struct record_ticket *ticket)
{
	if (walk->seq < ticket->last_seq)
		verify_differs(v, "events %lld to %lld are missing", (long long)walk->seq + 1,
			       (long long)ticket->last_seq);
	if (walk->seq != ticket->last_seq)
		return;
	if (walk->n != ticket->n || walk->n_public != ticket->n_public)
		verify_differs(
			v, "the ticket counts %lld messages, %lld public; its events %lld and %lld",
			(long long)ticket->n, (long long)ticket->n_public, (long long)walk->n,
			(long long)walk->n_public);
	if (walk->last_public >= 0 && walk->last_public != ticket->last_public)
		verify_differs(v, "the newest public event is %lld, the ticket says %lld",
			       (long long)walk->last_public, (long long)ticket->last_public);
}

int verify_record(struct verify *v, const struct record_ticket *ticket)
{
	bool is_last = false;
	struct walk walk;

	begin(&walk, ticket->first_seq, ticket->first_n, ticket->first_n_public);
	while (!is_last) {
		if (step_batch(v, &walk, ticket->last_seq, &is_last) != 0)
			return -1;
	}
	check_end(v, &walk, ticket);
	return 0;
}
