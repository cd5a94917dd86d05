/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is published in Redis and may be lost: one JSON object, of which unknown members are ignored.
 *
 *	live:<ticket>	{"event":"typing-start","user_id","name","ms"}
 *			{"event":"typing-stop","user_id","name"}
 *			{"event":"message-read","user_id","seq","public_seq","at_ms"}
 *			{"event":"here","user_id","status"}
 *	user:<user>	{"epoch","ticket_id","seq","public"}
 *	system		{"event":"presence","user_id","status","last_seen_ms"}
 *			{"event":"renewed", …}, see chat/renewal.h
 *
 * Anybody who may publish there could say anything, so what is odd is refused. A pure function of
 * bytes.
 */
#ifndef BELLHOP_PUSH_PAYLOAD_H
#define BELLHOP_PUSH_PAYLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "chat/renewal.h"
#include "store/presence.h"

struct json_read;

enum payload_kind {
	PAYLOAD_TYPING_START,
	PAYLOAD_TYPING_STOP,
	PAYLOAD_READ,
	PAYLOAD_HERE,
	PAYLOAD_PRESENCE,
	PAYLOAD_RENEWED,
	PAYLOAD_INBOX /* the one without "event" */
};

/* Members that a kind does not have are zero, absent. Strings are borrowed until payload_deinit(). */
struct payload {
	enum payload_kind kind;
	struct str user;
	struct str name;	     /* typing; empty or absent: none */
	int64_t ms;		     /* typing-start: how long */
	int64_t seq, public_seq;     /* read: the mark, as the public sees it; 0: not at all */
	int64_t at_ms;		     /* read */
	enum presence_status status; /* here, presence */
	int64_t seen_ms;	     /* presence of those who are offline; 0: not known */
	struct str ticket;	     /* inbox */
	int64_t epoch;		     /* inbox; seq, too */
	bool is_public;		     /* inbox */
	struct renewal renewal;	     /* renewed; user, too */
	struct json_read *json;
};

/* 0, and payload_deinit() is the caller's; or -1 if it is none of these. */
int payload_parse(struct str text, struct payload *payload_r);
void payload_deinit(struct payload *payload);

#endif
