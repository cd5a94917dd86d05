/* SPDX-License-Identifier: BSD-2-Clause */
/* What leaves a connection's queue is whole records over whole frames, however the socket cuts it. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/scan.h"
#include "cmocka_setup.h"
#include "push/outq.h"

/* Writes at most `max` bytes of what waits, as a socket would. Returns how many. */
static size_t write_some(struct outq *q, struct buf *wire, size_t max)
{
	struct iovec iov[OUTQ_IOV_MAX];
	int used = outq_gather(q, iov);
	size_t written = 0;

	assert_true(used <= OUTQ_IOV_MAX);
	for (int i = 0; i < used && written < max; i++) {
		size_t n = iov[i].iov_len < max - written ? iov[i].iov_len : max - written;

		buf_put(wire, iov[i].iov_base, n);
		written += n;
	}
	outq_sent(q, written);
	return written;
}

/* The contents of the STDOUT records in `wire`, which must be whole. */
static void unwrap(const struct buf *wire, uint16_t request_id, struct buf *content)
{
	struct scan in;

	scan_init(&in, wire->data, wire->len);
	while (in.left > 0) {
		uint8_t version, type, padding, reserved;
		uint16_t id, length;
		struct str bytes;

		assert_int_equal(scan_u8(&in, &version), 0);
		assert_int_equal(scan_u8(&in, &type), 0);
		assert_int_equal(scan_u16be(&in, &id), 0);
		assert_int_equal(scan_u16be(&in, &length), 0);
		assert_int_equal(scan_u8(&in, &padding), 0);
		assert_int_equal(scan_u8(&in, &reserved), 0);
		assert_int_equal(type, FCGI_RECORD_STDOUT);
		assert_int_equal(id, request_id);
		assert_true(length > 0); /* an empty one would end the stream */
		assert_int_equal(scan_take(&in, length, &bytes), 0);
		assert_int_equal(scan_skip(&in, padding), 0);
		buf_put_str(content, bytes);
	}
}

static void put(struct outq *q, struct buf *expected, size_t len, char letter, enum outq_kind kind)
{
	char *bytes = malloc(len);
	struct frame *frame;

	memset(bytes, letter, len);
	bytes[len - 1] = '\n';
	frame = frame_raw((struct str){bytes, len});
	assert_non_null(frame);
	assert_int_equal(outq_put(q, frame, kind), 0);
	frame_unref(frame);
	if (expected != NULL)
		buf_put(expected, bytes, len);
	free(bytes);
}

static void any_cut_yields_the_same_bytes(void **state)
{
	static const size_t lengths[] = {1, 7, 300, 65535, 2, 65536, 200000, 12, 40000, 30000, 9};

	(void)state;
	for (size_t cut = 1; cut < 100000; cut = cut * 3 + 1) {
		struct outq q;
		struct buf wire = BUF_INIT, content = BUF_INIT, expected = BUF_INIT;

		outq_init(&q, 513);
		for (size_t i = 0; i < LENGTH(lengths); i++)
			put(&q, &expected, lengths[i], (char)('a' + i), OUTQ_REPLAY);
		assert_int_equal(q.bytes, expected.len);
		while (!outq_is_empty(&q))
			assert_true(write_some(&q, &wire, cut) > 0);
		unwrap(&wire, 513, &content);
		assert_true(str_eq(buf_str(&content), buf_str(&expected)));
		assert_int_equal(q.bytes, 0);
		outq_deinit(&q);
		buf_deinit(&wire);
		buf_deinit(&content);
		buf_deinit(&expected);
	}
}

