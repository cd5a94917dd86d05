/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which identifiers are well-formed, and the names of the roles. Pure
 * questions about bytes; nothing here knows whether a thing exists.
 */
#ifndef BELLHOP_WEB_IDS_H
#define BELLHOP_WEB_IDS_H

#include <stdbool.h>

#include "base/str.h"

/* Longest accepted forms, in bytes, without a terminator. */
#define IDS_TICKET_MAX	   64
#define IDS_USER_MAX	   64
#define IDS_CLIENT_MSG_MAX 64
#define IDS_REQUEST_MAX	   64
#define IDS_NAME_MAX	   128
#define IDS_JTI_MAX	   128

enum role { ROLE_REQUESTER = 0, ROLE_AGENT, ROLE_SERVICE, ROLE_ADMIN };

/* A ticket id: 1 to 64 of A-Z a-z 0-9 . _ -, not starting with a dot. */
bool ids_is_ticket(struct str s);

/* A user id: 1 to 64 of A-Z a-z 0-9 . _ @ -. */
bool ids_is_user(struct str s);

/* A client_msg_id or Idempotency-Key: 1 to 64 printable ASCII characters (0x20 to 0x7e). */
bool ids_is_client_msg(struct str s);

/* A request id that a web server or client may hand us: 1 to 64 of A-Z a-z 0-9 . _ -. */
bool ids_is_request(struct str s);

/* A display name: 1 to 128 bytes of valid UTF-8 on one line, no control characters. */
bool ids_is_name(struct str s);

/* A token id (claim jti): 1 to 128 printable ASCII characters. */
bool ids_is_jti(struct str s);

/* The role of that name into *role_r. Returns 0, or -1 where there is none (exact, lower case). */
int ids_role_find(struct str name, enum role *role_r);

/* The name of a role, as tokens and answers spell it. */
const char *ids_role_text(enum role role);

/* Agents, services and admins are staff: they see notes. */
bool ids_role_is_staff(enum role role);

#endif /* BELLHOP_WEB_IDS_H */
