/* SPDX-License-Identifier: BSD-2-Clause */
/* Whole answers: problems and the lists of long polls. */
#include "config.h"

#include "push/answer.h"

#include "base/log.h"
#include "push/fcgi_conn.h"

int answer_prepare(struct fcgi_conn *conn, const struct cors *cors, struct str origin)
{
	struct buf lines = BUF_INIT;
	int status = -1;

	cors_put(&lines, cors, origin);
	if (buf_ok(&lines))
		status = lines.len > 0 ? fcgi_conn_set_lines(conn, buf_str(&lines)) : 0;
	buf_deinit(&lines);
	return status;
}

void answer_send(struct fcgi_conn *conn, const struct reply *reply, bool head_only)
{
	struct buf text = BUF_INIT;
	struct frame *frame = NULL;

	if (fcgi_conn_lines(conn) != NULL)
		buf_puts(&text, fcgi_conn_lines(conn));
	if (reply_write_cgi(reply, head_only, &text) == 0)
		frame = frame_raw(buf_str(&text));
	if (frame != NULL && fcgi_conn_send(conn, frame, OUTQ_REPLAY) == 0)
		fcgi_conn_finish(conn);
	else
		fcgi_conn_close(conn, FCGI_CONN_CLOSED);
	frame_unref(frame);
	buf_deinit(&text);
}

void answer_problem(struct fcgi_conn *conn, const char *request_id, const char *mode,
		    const char *lines, const struct reply_problem *problem, bool head_only)
{
	const struct log_ctx ctx = {.request_id = str_of(request_id)};
	struct reply reply;

	log_info(&ctx, "refused", LOG_STR("code", problem_info(problem->problem)->code));
	reply_init(&reply, request_id, mode);
	reply.lines = lines;
	reply_problem(&reply, problem);
	answer_send(conn, &reply, head_only);
	reply_deinit(&reply);
}

void answer_preflight(struct fcgi_conn *conn, const struct request *q, const char *mode,
		      unsigned methods)
{
	struct reply reply;

	reply_init(&reply, q->request_id, mode);
	cors_preflight(&reply, methods);
	answer_send(conn, &reply, false);
	reply_deinit(&reply);
}
