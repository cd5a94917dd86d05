/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What one FastCGI connection still has to send: frames by reference, wrapped into STDOUT records
 * (FastCGI 1.0, 3.3) as they leave. Knows nothing of sockets: it says what to hand to writev(2) and is
 * told how much of that went.
 */
#ifndef BELLHOP_PUSH_OUTQ_H
#define BELLHOP_PUSH_OUTQ_H

#include <sys/uio.h>

#include "push/frame.h"
#include "web/fcgi_record.h"

enum { OUTQ_IOV_MAX = 64 }; /* most entries of one outq_gather() */

/* Why bytes wait; only what is live counts against a slow client. */
enum outq_kind { OUTQ_REPLAY, OUTQ_LIVE };

struct outq_entry;

struct outq {
	struct outq_entry
		*entries; /* a ring of `cap` of them, `count` from `head` on are waiting */
	size_t head, count, cap;
	size_t head_sent; /* bytes of the first entry that are gone */

	size_t bytes;	   /* waiting, record headers not counted */
	size_t live_bytes; /* of them, live */

	unsigned char header[FCGI_RECORD_HEAD_SIZE]; /* of the record under way */
	size_t header_left;
	size_t record_left; /* bytes that the record under way still owes */
	uint16_t request_id;
};

void outq_init(struct outq *q, uint16_t request_id);
void outq_deinit(struct outq *q);

/* Takes a reference of its own. 0, or -1 when out of memory, with nothing queued. */
int outq_put(struct outq *q, struct frame *frame, enum outq_kind kind);

/* The same, with another id: what `id` holds is sent in place of the frame's own line. */
int outq_put_as(struct outq *q, struct frame *id, struct frame *frame, enum outq_kind kind);

/*
 * Fills iov with what is to be written next: the rest of the record under way, or a new record over
 * as many whole frames as fit. Returns the number of entries used, 0 when nothing waits.
 */
int outq_gather(struct outq *q, struct iovec iov[OUTQ_IOV_MAX]);

/* n bytes of what was last gathered have been written. */
void outq_sent(struct outq *q, size_t n);

/*
 * Drops what need not be sent any more so that the bytes that did go out stay well-formed: a frame
 * or record that has begun is kept.
 */
void outq_drop(struct outq *q);

/* True when nothing waits. */
bool outq_is_empty(const struct outq *q);

#endif
