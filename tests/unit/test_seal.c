/* SPDX-License-Identifier: BSD-2-Clause */
/* Sealing: what is sealed opens for its own message alone, whole, with a key that the ring has. */
#include "config.h"

#include <sodium.h>
#include <string.h>

#include "chat/message.h"
#include "chat/seal.h"
#include "cmocka_setup.h"
#include "tempdir.h"

#define TEXT STR("Grüße, \xf0\x9f\x94\x91")

static const struct seal_place place = {
	{"T-1", 3},
	{"uid-1", 5},
	{"bob", 3},
};

static struct buf lines; /* of two keys */
static struct seal *old_ring, *ring;

static struct seal *parse(struct str text)
{
	struct buf error = BUF_INIT;
	struct seal *seal;

	assert_int_equal(seal_parse(text, "keys", &seal, &error), 0);
	assert_int_equal(error.len, 0);
	return seal;
}

static int setup(void **state)
{
	(void)state;
	assert_int_equal(seal_put_new_key(&lines), 0);
	old_ring = parse(buf_str(&lines));
	buf_puts(&lines, "\n# the next one\n\n");
	assert_int_equal(seal_put_new_key(&lines), 0);
	buf_puts(&lines, "\r\n");
	ring = parse(buf_str(&lines));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	seal_free(old_ring);
	seal_free(ring);
	buf_deinit(&lines);
	return 0;
}

/* The last line of `error` has to say `reason`, and nothing of a key. */
static void refuses(struct str text, const char *reason)
{
	struct buf error = BUF_INIT;
	struct seal *seal = ring;

	assert_int_equal(seal_parse(text, "keys", &seal, &error), -1);
	assert_null(seal);
	if (strstr(buf_cstr(&error), reason) == NULL)
		fail_msg("%s: not \"%s\"", buf_cstr(&error), reason);
	assert_int_equal(error.data[error.len - 1], '\n');
	buf_deinit(&error);
}

static void a_ring_is_read_from_lines(void **state)
{
	char id[SEAL_ID_TEXT_SIZE];

	(void)state;
	assert_int_equal(seal_count(old_ring), 1);
	assert_int_equal(seal_count(ring), 2);
	assert_int_equal(seal_key_id(ring, 0), seal_key_id(old_ring, 0));
	assert_true(seal_has_key(ring, seal_key_id(ring, 1)));
	assert_false(seal_has_key(old_ring, seal_key_id(ring, 1)));
	assert_false(seal_has_key(NULL, seal_key_id(ring, 1)));
	seal_id_text(seal_key_id(ring, 0), id);
	assert_memory_equal(lines.data, id, 8);
}

static void what_is_no_ring_is_refused(void **state)
{
	struct str key = {lines.data, 8 + 1 + 43};
	struct buf text = BUF_INIT;

	(void)state;
	refuses(STR(""), "no key");
	refuses(STR("# nothing\n\n"), "no key");
	refuses(STR("CHANGE_ME"), "line 1: not an id");
	refuses(STR("\n0123456:"), "line 2: not an id");
	refuses(STR("01234567:"), "not 32 bytes");
	refuses(STR("01234567:AAAA"), "not 32 bytes");
	refuses((struct str){key.p, key.n - 1}, "not 32 bytes");
	for (size_t i = 0; i < 8; i++) {
		buf_reset(&text);
		buf_put_str(&text, key);
		text.data[i] = text.data[i] == '0' ? '1' : '0';
		refuses(buf_str(&text), "not that of the key");
	}
	buf_reset(&text);
	buf_put_str(&text, key);
	text.data[20] = text.data[20] == 'A' ? 'B' : 'A';
	refuses(buf_str(&text), "not that of the key");
	buf_reset(&text);
	buf_put_str(&text, key);
	buf_putc(&text, ' ');
	refuses(buf_str(&text), "not 32 bytes");
	buf_reset(&text);
	buf_printf(&text, "%.*s\n%.*s\n", STR_ARG(key), STR_ARG(key));
	refuses(buf_str(&text), "line 2: the key is there already");
	buf_reset(&text);
	for (int i = 0; i <= SEAL_KEYS_MAX; i++) {
		assert_int_equal(seal_put_new_key(&text), 0);
		buf_putc(&text, '\n');
	}
	refuses(buf_str(&text), "line 65: too many keys");
	buf_deinit(&text);
}

