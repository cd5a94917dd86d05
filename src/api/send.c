/* SPDX-License-Identifier: BSD-2-Clause */
/* The record first, then Redis. */
#include "config.h"

#include "api/send.h"

static enum err store(struct stores *s, const struct record_send *send, struct send_result *result,
		      bool *is_repeat_r)
{
	struct pg_stmt stmt;
	enum err err;

	record_put_send(&stmt, send);
	err = stores_pg_repeatable(s, &stmt, stores_pg_deadline(s), &result->answer, is_repeat_r);
	if (err == ERR_NONE && record_parse_send(result->answer, send->ticket, &result->sent) != 0)
		err = ERR_PROTOCOL;
	pg_stmt_deinit(&stmt);
	return err;
}

enum err send_message(struct stores *s, const struct record_send *send, bool uid_is_ours,
		      const struct log_ctx *log, struct send_result *result_r)
{
	struct record_sent *sent = &result_r->sent;
	struct str join_role = send->role;
	bool is_repeat;
	enum err err;

	*result_r = (struct send_result){0};
	err = store(s, send, result_r, &is_repeat);
	if (err != ERR_NONE) {
		log_warn(log, "message not stored, or not known to be",
			 LOG_STR("reason", err_text(err)));
		send_result_deinit(result_r);
		return err;
	}
	stores_learn_epoch(s, sent->ticket.epoch);
	/* A repeat finds what the first try stored, if it did: that was not pushed yet. */
	if (sent->outcome == RECORD_CREATED || (sent->outcome == RECORD_REPLAYED && is_repeat)) {
		if (str_eq_c(send->role, "service"))
			join_role = (struct str){0};
		stores_push(s, &sent->event, join_role, log);
		if (uid_is_ours)
			sent->outcome = RECORD_CREATED;
	} else if (sent->outcome == RECORD_REPLAYED) {
		/* Nor may it have been where the client repeats it, who then reads what it said. */
		stores_catch_up(s, send->ticket, sent->ticket.last_seq);
	}
	return ERR_NONE;
}

void send_result_deinit(struct send_result *result)
{
	PQclear(result->answer);
	*result = (struct send_result){0};
}
