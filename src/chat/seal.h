/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sealing: the text of a message is encrypted before it reaches a store, and opened when it is told.
 *
 *	0x01 | key id, 4 bytes | nonce, 24 bytes | ciphertext and tag
 *
 * XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha, libsodium's crypto_aead_xchacha20poly1305_ietf). The
 * additional data are the ticket, the client_msg_id and the sender of the message, with the key id: what
 * was sealed for one message opens for no other. A text never begins with 0x01, since messages have no
 * control characters but tab, newline and return; so sealed and plain texts live side by side.
 *
 * The nonce is a keyed digest of the additional data and the text, not a random number: the same text of
 * the same message is sealed to the same bytes. So an edit that changes nothing, and a statement that is
 * repeated, are recognised without opening anything; and no lack of randomness ever uses a nonce twice.
 *
 * Keys come from a file: lines `<id>:<key>`, the id 8 hex digits that are computed from the key, the key
 * 32 bytes in base64url; blank lines and lines that begin with # say nothing. The last key seals, all open.
 * No I/O but reading that file.
 */
#ifndef BELLHOP_CHAT_SEAL_H
#define BELLHOP_CHAT_SEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/str.h"
#include "store/event.h"
#include "web/ids.h"

enum {
	SEAL_KEYS_MAX = 64,
	SEAL_KEY_SIZE = 32,
	SEAL_HEAD_SIZE = 5,	     /* version and key id: the same for all texts of one key */
	SEAL_OVERHEAD = 5 + 24 + 16, /* how much longer a sealed text is */
	SEAL_ID_TEXT_SIZE = 9,	     /* 8 hex digits and a NUL */
};

struct seal; /* a ring of keys; never changes once made */

/*
 * Reads the ring from a file, as secret_load() does. path "": no sealing, and *seal_r is NULL. 0, or -1
 * with a line of reason appended to *error, which never shows a key, and *seal_r NULL.
 */
int seal_load(const char *path, struct seal **seal_r, struct buf *error);

/* The same of what a file holds; `name` is what errors call it. */
int seal_parse(struct str lines, const char *name, struct seal **seal_r, struct buf *error);

/* Wipes and frees; NULL is fine. */
void seal_free(struct seal *seal);

/* 1 to SEAL_KEYS_MAX keys, oldest first; the last one seals. */
size_t seal_count(const struct seal *seal);
uint32_t seal_key_id(const struct seal *seal, size_t i);
bool seal_has_key(const struct seal *seal, uint32_t id); /* NULL has none */

/* Appends the line of a new random key, without its end. 0, or -1 if out of memory. */
int seal_put_new_key(struct buf *out);

void seal_id_text(uint32_t id, char text_r[SEAL_ID_TEXT_SIZE]);

/* ---- texts ---- */

/* The message that a text belongs to. */
struct seal_place {
	struct str ticket;
	struct str uid;
	struct str sender;
};

struct seal_place seal_place_of(const struct ticket_event *event);

/* Whether it is a sealed text, by its first byte; an absent one is not. */
bool seal_is_sealed(struct str stored);

/* The key that a sealed text names; 0 where it is too short for one. */
uint32_t seal_id_of(struct str stored);

/* Whether nothing is to be done for it: absent, or sealed with the ring's newest key. */
bool seal_is_newest(const struct seal *seal, struct str stored);

/*
 * Appends the sealed text. The place's strings are at most 255 bytes each. 0, or -1 if they are longer or
 * memory ran out; `out` has failed then or is as it was.
 */
int seal_put(const struct seal *seal, const struct seal_place *place, struct str text,
	     struct buf *out);

enum seal_outcome {
	SEAL_OPENED,
	SEAL_MALFORMED,	  /* too short to be one */
	SEAL_UNKNOWN_KEY, /* the ring has no such key */
	SEAL_TAMPERED,	  /* it was changed, or belongs to another message */
	SEAL_MEMORY,
};

/*
 * Opens a stored text. seal NULL has no keys; a plain text is opened by itself. SEAL_OPENED: *text_r
 * borrows from `stored` or from `out`, which is emptied first; else it is absent.
 */
enum seal_outcome seal_open(const struct seal *seal, const struct seal_place *place,
			    struct str stored, struct buf *out, struct str *text_r);

/* A short text for logs; never NULL. */
const char *seal_outcome_text(enum seal_outcome outcome);

/* ---- reading many ---- */

/*
 * Opens texts one after the other and remembers what could not be opened, for one line of the log. Such a
 * text is told as absent. Start from {.seal = …}; seal_reader_deinit() ends it.
 */
struct seal_reader {
	const struct seal *seal; /* borrowed; NULL: no keys */
	struct buf text;	 /* the one opened last */
	bool out_of_memory;	 /* sticky: something is absent for no better reason */
	int64_t unread;		 /* texts that could not be opened; the first of them: */
	enum seal_outcome why;
	uint32_t key_id;
	int64_t seq;
	char ticket[IDS_TICKET_MAX + 1];
};

void seal_reader_deinit(struct seal_reader *reader);

/* The line of the log, where there was something that could not be opened. */
void seal_reader_log(const struct seal_reader *reader, const struct log_ctx *ctx);

/* Forgets what could not be opened. */
void seal_reader_reset(struct seal_reader *reader);

/* The text, borrowed until the next call or from `stored`. seq is the message's, for the log. */
struct str seal_reader_open(struct seal_reader *reader, const struct seal_place *place, int64_t seq,
			    struct str stored);

/* The event with its text opened; a shallow copy, whose content is borrowed in the same way. */
struct ticket_event seal_reader_event(struct seal_reader *reader, const struct ticket_event *event);

#endif
