/* SPDX-License-Identifier: BSD-2-Clause */
/* Wraps queued frames into STDOUT records as they leave. */
#include "config.h"

#include "push/outq.h"

#include <stdlib.h>

enum { OUTQ_CAP_MIN = 8 };

struct outq_entry {
	struct frame *frame;
	size_t skip; /* bytes at its start that are not sent */
	enum outq_kind kind;
};

static size_t entry_len(const struct outq_entry *entry)
{
	return entry->frame->len - entry->skip;
}

void outq_init(struct outq *q, uint16_t request_id)
{
	*q = (struct outq){.request_id = request_id};
}

static struct outq_entry *outq_at(const struct outq *q, size_t i)
{
	return &q->entries[(q->head + i) % q->cap];
}

/* Takes the entry off either end; what the queue still counted of it is `bytes`. */
static void outq_release(struct outq *q, struct outq_entry *entry, size_t bytes)
{
	q->bytes -= bytes;
	if (entry->kind == OUTQ_LIVE)
		q->live_bytes -= bytes;
	frame_unref(entry->frame);
	q->count--;
}

void outq_deinit(struct outq *q)
{
	for (size_t i = 0; i < q->count; i++)
		frame_unref(outq_at(q, i)->frame);
	free(q->entries);
	outq_init(q, q->request_id);
}

static int outq_grow(struct outq *q)
{
	size_t cap = q->cap == 0 ? OUTQ_CAP_MIN : q->cap * 2;
	struct outq_entry *entries = malloc(cap * sizeof(*entries));

	if (entries == NULL)
		return -1;
	for (size_t i = 0; i < q->count; i++)
		entries[i] = *outq_at(q, i);
	free(q->entries);
	q->entries = entries;
	q->cap = cap;
	q->head = 0;
	return 0;
}

/* There is room for it. */
static void outq_append(struct outq *q, struct frame *frame, size_t skip, enum outq_kind kind)
{
	*outq_at(q, q->count) = (struct outq_entry){frame_ref(frame), skip, kind};
	q->count++;
	q->bytes += frame->len - skip;
	if (kind == OUTQ_LIVE)
		q->live_bytes += frame->len - skip;
}

int outq_put(struct outq *q, struct frame *frame, enum outq_kind kind)
{
	if (frame->len == 0)
		return 0;
	if (q->count == q->cap && outq_grow(q) != 0)
		return -1;
	outq_append(q, frame, 0, kind);
	return 0;
}

int outq_put_as(struct outq *q, struct frame *id, struct frame *frame, enum outq_kind kind)
{
	if (q->count + 1 >= q->cap && outq_grow(q) != 0)
		return -1;
	outq_append(q, id, 0, kind);
	outq_append(q, frame, frame->id_len, kind);
	return 0;
}

bool outq_is_empty(const struct outq *q)
{
	return q->count == 0 && q->header_left == 0;
}

/* The length of a new record: whole frames, or the part of one that fits if it alone is too long. */
static size_t outq_record_len(const struct outq *q)
{
	size_t len = 0;

	/* One place in the iovec belongs to the header. */
	for (size_t i = 0; i < q->count && i < OUTQ_IOV_MAX - 1; i++) {
		size_t n = entry_len(outq_at(q, i)) - (i == 0 ? q->head_sent : 0);

		if (n > FCGI_RECORD_CONTENT_MAX - len)
			return len > 0 ? len : FCGI_RECORD_CONTENT_MAX;
		len += n;
	}
	return len;
}

int outq_gather(struct outq *q, struct iovec iov[OUTQ_IOV_MAX])
{
	int used = 0;
	size_t left, offset = q->head_sent;

	if (q->record_left == 0 && q->header_left == 0) {
		if (q->count == 0)
			return 0;
		q->record_left = outq_record_len(q);
		q->header_left = sizeof(q->header);
		fcgi_record_head(q->header, FCGI_RECORD_STDOUT, q->request_id, q->record_left);
	}
	if (q->header_left > 0)
		iov[used++] = (struct iovec){q->header + sizeof(q->header) - q->header_left,
					     q->header_left};
	left = q->record_left;
	for (size_t i = 0; left > 0; i++, offset = 0) {
		const struct outq_entry *entry = outq_at(q, i);
		size_t n = entry_len(entry) - offset < left ? entry_len(entry) - offset : left;

		iov[used++] = (struct iovec){entry->frame->bytes + entry->skip + offset, n};
		left -= n;
	}
	return used;
}

void outq_sent(struct outq *q, size_t n)
{
	size_t header = n < q->header_left ? n : q->header_left;

	q->header_left -= header;
	n -= header;
	q->record_left -= n;
	while (n > 0) {
		struct outq_entry *entry = outq_at(q, 0);
		size_t left = entry_len(entry) - q->head_sent;

		if (n < left) {
			q->head_sent += n;
			q->bytes -= n;
			if (entry->kind == OUTQ_LIVE)
				q->live_bytes -= n;
			return;
		}
		n -= left;
		outq_release(q, entry, left);
		q->head = (q->head + 1) % q->cap;
		q->head_sent = 0;
	}
}

void outq_drop(struct outq *q)
{
	size_t covered = q->head_sent + q->record_left;
	size_t keep = 0;

	/* What the record's header has promised, and the frame in which it ends. */
	for (size_t sum = 0; keep < q->count && sum < covered; keep++)
		sum += entry_len(outq_at(q, keep));
	while (q->count > keep) {
		struct outq_entry *last = outq_at(q, q->count - 1);

		outq_release(q, last, entry_len(last));
	}
}
