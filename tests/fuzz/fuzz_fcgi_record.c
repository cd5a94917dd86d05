/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Records mean the same however the stream is cut, events come in the order
 * of the protocol, and answers are bounded. The first byte chooses the size of
 * the pieces; with its highest bit set a request is answered when its params
 * have ended, so that connections are used again.
 */
#include "config.h"

#include "fuzz.h"
#include "web/fcgi_record.h"

#define ANSWER_EARLY 0x80

/* Which events may follow, as the contract of fcgi_record.h says. */
struct order {
	bool active, params_done, stdin_done;
};

static void expect_order(struct order *order, enum fcgi_record_step step)
{
	switch (step) {
	case FCGI_RECORD_STARTED:
		FUZZ_EXPECT(!order->active);
		*order = (struct order){.active = true};
		break;
	case FCGI_RECORD_PARAMS_PART:
		FUZZ_EXPECT(order->active && !order->params_done);
		break;
	case FCGI_RECORD_PARAMS_END:
		FUZZ_EXPECT(order->active && !order->params_done);
		order->params_done = true;
		break;
	case FCGI_RECORD_STDIN_PART:
		FUZZ_EXPECT(order->active && order->params_done && !order->stdin_done);
		break;
	case FCGI_RECORD_STDIN_END:
		FUZZ_EXPECT(order->active && order->params_done && !order->stdin_done);
		order->stdin_done = true;
		break;
	case FCGI_RECORD_ABORTED:
		FUZZ_EXPECT(order->active);
		break;
	case FCGI_RECORD_MORE:
	case FCGI_RECORD_BROKEN:
		break;
	}
}

/* Writes an event in a form that does not depend on how parts were cut. */
static void note(struct buf *out, enum fcgi_record_step step, const struct fcgi_record_part *part)
{
	if (part->data.n > 0) {
		buf_put_str(out, part->data);
		return;
	}
	buf_printf(out, "<%d %d %d>", (int)step, part->id, part->keep_conn);
}

/* Parses a stream in pieces of n bytes; what happened and what was answered go to out. */
static void parse(const uint8_t *data, size_t size, size_t n, bool answer_early, struct buf *out)
{
	struct fcgi_record_parser parser;
	enum fcgi_record_step step = FCGI_RECORD_MORE;
	struct fcgi_record_part part;
	struct order order = {0};
	struct buf answers = BUF_INIT;

	fcgi_record_init(&parser);
	while (size > 0 && step == FCGI_RECORD_MORE) {
		size_t piece = size < n ? size : n;
		struct scan in;

		scan_init(&in, data, piece);
		while ((step = fcgi_record_next(&parser, &in, &answers, &part)) !=
			       FCGI_RECORD_MORE &&
		       step != FCGI_RECORD_BROKEN) {
			expect_order(&order, step);
			note(out, step, &part);
			if (answer_early && step == FCGI_RECORD_PARAMS_END) {
				fcgi_record_done(&parser);
				order.active = false;
			}
		}
		FUZZ_EXPECT(step == FCGI_RECORD_BROKEN || in.left == 0);
		FUZZ_EXPECT((step == FCGI_RECORD_BROKEN) == (parser.broken != NULL));
		data += piece;
		size -= piece;
	}
	buf_printf(out, "|%s|", parser.broken != NULL ? parser.broken : "");
	buf_put_str(out, buf_str(&answers));
	buf_deinit(&answers);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole = BUF_INIT, pieces = BUF_INIT;
	bool answer_early;

	if (size == 0)
		return 0;
	answer_early = (data[0] & ANSWER_EARLY) != 0;
	parse(data + 1, size - 1, size, answer_early, &whole);
	parse(data + 1, size - 1, data[0] % 32 + 1U, answer_early, &pieces);
	FUZZ_EXPECT(str_eq(buf_str(&whole), buf_str(&pieces)));
	buf_deinit(&whole);
	buf_deinit(&pieces);
	return 0;
}
