/* SPDX-License-Identifier: BSD-2-Clause */
/* One HTTP request from CGI parameters. */
#include "config.h"

#include "web/request.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define BYTES_MAX  65536 /* of all values that are kept */
#define CHUNK_SIZE 2048

/* The parameters that we read. Their place in the table is their bit in request.seen. */
static const struct param {
	const char *name;
	size_t offset; /* of a struct str in struct request */
} params[] = {
	{"REQUEST_METHOD", offsetof(struct request, method_text)},
	{"REQUEST_URI", offsetof(struct request, uri)},
	{"CONTENT_TYPE", offsetof(struct request, content_type)},
	{"CONTENT_LENGTH", offsetof(struct request, length_param)},
	{"HTTPS", offsetof(struct request, https_param)},
	{"REQUEST_SCHEME", offsetof(struct request, scheme)},
	{"REMOTE_ADDR", offsetof(struct request, remote_addr)},
	{"REQUEST_ID", offsetof(struct request, id_param)},
	{"REDIRECT_STATUS", offsetof(struct request, redirect_status)},
	{"HTTP_X_REQUEST_ID", offsetof(struct request, id_header)},
	{"HTTP_AUTHORIZATION", offsetof(struct request, authorization)},
	{"HTTP_COOKIE", offsetof(struct request, cookie)},
	{"HTTP_ORIGIN", offsetof(struct request, origin)},
	{"HTTP_SEC_FETCH_SITE", offsetof(struct request, sec_fetch_site)},
	{"HTTP_X_CSRF_TOKEN", offsetof(struct request, csrf_token)},
	{"HTTP_IF_MATCH", offsetof(struct request, if_match)},
	{"HTTP_IF_NONE_MATCH", offsetof(struct request, if_none_match)},
	{"HTTP_IDEMPOTENCY_KEY", offsetof(struct request, idempotency_key)},
	{"HTTP_LAST_EVENT_ID", offsetof(struct request, last_event_id)},
	{"HTTP_USER_AGENT", offsetof(struct request, user_agent)},
	{"BELLHOP_USER", offsetof(struct request, trusted.user)},
	{"BELLHOP_ROLE", offsetof(struct request, trusted.role)},
	{"BELLHOP_NAME", offsetof(struct request, trusted.name)},
	{"BELLHOP_TICKETS", offsetof(struct request, trusted.tickets)},
};

#define N_PARAMS (sizeof(params) / sizeof(params[0]))

_Static_assert(N_PARAMS <= 32, "request.seen has one bit a parameter");

/* Memory for values: strings must not move while others point to them. */
struct request_chunk {
	struct request_chunk *next;
	size_t used, size;
	char bytes[];
};

void request_init(struct request *q)
{
	*q = (struct request){.method = REQUEST_OTHER, .content_length = -1};
}

void request_deinit(struct request *q)
{
	while (q->chunks != NULL) {
		struct request_chunk *next = q->chunks->next;

		/* Tokens and cookies lie here. */
		sodium_memzero(q->chunks->bytes, q->chunks->used);
		free(q->chunks);
		q->chunks = next;
	}
	request_init(q);
}

/* n bytes that stay where they are, or NULL. */
static char *take_memory(struct request *q, size_t n)
{
	struct request_chunk *chunk = q->chunks;
	char *p;

	if (chunk == NULL || chunk->size - chunk->used < n) {
		size_t size = n > CHUNK_SIZE ? n : CHUNK_SIZE;

		chunk = malloc(sizeof(*chunk) + size);
		if (chunk == NULL)
			return NULL;
		chunk->size = size;
		chunk->used = 0;
		chunk->next = q->chunks;
		q->chunks = chunk;
		q->held += sizeof(*chunk) + size;
	}
	p = chunk->bytes + chunk->used;
	chunk->used += n;
	return p;
}

/* What no header value may hold (RFC 9110, section 5.5): controls other than a tab. */
static bool has_control(struct str s)
{
	size_t i;

	for (i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return true;
	}
	return false;
}

/* Remembers the first fault. */
static void note_fault(struct request *q, const char *fault)
{
	if (q->fault == NULL)
		q->fault = fault;
}

static void keep_param(struct request *q, const struct param *param, struct str value)
{
	struct str *field = (struct str *)((char *)q + param->offset);
	char *p;

	if (value.n > BYTES_MAX - q->bytes) {
		note_fault(q, "the headers are too large");
		return;
	}
	if (has_control(value)) {
		note_fault(q, "a header holds a control character");
		return;
	}
	p = take_memory(q, value.n + 1);
	if (p == NULL) {
		q->no_memory = true;
		return;
	}
	memcpy(p, value.p, value.n);
	p[value.n] = '\0';
	q->bytes += value.n;
	*field = (struct str){p, value.n};
}

