/* SPDX-License-Identifier: BSD-2-Clause */
/* Tokens for tests: any header and payload, properly signed. */
#ifndef BELLHOP_TESTS_TOKEN_CRAFT_H
#define BELLHOP_TESTS_TOKEN_CRAFT_H

#include "web/keyring.h"

#define TOKEN_CRAFT_SECRET "CHANGE_ME-CHANGE_ME-CHANGE_ME-CHANGE_ME"

/* The key pair of RFC 8410, section 10. */
extern const char token_craft_public_pem[];
extern const char token_craft_private_pem[];

/* A ring of "main" (HS256), "ed" (the pair) and "pub" (its public half). */
struct keyring *token_craft_ring(void);

/* Puts <header>.<payload>.<signature> into out, signed with the key of that kid. */
void token_craft(struct buf *out, const struct keyring *ring, const char *kid, const char *header,
		 const char *payload);

#endif