/* The frame is shared, the id is not: it is put in place of the frame's own. */
static void another_id_takes_the_place_of_the_own(void **state)
{
	static const char line[] = "id: 1.~AAAA\n", rest[] = "event: message\ndata: {\"n\":1}\n\n";
	struct frame *id = frame_raw(str_of(line));
	struct frame *frame = frame_new("message", STR("1.5"), STR("{\"n\":1}"));

	(void)state;
	assert_non_null(id);
	assert_non_null(frame);
	for (size_t cut = 1; cut < 80; cut++) {
		struct outq q;
		struct buf wire = BUF_INIT, content = BUF_INIT, expected = BUF_INIT;

		outq_init(&q, 7);
		for (int i = 0; i < 20; i++) {
			put(&q, &expected, 5, 'a', OUTQ_REPLAY);
			assert_int_equal(outq_put_as(&q, id, frame, OUTQ_LIVE), 0);
			buf_puts(&expected, line);
			buf_puts(&expected, rest);
		}
		assert_int_equal(q.bytes, expected.len);
		assert_int_equal(q.live_bytes, 20 * (sizeof(line) + sizeof(rest) - 2));
		while (!outq_is_empty(&q))
			assert_true(write_some(&q, &wire, cut) > 0);
		unwrap(&wire, 7, &content);
		assert_true(str_eq(buf_str(&content), buf_str(&expected)));
		assert_int_equal(q.bytes, 0);
		assert_int_equal(q.live_bytes, 0);
		outq_deinit(&q);
		buf_deinit(&wire);
		buf_deinit(&content);
		buf_deinit(&expected);
	}
	assert_int_equal(frame->refs, 1);
	frame_unref(id);
	frame_unref(frame);
}

static void many_small_frames_travel_together(void **state)
{
	struct outq q;
	struct buf wire = BUF_INIT;

	(void)state;
	outq_init(&q, 1);
	for (int i = 0; i < 60; i++)
		put(&q, NULL, 10, 'x', OUTQ_LIVE);
	assert_int_equal(write_some(&q, &wire, SIZE_MAX), FCGI_RECORD_HEAD_SIZE + 600);
	assert_true(outq_is_empty(&q));
	outq_deinit(&q);
	buf_deinit(&wire);
}

static void only_live_bytes_count_as_live(void **state)
{
	struct outq q;
	struct buf wire = BUF_INIT;

	(void)state;
	outq_init(&q, 1);
	put(&q, NULL, 100, 'r', OUTQ_REPLAY);
	put(&q, NULL, 50, 'l', OUTQ_LIVE);
	assert_int_equal(q.bytes, 150);
	assert_int_equal(q.live_bytes, 50);
	write_some(&q, &wire, FCGI_RECORD_HEAD_SIZE + 120);
	assert_int_equal(q.bytes, 30);
	assert_int_equal(q.live_bytes, 30);
	outq_deinit(&q);
	buf_deinit(&wire);
}

static void what_is_dropped_leaves_whole_frames(void **state)
{
	(void)state;
	for (size_t cut = 0; cut < 150000; cut += 997) {
		struct outq q;
		struct buf wire = BUF_INIT, content = BUF_INIT;
		size_t left = cut;

		outq_init(&q, 7);
		put(&q, NULL, 100, 'a', OUTQ_LIVE);
		put(&q, NULL, 90000, 'b', OUTQ_LIVE);
		put(&q, NULL, 70000, 'c', OUTQ_LIVE);
		while (left > 0 && !outq_is_empty(&q))
			left -= write_some(&q, &wire, left);
		outq_drop(&q);
		put(&q, NULL, 4, 'z', OUTQ_REPLAY);
		while (!outq_is_empty(&q))
			write_some(&q, &wire, SIZE_MAX);
		unwrap(&wire, 7, &content);
		assert_true(str_ends(buf_str(&content), STR("zzz\n")));
		assert_true(content.len == 4 || content.data[content.len - 5] == '\n');
		assert_int_equal(q.live_bytes, 0);
		outq_deinit(&q);
		buf_deinit(&wire);
		buf_deinit(&content);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_cut_yields_the_same_bytes),
		cmocka_unit_test(another_id_takes_the_place_of_the_own),
		cmocka_unit_test(many_small_frames_travel_together),
		cmocka_unit_test(only_live_bytes_count_as_live),
		cmocka_unit_test(what_is_dropped_leaves_whole_frames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
