/* SPDX-License-Identifier: BSD-2-Clause */
/* The record's texts, a step of rows after the other. */
#include "config.h"

#include "cli/reseal.h"

#include <poll.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "store/record_copy.h"
#include "store/record_seal.h"
#include "web/ids.h"

enum {
	VARIANT = sodium_base64_VARIANT_ORIGINAL,
	UNOPENED_SHOWN = 10,
	/*
	 * What somebody read before a message was sealed anew may still be on its way: into the former texts
	 * by an edit, which is over after 2 s (BELLHOP_PG_TIMEOUT_MS), and into Redis, which takes a load for
	 * 4 s (HOT_LATE) and waits BELLHOP_REDIS_TIMEOUT_MS for a push.
	 */
	SETTLE_MS = 5000,
};

_Static_assert((int)RECORD_SEAL_HEAD_SIZE == (int)SEAL_HEAD_SIZE, "what a text begins with");

/* What is to be written after a step; texts are at their offsets until all are there. */
struct batch {
	struct record_seal_change changes[RECORD_SEAL_BATCH];
	size_t at[2 * RECORD_SEAL_BATCH];
	size_t n;
	struct buf base64;
};

/* ---- counting ---- */

static void count(struct reseal *r, struct str head, int64_t texts)
{
	const struct reseal_use use = {
		.is_plain = !seal_is_sealed(head), .key_id = seal_id_of(head), .texts = texts};

	for (size_t i = 0; i < r->nuses; i++) {
		if (r->uses[i].is_plain == use.is_plain && r->uses[i].key_id == use.key_id) {
			r->uses[i].texts += texts;
			return;
		}
	}
	if (r->nuses < RESEAL_KEYS_MAX)
		r->uses[r->nuses++] = use;
}

/* The head of all texts of the newest key. */
static struct str newest_head(const struct reseal *r, char head_r[SEAL_HEAD_SIZE])
{
	const uint32_t id = seal_key_id(r->stores.seal, seal_count(r->stores.seal) - 1);

	head_r[0] = 1;
	for (int i = 0; i < 4; i++)
		head_r[1 + i] = (char)(id >> (24 - 8 * i));
	return (struct str){head_r, SEAL_HEAD_SIZE};
}

/* ---- one step ---- */

static void put_base64(struct batch *batch, size_t slot, const void *bytes, size_t n)
{
	size_t size = sodium_base64_ENCODED_LEN(n, VARIANT);

	batch->at[slot] = batch->base64.len;
	if (buf_reserve(&batch->base64, size) != 0)
		return;
	sodium_bin2base64(batch->base64.data + batch->base64.len, size, bytes, n, VARIANT);
	batch->base64.len += size;
}

static void note_unopened(struct reseal *r, const struct record_seal_row *row,
			  enum seal_outcome outcome)
{
	char key[SEAL_ID_TEXT_SIZE];

	seal_id_text(seal_id_of(row->content), key);
	if (r->unopened++ < UNOPENED_SHOWN)
		command_note(r->stores.in, "ticket %.*s, message %lld: %s (key %s)",
			     STR_ARG(row->ticket), (long long)row->seq, seal_outcome_text(outcome),
			     key);
}

/* Opens a row's text, and puts what it is to be into the batch. 0, or -1 when out of memory. */
static int seal_row(struct reseal *r, const struct record_seal_row *row, struct batch *batch)
{
	const struct seal_place place = {row->ticket, row->uid, row->sender_id};
	unsigned char digest[crypto_hash_sha256_BYTES];
	struct buf opened = BUF_INIT, sealed = BUF_INIT;
	enum seal_outcome outcome;
	struct str text;

	outcome = seal_open(r->stores.seal, &place, row->content, &opened, &text);
	if (outcome == SEAL_OPENED && seal_put(r->stores.seal, &place, text, &sealed) != 0)
		outcome = SEAL_MEMORY;
	if (outcome == SEAL_OPENED) {
		crypto_hash_sha256(digest, (const unsigned char *)row->content.p, row->content.n);
		put_base64(batch, 2 * batch->n, digest, sizeof(digest));
		put_base64(batch, 2 * batch->n + 1, sealed.data, sealed.len);
		batch->changes[batch->n++] = (struct record_seal_change){
			.ticket = row->ticket, .seq = row->seq, .rev = row->rev};
	} else if (outcome != SEAL_MEMORY) {
		note_unopened(r, row, outcome);
	}
	buf_deinit(&opened);
	buf_deinit(&sealed);
	return outcome == SEAL_MEMORY || !buf_ok(&batch->base64) ? -1 : 0;
}

