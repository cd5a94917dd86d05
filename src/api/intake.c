/* SPDX-License-Identifier: BSD-2-Clause */
/* From records to a request. */
#include "config.h"

#include "api/intake.h"

void intake_init(struct intake *intake, size_t body_limit)
{
	*intake = (struct intake){.body_limit = body_limit};
	request_init(&intake->request);
	fcgi_record_init(&intake->parser);
	fcgi_params_init(&intake->params);
}

void intake_deinit(struct intake *intake)
{
	request_deinit(&intake->request);
	fcgi_params_deinit(&intake->params);
	buf_deinit(&intake->body);
	buf_deinit(&intake->out);
}

static void broken(struct intake *intake, const char *why)
{
	if (intake->parser.broken == NULL)
		intake->parser.broken = why;
	intake->state = INTAKE_BROKEN;
}

/* The request is known as far as it will be. */
static void finish_head(struct intake *intake, enum problem problem, const char *detail)
{
	intake->fault = request_finish(&intake->request, &intake->detail);
	if (problem != PROBLEM_NONE) {
		intake->fault = problem;
		intake->detail = detail;
	}
	fcgi_params_deinit(&intake->params);
	intake->state = INTAKE_BODY;
}

static void take_params(struct intake *intake, struct str data)
{
	enum fcgi_params_step step;
	struct str name, value;
	struct scan in;

	/* Refused already: the rest of its head is of no use. */
	if (intake->state != INTAKE_HEAD)
		return;
	scan_init(&in, data.p, data.n);
	while ((step = fcgi_params_next(&intake->params, &in, &name, &value)) == FCGI_PARAMS_PAIR)
		request_param(&intake->request, name, value);
	if (step == FCGI_PARAMS_TOO_LARGE)
		finish_head(intake, PROBLEM_BAD_REQUEST, "the request's parameters are too large");
	else if (step == FCGI_PARAMS_NO_MEMORY)
		finish_head(intake, PROBLEM_INTERNAL, NULL);
	/* Nothing that follows makes it a request: no peer is waited for with such a head. */
	if (intake->state != INTAKE_HEAD)
		intake->state = INTAKE_DONE;
}

static void end_params(struct intake *intake)
{
	if (fcgi_params_end(&intake->params) != 0)
		finish_head(intake, PROBLEM_BAD_REQUEST, "the request's parameters are cut short");
	else
		finish_head(intake, PROBLEM_NONE, NULL);
}

static void take_step(struct intake *intake, enum fcgi_record_step step,
		      const struct fcgi_record_part *part)
{
	switch (step) {
	case FCGI_RECORD_PARAMS_PART:
		take_params(intake, part->data);
		return;
	case FCGI_RECORD_PARAMS_END:
		end_params(intake);
		return;
	case FCGI_RECORD_STDIN_PART:
		buf_put_str(&intake->body, part->data);
		if (!buf_ok(&intake->body))
			intake->state = INTAKE_DONE;
		return;
	case FCGI_RECORD_STDIN_END:
		intake->has_ended = true;
		intake->state = INTAKE_DONE;
		return;
	case FCGI_RECORD_ABORTED:
		intake->state = INTAKE_ABORTED;
		return;
	case FCGI_RECORD_BROKEN:
		intake->state = INTAKE_BROKEN;
		return;
	case FCGI_RECORD_STARTED:
	case FCGI_RECORD_MORE:
		return;
	}
}

enum intake_state intake_feed(struct intake *intake, struct str bytes)
{
	struct fcgi_record_part part;
	enum fcgi_record_step step;
	struct scan in;

	scan_init(&in, bytes.p, bytes.n);
	while (intake->state == INTAKE_HEAD || intake->state == INTAKE_BODY) {
		step = fcgi_record_next(&intake->parser, &in, &intake->out, &part);
		if (step == FCGI_RECORD_MORE)
			break;
		take_step(intake, step, &part);
	}
	if (!buf_ok(&intake->out))
		broken(intake, "out of memory");
	return intake->state;
}

bool intake_is_over(const struct intake *intake)
{
	const int64_t announced = intake->request.content_length;

	if (intake->state == INTAKE_HEAD || intake->body_limit == 0)
		return false;
	return (announced > 0 && (uint64_t)announced > intake->body_limit) ||
	       intake->body.len > intake->body_limit;
}

bool intake_may_go_on(struct intake *intake, size_t limit)
{
	intake->body_limit = limit;
	return intake->state == INTAKE_BODY && !intake_is_over(intake);
}

enum intake_body intake_body(const struct intake *intake)
{
	const int64_t announced = intake->request.content_length;

	if (intake_is_over(intake))
		return INTAKE_BODY_LARGE;
	if (!buf_ok(&intake->body))
		return INTAKE_BODY_MEMORY;
	if (announced >= 0 && intake->body.len != (uint64_t)announced)
		return intake->body.len < (uint64_t)announced ? INTAKE_BODY_SHORT
							      : INTAKE_BODY_LONG;
	return INTAKE_BODY_WHOLE;
}

size_t intake_held(const struct intake *intake)
{
	return intake->request.held + intake->params.pair.cap + intake->body.cap + intake->out.cap;
}

void intake_answer(struct intake *intake, struct str cgi)
{
	fcgi_record_put_stdout(&intake->out, intake->parser.id, cgi);
	intake_end(intake);
}

void intake_end(struct intake *intake)
{
	fcgi_record_put_end(&intake->out, intake->parser.id, FCGI_RECORD_COMPLETE);
	if (!buf_ok(&intake->out))
		broken(intake, "out of memory");
}
