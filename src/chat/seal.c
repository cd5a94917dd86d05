/* SPDX-License-Identifier: BSD-2-Clause */
/* The ring of keys, and what is sealed and opened with them. */
#include "config.h"

#include "chat/seal.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "chat/message.h"
#include "web/base64url.h"

enum {
	VERSION = 1,
	ID_SIZE = 4,
	NONCE_SIZE = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
	TAG_SIZE = crypto_aead_xchacha20poly1305_ietf_ABYTES,
	PLACE_MAX = 255, /* of each part: its length is told in one byte */
	AD_MAX = SEAL_HEAD_SIZE + 3 * (1 + PLACE_MAX),
};

_Static_assert(SEAL_HEAD_SIZE == 1 + ID_SIZE, "version and key id");
_Static_assert(SEAL_OVERHEAD == SEAL_HEAD_SIZE + NONCE_SIZE + TAG_SIZE, "head, nonce and tag");
_Static_assert(SEAL_KEY_SIZE == crypto_kdf_KEYBYTES, "subkeys are derived from it");

/* What is derived from a key of the file, each for one purpose. */
struct key {
	unsigned char cipher[crypto_aead_xchacha20poly1305_ietf_KEYBYTES];
	unsigned char nonce[crypto_generichash_KEYBYTES];
};

struct seal {
	struct secret keys; /* SEAL_KEYS_MAX of struct key, in guarded memory */
	size_t n;
	uint32_t ids[SEAL_KEYS_MAX];
};

static const struct key *key_at(const struct seal *seal, size_t i)
{
	return (const struct key *)(const void *)seal->keys.data + i;
}

/* ---- the ring ---- */

/* A key's parts (crypto_kdf, BLAKE2b): what names it tells nothing of what it opens with. */
static void derive(const unsigned char master[SEAL_KEY_SIZE], struct key *key_r, uint32_t *id_r)
{
	static const char context[crypto_kdf_CONTEXTBYTES + 1] = "bhopseal";
	unsigned char id[crypto_kdf_BYTES_MIN];

	if (key_r != NULL) {
		crypto_kdf_derive_from_key(key_r->cipher, sizeof(key_r->cipher), 1, context,
					   master);
		crypto_kdf_derive_from_key(key_r->nonce, sizeof(key_r->nonce), 2, context, master);
	}
	crypto_kdf_derive_from_key(id, sizeof(id), 3, context, master);
	*id_r = (uint32_t)id[0] << 24 | (uint32_t)id[1] << 16 | (uint32_t)id[2] << 8 | id[3];
}

void seal_id_text(uint32_t id, char text_r[SEAL_ID_TEXT_SIZE])
{
	snprintf(text_r, SEAL_ID_TEXT_SIZE, "%08x", (unsigned int)id);
}

/* NULL, or what is wrong with a line. */
static const char *add_line(struct seal *seal, struct str line)
{
	unsigned char master[SEAL_KEY_SIZE];
	char id_text[SEAL_ID_TEXT_SIZE];
	const char *reason = NULL;
	uint32_t id;
	size_t n;

	if (line.n < SEAL_ID_TEXT_SIZE || line.p[SEAL_ID_TEXT_SIZE - 1] != ':')
		return "not an id of 8 hex digits, a colon and a key";
	if (seal->n == SEAL_KEYS_MAX)
		return "too many keys";
	if (base64url_decode((struct str){line.p + SEAL_ID_TEXT_SIZE, line.n - SEAL_ID_TEXT_SIZE},
			     master, sizeof(master), &n) != 0 ||
	    n != sizeof(master)) {
		reason = "the key is not 32 bytes in base64url";
		goto out;
	}
	derive(master, (struct key *)(void *)seal->keys.data + seal->n, &id);
	seal_id_text(id, id_text);
	if (memcmp(line.p, id_text, SEAL_ID_TEXT_SIZE - 1) != 0)
		reason = "the id is not that of the key: one of them was changed";
	else if (seal_has_key(seal, id))
		reason = "the key is there already";
	else
		seal->ids[seal->n++] = id;
out:
	sodium_memzero(master, sizeof(master));
	return reason;
}

static struct str next_line(struct str *rest)
{
	const char *end = memchr(rest->p, '\n', rest->n);
	struct str line = {rest->p, end != NULL ? (size_t)(end - rest->p) : rest->n};

	*rest = (struct str){rest->p + line.n, rest->n - line.n};
	if (end != NULL)
		*rest = (struct str){rest->p + 1, rest->n - 1};
	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	return line;
}

static struct seal *seal_new(void)
{
	struct seal *seal = calloc(1, sizeof(*seal));
	unsigned char *none;

	if (seal == NULL)
		return NULL;
	none = calloc(SEAL_KEYS_MAX, sizeof(struct key));
	if (none == NULL ||
	    secret_copy(none, SEAL_KEYS_MAX * sizeof(struct key), &seal->keys) != 0) {
		free(none);
		free(seal);
		return NULL;
	}
	free(none);
	return seal;
}