void request_param(struct request *q, struct str name, struct str value)
{
	size_t i;

	for (i = 0; i < N_PARAMS; i++) {
		if (str_eq_c(name, params[i].name))
			break;
	}
	if (i == N_PARAMS)
		return;
	if (q->seen & (UINT32_C(1) << i)) {
		note_fault(q, "a header or parameter came twice");
		return;
	}
	q->seen |= UINT32_C(1) << i;
	if (value.n > 0)
		keep_param(q, &params[i], value);
}

/* ---- after the last parameter ---- */

static enum request_method method_of(struct str text)
{
	static const struct {
		const char *text;
		enum request_method method;
	} methods[] = {
		{"GET", REQUEST_GET},	      {"HEAD", REQUEST_HEAD},	{"POST", REQUEST_POST},
		{"PUT", REQUEST_PUT},	      {"PATCH", REQUEST_PATCH}, {"DELETE", REQUEST_DELETE},
		{"OPTIONS", REQUEST_OPTIONS},
	};
	size_t i;

	for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if (str_eq_c(text, methods[i].text))
			return methods[i].method;
	}
	return REQUEST_OTHER;
}

/* Cuts scheme and authority off a target in absolute form (RFC 9112, section 3.2.2). */
static struct str without_authority(struct str uri)
{
	const char *path;
	size_t skip = 0;

	if (str_starts(uri, STR("http://")))
		skip = 7;
	else if (str_starts(uri, STR("https://")))
		skip = 8;
	if (skip == 0)
		return uri;
	path = memchr(uri.p + skip, '/', uri.n - skip);
	if (path == NULL)
		return STR("/");
	return (struct str){path, uri.n - (size_t)(path - uri.p)};
}

/* Splits the target into path and query. */
static void split_uri(struct request *q)
{
	struct str rest = without_authority(q->uri);

	if (rest.n == 0 || rest.p[0] != '/' || memchr(rest.p, ' ', rest.n) != NULL ||
	    memchr(rest.p, '\t', rest.n) != NULL) {
		note_fault(q, "no request target, or a malformed one");
		return;
	}
	str_split(&rest, '?', &q->path);
	q->query = rest.p != NULL ? rest : STR("");
}

static void find_content_length(struct request *q)
{
	if (q->length_param.p == NULL)
		return;
	if (q->length_param.p[0] == '-' ||
	    str_to_i64(q->length_param, 0, INT64_MAX, &q->content_length) != 0)
		note_fault(q, "malformed Content-Length");
}

static bool is_https(const struct request *q)
{
	if (q->https_param.p != NULL)
		return str_eq_nocase(q->https_param, STR("on")) || str_eq_c(q->https_param, "1");
	return str_eq_nocase(q->scheme, STR("https"));
}

/* The web server's id of the request, else the client's, else one of ours. */
static void choose_id(struct request *q)
{
	unsigned char random[16];

	if (ids_is_request(q->id_param)) {
		memcpy(q->request_id, q->id_param.p, q->id_param.n + 1);
	} else if (ids_is_request(q->id_header)) {
		memcpy(q->request_id, q->id_header.p, q->id_header.n + 1);
	} else {
		randombytes_buf(random, sizeof(random));
		sodium_bin2hex(q->request_id, sizeof(q->request_id), random, sizeof(random));
	}
}

/* What the web server has refused itself. */
static enum problem refusal_of(struct str redirect_status, const char **detail_r)
{
	static const struct {
		const char *status;
		enum problem problem;
		const char *detail;
	} refusals[] = {
		{"400", PROBLEM_BAD_REQUEST, "the web server does not understand the request"},
		{"403", PROBLEM_FORBIDDEN, "the web server does not let you in"},
		{"413", PROBLEM_TOO_LARGE, "the body is larger than the web server takes"},
	};

	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		if (str_eq_c(redirect_status, refusals[i].status)) {
			*detail_r = refusals[i].detail;
			return refusals[i].problem;
		}
	}
	return PROBLEM_NONE;
}

enum problem request_finish(struct request *q, const char **detail_r)
{
	choose_id(q);
	q->https = is_https(q);
	q->method = method_of(q->method_text);
	if (q->method_text.p == NULL)
		note_fault(q, "no request method");
	find_content_length(q);
	split_uri(q);

	*detail_r = q->fault;
	if (q->no_memory)
		return PROBLEM_INTERNAL;
	if (q->fault != NULL)
		return PROBLEM_BAD_REQUEST;
	return refusal_of(q->redirect_status, detail_r);
}