/* Cut anywhere, a file of keys is a ring of what is whole, or refused. */
static void a_file_that_is_cut_is_refused_or_shorter(void **state)
{
	(void)state;
	for (size_t n = 0; n <= lines.len; n++) {
		struct buf error = BUF_INIT;
		struct seal *seal;

		if (seal_parse((struct str){lines.data, n}, "keys", &seal, &error) == 0)
			assert_true(seal_count(seal) <= 2);
		seal_free(seal);
		buf_deinit(&error);
	}
}

static void a_file_of_keys_is_a_secret(void **state)
{
	struct buf error = BUF_INIT;
	struct tempdir dir;
	struct seal *seal;

	(void)state;
	tempdir_init(&dir);
	assert_int_equal(seal_load("", &seal, &error), 0);
	assert_null(seal);
	assert_int_equal(
		seal_load(tempdir_file(&dir, "keys", lines.data, lines.len, 0600), &seal, &error),
		0);
	assert_int_equal(seal_count(seal), 2);
	seal_free(seal);
	assert_int_equal(error.len, 0);
	assert_int_equal(
		seal_load(tempdir_file(&dir, "open", lines.data, lines.len, 0644), &seal, &error),
		-1);
	assert_null(seal);
	assert_non_null(strstr(buf_cstr(&error), "others may read"));
	assert_int_equal(seal_load(tempdir_name(&dir, "none"), &seal, &error), -1);
	assert_null(seal);
	tempdir_deinit(&dir);
	buf_deinit(&error);
}

static enum seal_outcome try_open(const struct seal *seal, const struct seal_place *at,
				  struct str stored)
{
	struct buf out = BUF_INIT;
	struct str text;
	enum seal_outcome outcome = seal_open(seal, at, stored, &out, &text);

	if (outcome != SEAL_OPENED)
		assert_null(text.p);
	buf_deinit(&out);
	return outcome;
}

static void what_is_sealed_opens(void **state)
{
	static char longest[MESSAGE_CONTENT_MAX];
	const struct str texts[] = {TEXT, STR(""), STR("x"), {longest, sizeof(longest)}};

	(void)state;
	memset(longest, 'y', sizeof(longest));
	for (size_t i = 0; i < LENGTH(texts); i++) {
		struct buf sealed = BUF_INIT, out = BUF_INIT;
		struct str text;

		assert_int_equal(seal_put(ring, &place, texts[i], &sealed), 0);
		assert_int_equal(sealed.len, texts[i].n + SEAL_OVERHEAD);
		assert_true(seal_is_sealed(buf_str(&sealed)));
		assert_true(seal_is_newest(ring, buf_str(&sealed)));
		assert_false(seal_is_newest(old_ring, buf_str(&sealed)));
		assert_int_equal(seal_id_of(buf_str(&sealed)), seal_key_id(ring, 1));
		if (texts[i].n > 4)
			assert_null(memmem(sealed.data, sealed.len, texts[i].p, texts[i].n));
		assert_int_equal(seal_open(ring, &place, buf_str(&sealed), &out, &text),
				 SEAL_OPENED);
		assert_true(str_eq(text, texts[i]));
		assert_int_equal(try_open(old_ring, &place, buf_str(&sealed)), SEAL_UNKNOWN_KEY);
		assert_int_equal(try_open(NULL, &place, buf_str(&sealed)), SEAL_UNKNOWN_KEY);
		buf_deinit(&sealed);
		buf_deinit(&out);
	}
}

/* All keys open, and the newest seals. */
static void an_old_key_still_opens(void **state)
{
	struct buf sealed = BUF_INIT;

	(void)state;
	assert_int_equal(seal_put(old_ring, &place, TEXT, &sealed), 0);
	assert_false(seal_is_newest(ring, buf_str(&sealed)));
	assert_int_equal(try_open(ring, &place, buf_str(&sealed)), SEAL_OPENED);
	buf_deinit(&sealed);
}

