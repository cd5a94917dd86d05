/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A request comes out the same however its bytes are cut, what is kept of them is bounded, and what
 * goes back without a request as well. The first byte chooses the size of the pieces.
 */
#include "config.h"

#include <string.h>

#include "api/intake.h"
#include "fuzz.h"

enum { LIMIT = 256, OUT_MAX = 8192 };

static void feed(struct intake *intake, const uint8_t *data, size_t size, size_t n)
{
	while (size > 0 && intake->state <= INTAKE_BODY && !intake_is_over(intake)) {
		size_t piece = size < n ? size : n;

		intake_feed(intake, (struct str){(const char *)data, piece});
		FUZZ_EXPECT(intake->body.len <= LIMIT + piece);
		FUZZ_EXPECT(intake->out.len <= OUT_MAX);
		FUZZ_EXPECT((intake->state == INTAKE_BROKEN) == (intake->parser.broken != NULL));
		data += piece;
		size -= piece;
	}
}

static void expect_same_request(const struct request *a, const struct request *b)
{
	FUZZ_EXPECT(a->method == b->method && a->content_length == b->content_length);
	FUZZ_EXPECT(str_eq(a->uri, b->uri) && str_eq(a->authorization, b->authorization));
	FUZZ_EXPECT(str_eq(a->cookie, b->cookie) && str_eq(a->trusted.user, b->trusted.user));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct intake whole, pieces;

	if (size == 0)
		return 0;
	intake_init(&whole, LIMIT);
	intake_init(&pieces, LIMIT);
	feed(&whole, data + 1, size - 1, size);
	feed(&pieces, data + 1, size - 1, data[0] % 32 + 1U);
	/* A body over the limit is given up where that shows, which depends on the cuts. */
	if (!intake_is_over(&whole) && !intake_is_over(&pieces)) {
		FUZZ_EXPECT(whole.state == pieces.state && whole.fault == pieces.fault);
		FUZZ_EXPECT(str_eq(buf_str(&whole.body), buf_str(&pieces.body)));
		FUZZ_EXPECT(str_eq(buf_str(&whole.out), buf_str(&pieces.out)));
		expect_same_request(&whole.request, &pieces.request);
	}
	if (whole.state == INTAKE_DONE) {
		intake_answer(&whole, STR("Status: 204 No Content\r\n\r\n"));
		FUZZ_EXPECT(whole.state == INTAKE_DONE);
	}
	intake_deinit(&whole);
	intake_deinit(&pieces);
	return 0;
}
