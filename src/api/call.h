/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One request on its way through the api: what came in, who is asking, and the answer being made.
 * Handlers get this and nothing else; the worker owns it and sends what it holds.
 */
#ifndef BELLHOP_API_CALL_H
#define BELLHOP_API_CALL_H

#include "api/gate.h"
#include "api/intake.h"
#include "api/limiter.h"
#include "api/revoked.h"
#include "api/stores.h"
#include "base/log.h"
#include "store/record.h"
#include "web/json_read.h"
#include "web/reply.h"
#include "web/route.h"

struct call {
	const struct gate *gate;
	struct stores *stores;
	struct revoked *revoked;
	struct limiter *limiter;
	const struct conf *conf;

	struct request request; /* borrowed from the lobby's intake */
	enum intake_body body_state;
	struct buf *body;
	struct route_match route;
	const char *pattern;	/* of the route, "" where none was found */
	struct identity who;	/* empty where the route asks for nobody */
	struct json_read *json; /* the body, an object, where the route takes one and it came */
	struct limits_verdict limit;

	struct seal_reader texts; /* opens what the stores tell */
	struct reply reply;
	struct log_ctx log;
};

/* The answer is this problem. */
void call_refuse(struct call *call, enum problem problem, const char *detail);

/* 400 invalid_field with one entry in errors[]; pointer as in RFC 6901, "" is the whole body. */
void call_refuse_field(struct call *call, const char *pointer, const char *message);

/* 503 unavailable. */
void call_refuse_unavailable(struct call *call, const char *detail);

/* What authn has to say against whoever asks. */
void call_refuse_identity(struct call *call, const struct authn_refusal *refusal);

/* 0; or -1 after a refusal, where the identity's token was revoked or nobody knows. May ask a store. */
int call_check_revoked(struct call *call, const struct identity *who);

/*
 * Reads one id of the body, absent where there is none: `pointer` is a member's, "/jti". 0, or -1 after a
 * refusal.
 */
int call_read_id(struct call *call, const char *pointer, bool is_id(struct str), struct str *id_r);

/*
 * What a store did not do for us: 503 with this detail where it may later, or nobody knows whether it did;
 * 500 where asking again would not help. `err` is not ERR_NONE.
 */
void call_refuse_failure(struct call *call, enum err err, const char *detail);

/* The ticket that the path names. */
struct str call_ticket(const struct call *call);

enum message_viewer call_viewer(const struct call *call);

/*
 * The header If-Match: "<number>" of at least `min`, -1 where it is absent. 0, or -1 after a refusal
 * that says `detail`.
 */
int call_if_match(struct call *call, int64_t min, const char *detail, int64_t *number_r);

/*
 * The event with its text opened, which is borrowed until the next one is. What cannot be opened is told
 * as absent, and logged at the end of the call.
 */
struct ticket_event call_open(struct call *call, const struct ticket_event *event);

/* The answer is the message that the event speaks of. */
void call_answer_message(struct call *call, int status, const struct ticket_event *event);

/* What the token lets the caller do in the ticket, for the record to decide with. */
enum record_grant call_grant(const struct call *call);

#endif
