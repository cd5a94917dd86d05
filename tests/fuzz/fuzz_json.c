/* SPDX-License-Identifier: BSD-2-Clause */
/* What is read can be written, and what was written reads as the same. */
#include "config.h"

#include "base/utf8.h"
#include "fuzz.h"
#include "web/json_read.h"
#include "web/json_write.h"

/* Recursion is bounded: nothing deeper than JSON_READ_DEPTH is ever read. */
static void write_value(struct json_write *w, const struct json_read_value *value)
{
	const struct json_read_value *child;
	bool is_object = json_read_is_object(value);
	int64_t number;

	switch (json_read_type(value)) {
	case JSON_READ_NULL:
		json_write_null(w);
		return;
	case JSON_READ_BOOL:
		json_write_bool(w, json_read_bool(value));
		return;
	case JSON_READ_NUMBER:
		if (json_read_int(value, INT64_MIN, INT64_MAX, &number) == 0)
			json_write_int(w, number);
		else
			json_write_raw(w, json_read_str(value));
		return;
	case JSON_READ_STRING:
		FUZZ_EXPECT(utf8_is_valid(json_read_str(value)));
		json_write_str(w, json_read_str(value));
		return;
	case JSON_READ_ARRAY:
		json_write_open_array(w);
		break;
	case JSON_READ_OBJECT:
		json_write_open_object(w);
		break;
	}
	for (child = json_read_first(value); child != NULL; child = json_read_next(child)) {
		if (is_object)
			json_write_key_str(w, json_read_key(child));
		write_value(w, child);
	}
	json_write_close(w);
}

/* Reads and writes again. Returns whether the text was good. */
static bool rewrite(struct str text, struct buf *out)
{
	struct json_read_error error = {0};
	struct json_read *json;
	struct json_write w;

	if (json_read(text, &json, &error) != JSON_READ_OK) {
		FUZZ_EXPECT(json == NULL && error.reason != NULL && error.at <= text.n);
		return false;
	}
	json_write_init(&w, out);
	write_value(&w, json_read_root(json));
	json_read_free(json);
	FUZZ_EXPECT(json_write_finish(&w) == 0);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf once = BUF_INIT, twice = BUF_INIT;

	if (rewrite((struct str){(const char *)data, size}, &once)) {
		FUZZ_EXPECT(rewrite(buf_str(&once), &twice));
		FUZZ_EXPECT(str_eq(buf_str(&once), buf_str(&twice)));
	}
	buf_deinit(&once);
	buf_deinit(&twice);
	return 0;
}
