/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stores a message and lets Redis know: PostgreSQL commits it, then it is pushed to the ticket's
 * stream. Whatever goes wrong after the commit costs speed, not the message: the archiver's sweep
 * brings it to Redis.
 */
#ifndef BELLHOP_API_SEND_H
#define BELLHOP_API_SEND_H

#include "api/stores.h"
#include "store/record.h"

struct send_result {
	struct record_sent sent; /* ERR_NONE; borrows from `answer` */
	PGresult *answer;
};

/*
 * uid_is_ours: made for this very call, so that nobody else can have used it. Returns ERR_NONE
 * whatever the record's outcome is, and then send_result_deinit() is due; ERR_INVALID if the record
 * refused the data, ERR_PROTOCOL, ERR_MEMORY; any other if nothing was stored, or nobody knows: a client
 * that repeats the send with its uid is safe.
 */
enum err send_message(struct stores *s, const struct record_send *send, bool uid_is_ours,
		      const struct log_ctx *log, struct send_result *result_r);
void send_result_deinit(struct send_result *result);

#endif
