/* SPDX-License-Identifier: BSD-2-Clause */
/* One HTTP answer. */
#include "config.h"

#include "web/reply.h"

#include <stdio.h>
#include <string.h>

#include "web/json_write.h"
#include "web/route.h"

#define UNAVAILABLE_RETRY_S 3
#define TYPE_PREFIX	    "urn:bellhop:problem:"
#define REALM		    "Bearer realm=\"bellhop\""

void reply_init(struct reply *reply, const char *request_id, const char *mode)
{
	*reply = (struct reply){
		.status = 500,
		.head = BUF_INIT,
		.body = BUF_INIT,
		.request_id = request_id,
		.mode = mode,
	};
}

void reply_deinit(struct reply *reply)
{
	buf_deinit(&reply->head);
	buf_deinit(&reply->body);
}

void reply_reset(struct reply *reply)
{
	reply->status = 500;
	buf_reset(&reply->head);
	buf_reset(&reply->body);
}

static bool is_header_text(struct str s)
{
	return s.n == 0 || (memchr(s.p, '\r', s.n) == NULL && memchr(s.p, '\n', s.n) == NULL &&
			    memchr(s.p, '\0', s.n) == NULL);
}

static void put_header(struct buf *head, const char *name, struct str value)
{
	if (name[0] == '\0' || !is_header_text(str_of(name)) || !is_header_text(value)) {
		head->failed = true;
		return;
	}
	buf_puts(head, name);
	buf_puts(head, ": ");
	buf_put_str(head, value);
	buf_puts(head, "\r\n");
}

void reply_header(struct reply *reply, const char *name, struct str value)
{
	put_header(&reply->head, name, value);
}

/* What every answer with a JSON body has. */
static void start_json(struct reply *reply, int status, struct str type)
{
	reply->status = status;
	reply_header(reply, "Content-Type", type);
	reply_header(reply, "Cache-Control", STR("no-store"));
	reply_header(reply, "X-Content-Type-Options", STR("nosniff"));
}

void reply_json(struct reply *reply, int status)
{
	start_json(reply, status, STR("application/json"));
}

void reply_empty(struct reply *reply, int status)
{
	reply->status = status;
	reply_header(reply, "Cache-Control", STR("no-store"));
}

/* ---- problems ---- */

/* The challenge of a 401 (RFC 6750, section 3). */
static void put_challenge(struct reply *reply, const struct reply_problem *problem)
{
	if (problem->bad_credentials)
		reply_header(reply, "WWW-Authenticate", STR(REALM ", error=\"invalid_token\""));
	else
		reply_header(reply, "WWW-Authenticate", STR(REALM));
}

static void put_allow(struct reply *reply, unsigned methods)
{
	struct buf allow = BUF_INIT;

	route_allow(&allow, methods);
	if (buf_ok(&allow))
		reply_header(reply, "Allow", buf_str(&allow));
	else
		reply->head.failed = true;
	buf_deinit(&allow);
}

/* The headers that go with the code. */
static void put_problem_headers(struct reply *reply, const struct reply_problem *problem)
{
	int retry_after_s = problem->retry_after_s;

	if (reply->status == 401)
		put_challenge(reply, problem);
	if (reply->status == 405)
		put_allow(reply, problem->allowed);
	if (reply->status == 503 && retry_after_s <= 0)
		retry_after_s = UNAVAILABLE_RETRY_S;
	if (retry_after_s > 0)
		buf_printf(&reply->head, "Retry-After: %d\r\n", retry_after_s);
}

static void put_problem_body(struct reply *reply, const struct reply_problem *problem,
			     const struct problem_info *info)
{
	struct json_write w;
	char type[64];

	snprintf(type, sizeof(type), TYPE_PREFIX "%s", info->code);
	json_write_init(&w, &reply->body);
	json_write_open_object(&w);
	json_write_member_cstr(&w, "type", type);
	json_write_member_cstr(&w, "title", info->title);
	json_write_member_int(&w, "status", info->status);
	json_write_member_cstr(&w, "detail",
			       problem->detail != NULL ? problem->detail : info->title);
	json_write_member_cstr(&w, "code", info->code);
	json_write_member_cstr(&w, "request_id", reply->request_id);
	if (problem->n_errors > 0) {
		json_write_member_array(&w, "errors");
		for (size_t i = 0; i < problem->n_errors; i++) {
			json_write_open_object(&w);
			json_write_member_cstr(&w, "pointer", problem->errors[i].pointer);
			json_write_member_cstr(&w, "message", problem->errors[i].message);
			json_write_close(&w);
		}
		json_write_close(&w);
	}
	if (problem->member != NULL) {
		json_write_key(&w, problem->member);
		json_write_raw(&w, problem->member_json);
	}
	json_write_close(&w);
	if (json_write_finish(&w) != 0)
		reply->body.failed = true;
}

void reply_problem(struct reply *reply, const struct reply_problem *problem)
{
	const struct problem_info *info = problem_info(problem->problem);

	reply_reset(reply);
	start_json(reply, info->status, STR("application/problem+json"));
	put_problem_headers(reply, problem);
	put_problem_body(reply, problem, info);
}

void reply_problem_simple(struct reply *reply, enum problem problem, const char *detail)
{
	const struct reply_problem details = {.problem = problem, .detail = detail};

	reply_problem(reply, &details);
}

/* ---- writing ---- */

const char *reply_status_text(int status)
{
	static const struct {
		int status;
		const char *text;
	} texts[] = {
		{200, "200 OK"},
		{201, "201 Created"},
		{202, "202 Accepted"},
		{204, "204 No Content"},
		{304, "304 Not Modified"},
		{400, "400 Bad Request"},
		{401, "401 Unauthorized"},
		{403, "403 Forbidden"},
		{404, "404 Not Found"},
		{405, "405 Method Not Allowed"},
		{409, "409 Conflict"},
		{412, "412 Precondition Failed"},
		{413, "413 Content Too Large"},
		{415, "415 Unsupported Media Type"},
		{422, "422 Unprocessable Content"},
		{429, "429 Too Many Requests"},
		{503, "503 Service Unavailable"},
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (texts[i].status == status)
			return texts[i].text;
	}
	return "500 Internal Server Error";
}

int reply_write_cgi(const struct reply *reply, bool head_only, struct buf *out)
{
	if (!buf_ok(&reply->head) || !buf_ok(&reply->body))
		return -1;
	put_header(out, "Status", str_of(reply_status_text(reply->status)));
	if (reply->request_id != NULL)
		put_header(out, "X-Request-Id", str_of(reply->request_id));
	if (reply->mode != NULL)
		put_header(out, "Bellhop-Mode", str_of(reply->mode));
	if (reply->lines != NULL)
		buf_puts(out, reply->lines);
	buf_put_str(out, buf_str(&reply->head));
	/* RFC 9110, section 8.6: none with 204 and 304. */
	if (reply->status != 204 && reply->status != 304)
		buf_printf(out, "Content-Length: %zu\r\n", reply->body.len);
	buf_puts(out, "\r\n");
	if (!head_only)
		buf_put_str(out, buf_str(&reply->body));
	return buf_ok(out) ? 0 : -1;
}