int seal_parse(struct str lines, const char *name, struct seal **seal_r, struct buf *error)
{
	struct seal *seal = seal_new();
	const char *reason = NULL;
	int number = 0;

	*seal_r = NULL;
	if (seal == NULL) {
		buf_printf(error, "could not read %s: out of memory\n", name);
		return -1;
	}
	while (lines.n > 0 && reason == NULL) {
		struct str line = next_line(&lines);

		number++;
		if (line.n > 0 && line.p[0] != '#')
			reason = add_line(seal, line);
	}
	if (reason != NULL)
		buf_printf(error, "could not use %s: line %d: %s\n", name, number, reason);
	else if (seal->n == 0)
		buf_printf(error, "could not use %s: there is no key in it\n", name);
	if (reason != NULL || seal->n == 0) {
		seal_free(seal);
		return -1;
	}
	*seal_r = seal;
	return 0;
}

int seal_load(const char *path, struct seal **seal_r, struct buf *error)
{
	struct secret file = {0};
	int result;

	*seal_r = NULL;
	if (*path == '\0')
		return 0;
	if (secret_load(path, 0, &file, error) != 0)
		return -1;
	result = seal_parse((struct str){(const char *)file.data, file.len}, path, seal_r, error);
	secret_wipe(&file);
	return result;
}

void seal_free(struct seal *seal)
{
	if (seal == NULL)
		return;
	secret_wipe(&seal->keys);
	free(seal);
}

size_t seal_count(const struct seal *seal)
{
	return seal->n;
}

uint32_t seal_key_id(const struct seal *seal, size_t i)
{
	return seal->ids[i];
}

static const struct key *find_key(const struct seal *seal, uint32_t id)
{
	/* Nearly all was sealed with the newest. */
	for (size_t i = seal != NULL ? seal->n : 0; i > 0; i--) {
		if (seal->ids[i - 1] == id)
			return key_at(seal, i - 1);
	}
	return NULL;
}

bool seal_has_key(const struct seal *seal, uint32_t id)
{
	return find_key(seal, id) != NULL;
}

int seal_put_new_key(struct buf *out)
{
	unsigned char master[SEAL_KEY_SIZE];
	char id_text[SEAL_ID_TEXT_SIZE];
	uint32_t id;

	if (sodium_init() < 0)
		return -1;
	crypto_kdf_keygen(master);
	derive(master, NULL, &id);
	seal_id_text(id, id_text);
	buf_printf(out, "%s:", id_text);
	base64url_encode(out, master, sizeof(master));
	sodium_memzero(master, sizeof(master));
	return buf_ok(out) ? 0 : -1;
}

/* ---- texts ---- */

struct seal_place seal_place_of(const struct ticket_event *event)
{
	return (struct seal_place){event->ticket, event->uid, event->sender_id};
}

bool seal_is_sealed(struct str stored)
{
	return stored.p != NULL && stored.n > 0 && stored.p[0] == VERSION;
}

uint32_t seal_id_of(struct str stored)
{
	const unsigned char *p = (const unsigned char *)stored.p;

	if (!seal_is_sealed(stored) || stored.n < SEAL_HEAD_SIZE)
		return 0;
	return (uint32_t)p[1] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 8 | p[4];
}

bool seal_is_newest(const struct seal *seal, struct str stored)
{
	if (stored.p == NULL)
		return true;
	return seal_is_sealed(stored) && stored.n >= SEAL_OVERHEAD &&
	       seal_id_of(stored) == seal->ids[seal->n - 1];
}

/* Head, then ticket, uid and sender, each behind its length. The length, or 0: a part is too long. */
static size_t make_ad(const unsigned char head[SEAL_HEAD_SIZE], const struct seal_place *place,
		      unsigned char ad_r[AD_MAX])
{
	const struct str parts[] = {place->ticket, place->uid, place->sender};
	size_t n = SEAL_HEAD_SIZE;

	memcpy(ad_r, head, SEAL_HEAD_SIZE);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (parts[i].n > PLACE_MAX)
			return 0;
		ad_r[n++] = (unsigned char)parts[i].n;
		if (parts[i].n > 0)
			memcpy(ad_r + n, parts[i].p, parts[i].n);
		n += parts[i].n;
	}
	return n;
}

static void make_nonce(const struct key *key, struct str ad, struct str text,
		       unsigned char nonce_r[NONCE_SIZE])
{
	crypto_generichash_state state;

	/* The additional data tell their own length, so that nothing of them can pass for text. */
	crypto_generichash_init(&state, key->nonce, sizeof(key->nonce), NONCE_SIZE);
	crypto_generichash_update(&state, (const unsigned char *)ad.p, ad.n);
	crypto_generichash_update(&state, (const unsigned char *)text.p, text.n);
	crypto_generichash_final(&state, nonce_r, NONCE_SIZE);
	sodium_memzero(&state, sizeof(state));
}