static int write_batch(struct reseal *r, enum record_seal_table table, struct batch *batch)
{
	char head[SEAL_HEAD_SIZE];
	struct pg_stmt stmt;
	PGresult *result;
	int64_t changed = 0;
	int status = 0;

	if (batch->n == 0)
		return 0;
	for (size_t i = 0; i < batch->n; i++) {
		batch->changes[i].was = str_of(batch->base64.data + batch->at[2 * i]);
		batch->changes[i].text = str_of(batch->base64.data + batch->at[2 * i + 1]);
	}
	record_seal_put_changes(&stmt, table, batch->changes, batch->n);
	result = stores_ask(&r->stores, &stmt);
	if (result == NULL)
		return -1;
	if (record_seal_parse_changed(result, &changed) != 0)
		status = stores_odd(&r->stores, "PostgreSQL");
	PQclear(result);
	/* What is not among them was edited or deleted meanwhile, by somebody who has the newest key. */
	r->changed += changed;
	count(r, newest_head(r, head), changed);
	return status;
}

static int take_row(struct reseal *r, const struct record_seal_row *row, struct batch *batch)
{
	char newest[SEAL_HEAD_SIZE];
	bool is_newest = str_eq(row->head, newest_head(r, newest));
	int64_t unopened = r->unopened;

	if (row->head.p == NULL)
		return 0;
	if (is_newest || r->is_dry) {
		r->changed += !is_newest;
		count(r, row->head, 1);
		return 0;
	}
	if (seal_row(r, row, batch) != 0) {
		command_fail(r->stores.in, "out of memory");
		return -1;
	}
	if (r->unopened > unopened)
		count(r, row->head, 1);
	return 0;
}

/* Moves `step` behind what it brought. 1: there is more; 0: no; -1. */
static int take_step(struct reseal *r, struct record_seal_step *step, struct buf *ticket,
		     struct batch *batch)
{
	struct record_seal_row row = {0};
	struct pg_stmt stmt;
	PGresult *result;
	int status = 0;
	size_t n;

	record_seal_put_step(&stmt, step);
	result = stores_ask(&r->stores, &stmt);
	if (result == NULL)
		return -1;
	n = record_seal_count(result);
	batch->n = 0;
	buf_reset(&batch->base64);
	for (size_t i = 0; i < n && status == 0; i++)
		status = record_seal_parse(result, i, &row) != 0
				 ? stores_odd(&r->stores, "PostgreSQL")
				 : take_row(r, &row, batch);
	if (status == 0)
		status = write_batch(r, step->table, batch);
	if (status == 0 && n > 0) {
		buf_reset(ticket);
		buf_put_str(ticket, row.ticket);
		step->ticket = buf_str(ticket);
		step->seq = row.seq;
		step->rev = row.rev;
		status = n == RECORD_SEAL_BATCH;
	}
	PQclear(result);
	progress_set(&r->progress, r->progress.done + (int64_t)n);
	return status;
}

static int walk(struct reseal *r, enum record_seal_table table, struct batch *batch)
{
	char head[SEAL_HEAD_SIZE];
	struct record_seal_step step = {
		.table = table,
		.is_one = r->ticket.n > 0,
		.ticket = r->ticket,
		.newest = r->is_dry ? (struct str){0} : newest_head(r, head),
	};
	struct buf ticket = BUF_INIT;
	int status;

	do {
		status = take_step(r, &step, &ticket, batch);
	} while (status > 0);
	buf_deinit(&ticket);
	return status;
}

int reseal_record(struct reseal *r)
{
	struct batch *batch = calloc(1, sizeof(*batch));
	struct pg_stmt stmt;
	PGresult *result;
	int64_t now_us, total = 0;
	int status = -1;

	if (batch == NULL) {
		command_fail(r->stores.in, "out of memory");
		return -1;
	}
	record_copy_put_total(&stmt, r->ticket, STR(""));
	result = stores_ask(&r->stores, &stmt);
	if (result != NULL)
		status = record_copy_parse_total(result, &now_us, &total) != 0
				 ? stores_odd(&r->stores, "PostgreSQL")
				 : 0;
	PQclear(result);
	progress_start(&r->progress, total);
	/*
	 * An edit moves the text of a message among the former ones: so these come last, when no message is
	 * left that an old text could come from, nor an edit that has read one.
	 */
	if (status == 0)
		status = walk(r, RECORD_SEAL_MESSAGES, batch);
	if (status == 0 && r->changed > 0 && !r->is_dry)
		poll(NULL, 0, SETTLE_MS);
	if (status == 0)
		status = walk(r, RECORD_SEAL_REVISIONS, batch);
	progress_end(&r->progress, status == 0);
	buf_deinit(&batch->base64);
	free(batch);
	return status;
}