/* So that an edit that changes nothing is seen to by the record. */
static void the_same_text_is_sealed_to_the_same_bytes(void **state)
{
	const struct seal_place other = {place.ticket, STR("uid-2"), place.sender};
	struct buf one = BUF_INIT, same = BUF_INIT, next = BUF_INIT, elsewhere = BUF_INIT;

	(void)state;
	assert_int_equal(seal_put(ring, &place, TEXT, &one), 0);
	assert_int_equal(seal_put(ring, &place, TEXT, &same), 0);
	assert_int_equal(seal_put(ring, &place, STR("another"), &next), 0);
	assert_int_equal(seal_put(ring, &other, TEXT, &elsewhere), 0);
	assert_true(str_eq(buf_str(&one), buf_str(&same)));
	/* A nonce serves one text of one message. */
	assert_memory_not_equal(one.data + SEAL_HEAD_SIZE, next.data + SEAL_HEAD_SIZE, 24);
	assert_memory_not_equal(one.data + SEAL_HEAD_SIZE, elsewhere.data + SEAL_HEAD_SIZE, 24);
	buf_deinit(&one);
	buf_deinit(&same);
	buf_deinit(&next);
	buf_deinit(&elsewhere);
}

static void a_text_opens_for_its_own_message_alone(void **state)
{
	const struct seal_place others[] = {
		{STR("T-2"), place.uid, place.sender},
		{place.ticket, STR("uid-2"), place.sender},
		{place.ticket, place.uid, STR("eve")},
		{STR(""), place.uid, place.sender},
		/* What is moved from one part into the next is not the same either. */
		{STR("T-"), STR("1uid-1"), place.sender},
		{STR("T-1u"), STR("id-1"), place.sender},
		{place.ticket, STR("uid-1b"), STR("ob")},
	};
	static char name[256];
	const struct seal_place too_long = {place.ticket, {name, sizeof(name)}, place.sender};
	struct buf sealed = BUF_INIT, out = BUF_INIT;

	(void)state;
	assert_int_equal(seal_put(ring, &place, TEXT, &sealed), 0);
	for (size_t i = 0; i < LENGTH(others); i++)
		assert_int_equal(try_open(ring, &others[i], buf_str(&sealed)), SEAL_TAMPERED);
	memset(name, 'n', sizeof(name));
	assert_int_equal(seal_put(ring, &too_long, TEXT, &out), -1);
	assert_int_equal(try_open(ring, &too_long, buf_str(&sealed)), SEAL_TAMPERED);
	buf_deinit(&sealed);
	buf_deinit(&out);
}

static void a_text_that_was_cut_or_changed_does_not_open(void **state)
{
	struct buf sealed = BUF_INIT;

	(void)state;
	assert_int_equal(seal_put(ring, &place, TEXT, &sealed), 0);
	for (size_t n = 1; n < sealed.len; n++)
		assert_int_equal(try_open(ring, &place, (struct str){sealed.data, n}),
				 n < SEAL_OVERHEAD ? SEAL_MALFORMED : SEAL_TAMPERED);
	/* The first byte is what tells sealed from plain. */
	for (size_t i = 1; i < sealed.len; i++) {
		for (int bit = 0; bit < 8; bit++) {
			sealed.data[i] = (char)(sealed.data[i] ^ 1 << bit);
			assert_int_equal(try_open(ring, &place, buf_str(&sealed)),
					 i < SEAL_HEAD_SIZE ? SEAL_UNKNOWN_KEY : SEAL_TAMPERED);
			sealed.data[i] = (char)(sealed.data[i] ^ 1 << bit);
		}
	}
	/* The name of another key of the ring. */
	for (size_t i = 0; i < 4; i++)
		sealed.data[1 + i] = (char)(seal_key_id(ring, 0) >> (24 - 8 * i));
	assert_int_equal(try_open(ring, &place, buf_str(&sealed)), SEAL_TAMPERED);
	buf_putc(&sealed, 'x');
	assert_int_equal(try_open(ring, &place, buf_str(&sealed)), SEAL_TAMPERED);
	buf_deinit(&sealed);
}

static void a_plain_text_is_told_as_it_is(void **state)
{
	struct buf out = BUF_INIT;
	struct str text;

	(void)state;
	assert_false(seal_is_sealed(TEXT));
	assert_false(seal_is_sealed((struct str){0}));
	assert_false(seal_is_newest(ring, TEXT));
	assert_true(seal_is_newest(ring, (struct str){0}));
	assert_int_equal(seal_open(NULL, &place, TEXT, &out, &text), SEAL_OPENED);
	assert_true(str_eq(text, TEXT));
	assert_int_equal(seal_open(ring, &place, (struct str){0}, &out, &text), SEAL_OPENED);
	assert_null(text.p);
	/* No text that a client may send looks sealed. */
	assert_non_null(message_content_fault(STR("\x01 text")));
	buf_deinit(&out);
}

