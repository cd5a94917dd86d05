/* SPDX-License-Identifier: BSD-2-Clause */
/* What a query decodes to is text, without doubles, and never longer than it was. */
#include "config.h"

#include "base/utf8.h"
#include "fuzz.h"
#include "web/query.h"

static void expect_clean(const struct query *q, size_t size)
{
	size_t total = 0;

	for (size_t i = 0; i < q->n; i++) {
		FUZZ_EXPECT(utf8_is_text(q->pairs[i].name) && utf8_is_text(q->pairs[i].value));
		FUZZ_EXPECT(q->pairs[i].name.n > 0);
		total += q->pairs[i].name.n + q->pairs[i].value.n;
		for (size_t j = 0; j < i; j++)
			FUZZ_EXPECT(!str_eq(q->pairs[i].name, q->pairs[j].name));
	}
	FUZZ_EXPECT(total <= size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct query q;
	const char *detail = NULL;
	int64_t limit = 0;

	if (query_parse(&q, (struct str){(const char *)data, size}, &detail) != QUERY_OK) {
		FUZZ_EXPECT(detail != NULL);
		return 0;
	}
	expect_clean(&q, size);
	if (query_int(&q, "limit", 1, 200, &limit) == QUERY_INT_OK)
		FUZZ_EXPECT(limit >= 1 && limit <= 200);
	query_deinit(&q);
	return 0;
}
