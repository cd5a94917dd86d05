/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sealing. The first byte chooses what the rest is: 'k' a file of keys, 'o' a stored text, which nobody
 * who fuzzes can seal; 's' a text that is sealed here and has to open again, and nowhere else.
 */
#include "config.h"

#include <sodium.h>

#include "chat/seal.h"
#include "fuzz.h"

static const struct seal_place place = {{"T-1", 3}, {"u", 1}, {"bob", 3}};
static const struct seal_place other = {{"T-1", 3}, {"v", 1}, {"bob", 3}};

static struct seal *ring;

static void make_ring(void)
{
	struct buf line = BUF_INIT, error = BUF_INIT;

	FUZZ_EXPECT(seal_put_new_key(&line) == 0);
	FUZZ_EXPECT(seal_parse(buf_str(&line), "keys", &ring, &error) == 0);
	buf_deinit(&line);
	buf_deinit(&error);
}

static void read_keys(struct str text)
{
	struct buf error = BUF_INIT;
	struct seal *seal;

	if (seal_parse(text, "keys", &seal, &error) == 0)
		FUZZ_EXPECT(seal_count(seal) >= 1 && seal_count(seal) <= SEAL_KEYS_MAX &&
			    error.len == 0);
	else
		FUZZ_EXPECT(seal == NULL && error.len > 0 && error.data[error.len - 1] == '\n');
	seal_free(seal);
	buf_deinit(&error);
}

static void open_text(struct str stored)
{
	struct buf out = BUF_INIT;
	struct str text;
	enum seal_outcome outcome = seal_open(ring, &place, stored, &out, &text);

	if (seal_is_sealed(stored))
		FUZZ_EXPECT(outcome != SEAL_OPENED && text.p == NULL);
	else
		FUZZ_EXPECT(outcome == SEAL_OPENED && text.p == stored.p && text.n == stored.n);
	buf_deinit(&out);
}

static void seal_text(struct str text)
{
	struct buf sealed = BUF_INIT, out = BUF_INIT;
	struct str opened;

	FUZZ_EXPECT(seal_put(ring, &place, text, &sealed) == 0);
	FUZZ_EXPECT(seal_is_newest(ring, buf_str(&sealed)));
	FUZZ_EXPECT(seal_open(ring, &place, buf_str(&sealed), &out, &opened) == SEAL_OPENED);
	FUZZ_EXPECT(str_eq(opened, text));
	FUZZ_EXPECT(seal_open(ring, &other, buf_str(&sealed), &out, &opened) == SEAL_TAMPERED);
	buf_deinit(&sealed);
	buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = {(const char *)data + 1, size - 1};

	if (size == 0)
		return 0;
	if (ring == NULL)
		make_ring();
	if (data[0] == 'k')
		read_keys(rest);
	else if (data[0] == 's')
		seal_text(rest);
	else
		open_text(rest);
	return 0;
}