static void a_reader_remembers_what_it_could_not_open(void **state)
{
	const struct ticket_event message = {.ticket = place.ticket,
					     .seq = 9,
					     .target = 7,
					     .uid = place.uid,
					     .sender_id = place.sender};
	struct seal_reader reader = {.seal = old_ring};
	struct ticket_event stored = message, told;
	struct buf sealed = BUF_INIT, good = BUF_INIT;

	(void)state;
	assert_int_equal(seal_put(old_ring, &place, TEXT, &good), 0);
	stored.content = buf_str(&good);
	told = seal_reader_event(&reader, &stored);
	assert_true(str_eq(told.content, TEXT));
	assert_int_equal(told.seq, 9);
	assert_int_equal(reader.unread, 0);

	assert_int_equal(seal_put(ring, &place, TEXT, &sealed), 0);
	stored.content = buf_str(&sealed);
	told = seal_reader_event(&reader, &stored);
	assert_null(told.content.p);
	stored.target = 8;
	(void)seal_reader_event(&reader, &stored);
	assert_int_equal(reader.unread, 2);
	assert_int_equal(reader.seq, 7);
	assert_string_equal(reader.ticket, "T-1");
	assert_int_equal(reader.why, SEAL_UNKNOWN_KEY);
	assert_int_equal(reader.key_id, seal_key_id(ring, 1));
	assert_false(reader.out_of_memory);
	seal_reader_reset(&reader);
	assert_int_equal(reader.unread, 0);
	seal_reader_deinit(&reader);
	buf_deinit(&sealed);
	buf_deinit(&good);
}

/* What other programs can do with the format, from its description alone. */
static void the_format_is_what_it_is_said_to_be(void **state)
{
	static const char ad_tail[] = "\x03T-1\x05uid-1\x03"
				      "bob";
	unsigned char master[32], cipher[32], ad[SEAL_HEAD_SIZE + sizeof(ad_tail) - 1], text[64];
	unsigned long long n;
	struct buf sealed = BUF_INIT;
	size_t length;

	(void)state;
	assert_int_equal(sodium_base642bin(master, sizeof(master), lines.data + 9, 43, NULL,
					   &length, NULL, sodium_base64_VARIANT_URLSAFE_NO_PADDING),
			 0);
	crypto_kdf_derive_from_key(cipher, sizeof(cipher), 1, "bhopseal", master);
	assert_int_equal(seal_put(old_ring, &place, TEXT, &sealed), 0);
	assert_int_equal(sealed.data[0], 1);
	memcpy(ad, sealed.data, SEAL_HEAD_SIZE);
	memcpy(ad + SEAL_HEAD_SIZE, ad_tail, sizeof(ad_tail) - 1);
	assert_int_equal(crypto_aead_xchacha20poly1305_ietf_decrypt(
				 text, &n, NULL, (unsigned char *)sealed.data + 29, sealed.len - 29,
				 ad, sizeof(ad), (unsigned char *)sealed.data + 5, cipher),
			 0);
	assert_int_equal(n, TEXT.n);
	assert_memory_equal(text, TEXT.p, TEXT.n);
	buf_deinit(&sealed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_ring_is_read_from_lines),
		cmocka_unit_test(what_is_no_ring_is_refused),
		cmocka_unit_test(a_file_that_is_cut_is_refused_or_shorter),
		cmocka_unit_test(a_file_of_keys_is_a_secret),
		cmocka_unit_test(what_is_sealed_opens),
		cmocka_unit_test(an_old_key_still_opens),
		cmocka_unit_test(the_same_text_is_sealed_to_the_same_bytes),
		cmocka_unit_test(a_text_opens_for_its_own_message_alone),
		cmocka_unit_test(a_text_that_was_cut_or_changed_does_not_open),
		cmocka_unit_test(a_plain_text_is_told_as_it_is),
		cmocka_unit_test(a_reader_remembers_what_it_could_not_open),
		cmocka_unit_test(the_format_is_what_it_is_said_to_be),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