int seal_put(const struct seal *seal, const struct seal_place *place, struct str text,
	     struct buf *out)
{
	const uint32_t id = seal->ids[seal->n - 1];
	const struct key *key = key_at(seal, seal->n - 1);
	const unsigned char head[SEAL_HEAD_SIZE] = {VERSION, (unsigned char)(id >> 24),
						    (unsigned char)(id >> 16),
						    (unsigned char)(id >> 8), (unsigned char)id};
	unsigned char ad[AD_MAX], *at;
	size_t ad_len = make_ad(head, place, ad);

	if (ad_len == 0 || buf_reserve(out, SEAL_OVERHEAD + text.n) != 0)
		return -1;
	at = (unsigned char *)out->data + out->len;
	memcpy(at, head, SEAL_HEAD_SIZE);
	make_nonce(key, (struct str){(const char *)ad, ad_len}, text, at + SEAL_HEAD_SIZE);
	crypto_aead_xchacha20poly1305_ietf_encrypt(at + SEAL_HEAD_SIZE + NONCE_SIZE, NULL,
						   (const unsigned char *)text.p, text.n, ad,
						   ad_len, NULL, at + SEAL_HEAD_SIZE, key->cipher);
	out->len += SEAL_OVERHEAD + text.n;
	return 0;
}

enum seal_outcome seal_open(const struct seal *seal, const struct seal_place *place,
			    struct str stored, struct buf *out, struct str *text_r)
{
	const unsigned char *at = (const unsigned char *)stored.p;
	unsigned char ad[AD_MAX];
	const struct key *key;
	size_t ad_len;

	*text_r = (struct str){0};
	if (!seal_is_sealed(stored)) {
		*text_r = stored;
		return SEAL_OPENED;
	}
	if (stored.n < SEAL_OVERHEAD)
		return SEAL_MALFORMED;
	key = find_key(seal, seal_id_of(stored));
	if (key == NULL)
		return SEAL_UNKNOWN_KEY;
	ad_len = make_ad(at, place, ad);
	if (ad_len == 0)
		return SEAL_TAMPERED;
	buf_reset(out);
	if (buf_reserve(out, stored.n - SEAL_OVERHEAD + 1) != 0)
		return SEAL_MEMORY;
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(
		    (unsigned char *)out->data, NULL, NULL, at + SEAL_HEAD_SIZE + NONCE_SIZE,
		    stored.n - SEAL_HEAD_SIZE - NONCE_SIZE, ad, ad_len, at + SEAL_HEAD_SIZE,
		    key->cipher) != 0)
		return SEAL_TAMPERED;
	out->len = stored.n - SEAL_OVERHEAD;
	*text_r = buf_str(out);
	return SEAL_OPENED;
}

const char *seal_outcome_text(enum seal_outcome outcome)
{
	switch (outcome) {
	case SEAL_OPENED:
		return "opened";
	case SEAL_MALFORMED:
		return "it is cut off";
	case SEAL_UNKNOWN_KEY:
		return "its key is not in BELLHOP_SEAL_KEYS_FILE";
	case SEAL_TAMPERED:
		return "it was changed, or belongs to another message";
	case SEAL_MEMORY:
		break;
	}
	return "out of memory";
}

/* ---- reading many ---- */

void seal_reader_deinit(struct seal_reader *reader)
{
	if (reader->text.data != NULL)
		sodium_memzero(reader->text.data, reader->text.cap);
	buf_deinit(&reader->text);
}

void seal_reader_reset(struct seal_reader *reader)
{
	reader->unread = 0;
	reader->out_of_memory = false;
}

void seal_reader_log(const struct seal_reader *reader, const struct log_ctx *ctx)
{
	char key[SEAL_ID_TEXT_SIZE];

	if (reader->unread == 0)
		return;
	seal_id_text(reader->key_id, key);
	log_error(ctx, "could not open a sealed text", LOG_S("ticket", str_of(reader->ticket)),
		  LOG_INT("seq", reader->seq), LOG_STR("reason", seal_outcome_text(reader->why)),
		  LOG_STR("key", key), LOG_INT("texts", reader->unread));
}

struct str seal_reader_open(struct seal_reader *reader, const struct seal_place *place, int64_t seq,
			    struct str stored)
{
	struct str text;
	enum seal_outcome outcome = seal_open(reader->seal, place, stored, &reader->text, &text);

	if (outcome == SEAL_OPENED)
		return text;
	if (outcome == SEAL_MEMORY)
		reader->out_of_memory = true;
	if (reader->unread++ == 0) {
		reader->why = outcome;
		reader->key_id = seal_id_of(stored);
		reader->seq = seq;
		snprintf(reader->ticket, sizeof(reader->ticket), "%.*s", STR_ARG(place->ticket));
	}
	return text;
}

struct ticket_event seal_reader_event(struct seal_reader *reader, const struct ticket_event *event)
{
	const struct seal_place place = seal_place_of(event);
	struct ticket_event opened = *event;

	opened.content = seal_reader_open(reader, &place, message_seq(event), event->content);
	return opened;
}
