/* SPDX-License-Identifier: BSD-2-Clause */
/* The HTTP client over libcurl's easy interface. */
#include "config.h"

#include "cli/http.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/escape.h"
#include "cli/json_get.h"

enum {
	BODY_MAX = 16 << 20,
	CONNECT_TIMEOUT_MS = 5000,
};

struct http {
	CURL *curl;
	char *base;
	char *bearer; /* the whole header line, NULL if there is no token */
	int64_t timeout_ms;
	char error[CURL_ERROR_SIZE];
};

/* One call under way. */
struct call {
	struct http *http;
	struct http_answer *answer;
	http_sink *sink; /* NULL: everything into answer->body */
	void *sink_arg;
	bool cancelled;
	bool too_large;
};

static size_t take_header(char *line, size_t size, size_t n, void *arg);
static size_t take_body(char *bytes, size_t size, size_t n, void *arg);

static bool is_http(const char *url)
{
	return strncasecmp(url, "https://", 8) == 0 || strncasecmp(url, "http://", 7) == 0;
}

/* What is the same in every call. */
static void set_up(struct http *http, const struct http_opts *opts)
{
	CURL *curl = http->curl;

	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, http->error);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "bellhop/" BELLHOP_VERSION);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
	if (opts->ca_file != NULL && opts->ca_file[0] != '\0')
		curl_easy_setopt(curl, CURLOPT_CAINFO, opts->ca_file);
}

struct http *http_new(const struct http_opts *opts)
{
	struct http *http;
	struct buf line;
	size_t length = strlen(opts->url);

	if (!is_http(opts->url) || curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
		return NULL;
	http = calloc(1, sizeof(*http));
	if (http == NULL)
		return NULL;
	http->timeout_ms = opts->timeout_ms;
	while (length > 0 && opts->url[length - 1] == '/')
		length--;
	http->base = strndup(opts->url, length);
	http->curl = curl_easy_init();
	if (opts->token != NULL && opts->token[0] != '\0') {
		buf_init(&line);
		buf_printf(&line, "Authorization: Bearer %s", opts->token);
		http->bearer = buf_take(&line, NULL);
		if (http->bearer == NULL)
			goto failed;
	}
	if (http->base == NULL || http->curl == NULL)
		goto failed;
	set_up(http, opts);
	return http;
failed:
	http_free(http);
	return NULL;
}

void http_free(struct http *http)
{
	if (http == NULL)
		return;
	curl_easy_cleanup(http->curl);
	free(http->base);
	if (http->bearer != NULL)
		explicit_bzero(http->bearer, strlen(http->bearer));
	free(http->bearer);
	free(http);
}

void http_answer_init(struct http_answer *answer)
{
	memset(answer, 0, sizeof(*answer));
	answer->retry_after_s = -1;
	buf_init(&answer->body);
}

void http_answer_deinit(struct http_answer *answer)
{
	buf_deinit(&answer->body);
}

static void answer_reset(struct http_answer *answer)
{
	struct buf body = answer->body;

	buf_reset(&body);
	memset(answer, 0, sizeof(*answer));
	answer->retry_after_s = -1;
	answer->body = body;
}

/* Copies a header's value if the line is that header's; too long a value is cut. */
static void take_word(struct str line, const char *name, char word_r[HTTP_WORD_SIZE])
{
	size_t length = strlen(name);
	struct str value;

	if (line.n <= length || line.p[length] != ':' || strncasecmp(line.p, name, length) != 0)
		return;
	value = str_trim((struct str){.p = line.p + length + 1, .n = line.n - length - 1});
	if (value.n >= HTTP_WORD_SIZE)
		value.n = HTTP_WORD_SIZE - 1;
	memcpy(word_r, value.p, value.n);
	word_r[value.n] = '\0';
}

static size_t take_header(char *line, size_t size, size_t n, void *arg)
{
	struct call *call = arg;
	struct http_answer *answer = call->answer;
	struct str header = {.p = line, .n = size * n};
	char retry_after[HTTP_WORD_SIZE] = "";

	while (header.n > 0 && (header.p[header.n - 1] == '\n' || header.p[header.n - 1] == '\r'))
		header.n--;
	take_word(header, "Content-Type", answer->content_type);
	take_word(header, "X-Request-Id", answer->request_id);
	take_word(header, "Bellhop-Mode", answer->mode);
	take_word(header, "Retry-After", retry_after);
	if (retry_after[0] != '\0')
		str_to_i64(str_of(retry_after), 0, INT32_MAX, &answer->retry_after_s);
	return size * n;
}

static bool is_event_stream(const struct call *call)
{
	long status = 0;

	curl_easy_getinfo(call->http->curl, CURLINFO_RESPONSE_CODE, &status);
	return status == 200 &&
	       strncasecmp(call->answer->content_type, "text/event-stream", 17) == 0;
}

static size_t take_body(char *bytes, size_t size, size_t n, void *arg)
{
	struct call *call = arg;

	n *= size;
	if (call->sink != NULL && is_event_stream(call)) {
		call->cancelled = call->sink(call->sink_arg, bytes, n) != 0;
		return call->cancelled ? CURL_WRITEFUNC_ERROR : n;
	}
	call->too_large = call->answer->body.len + n > BODY_MAX;
	if (call->too_large)
		return CURL_WRITEFUNC_ERROR;
	buf_put(&call->answer->body, bytes, n);
	return buf_ok(&call->answer->body) ? n : CURL_WRITEFUNC_ERROR;
}

static enum err outcome(const struct call *call, CURLcode code)
{
	curl_off_t connected_us = 0;

	if (call->cancelled)
		return ERR_CANCELLED;
	if (call->too_large)
		return ERR_PROTOCOL;
	switch (code) {
	case CURLE_OK:
		return ERR_NONE;
	case CURLE_OUT_OF_MEMORY:
	case CURLE_WRITE_ERROR:
		return ERR_MEMORY;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_COULDNT_CONNECT:
		return ERR_UNAVAILABLE;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
		return ERR_REFUSED;
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_WEIRD_SERVER_REPLY:
		return ERR_PROTOCOL;
	default:
		/* Nothing was sent before the connection, TLS included, stood. */
		curl_easy_getinfo(call->http->curl, CURLINFO_PRETRANSFER_TIME_T, &connected_us);
		return connected_us == 0 ? ERR_UNAVAILABLE : ERR_UNCERTAIN;
	}
}

/* Appends a header to *list; the list is NULL once memory ran out. */
static void add_header(struct curl_slist **list, const char *name, struct str value)
{
	struct buf line;
	struct curl_slist *longer = NULL;

	buf_init(&line);
	buf_printf(&line, "%s: %.*s", name, STR_ARG(value));
	if (*list != NULL && buf_cstr(&line) != NULL)
		longer = curl_slist_append(*list, buf_cstr(&line));
	if (longer == NULL)
		curl_slist_free_all(*list);
	*list = longer;
	buf_deinit(&line);
}

static struct curl_slist *make_headers(const struct http *http, const struct http_request *request)
{
	struct curl_slist *list = curl_slist_append(NULL, "Expect:");

	if (request->json.p != NULL)
		add_header(&list, "Content-Type", STR("application/json"));
	if (request->if_match != NULL)
		add_header(&list, "If-Match", str_of(request->if_match));
	if (request->last_event_id.n > 0)
		add_header(&list, "Last-Event-ID", request->last_event_id);
	if (list != NULL && http->bearer != NULL) {
		struct curl_slist *longer = curl_slist_append(list, http->bearer);

		if (longer == NULL)
			curl_slist_free_all(list);
		list = longer;
	}
	return list;
}

static void set_request(struct call *call, const struct http_request *request)
{
	CURL *curl = call->http->curl;
	bool streaming = call->sink != NULL;

	curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
	if (request->json.p != NULL) {
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->json.n);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->json.p);
	}
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, call);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, call);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, streaming ? 0L : (long)call->http->timeout_ms);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, request->silence_ms > 0 ? 1L : 0L);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)(request->silence_ms / 1000));
}

static enum err perform(struct call *call, const struct http_request *request)
{
	struct http *http = call->http;
	struct http_answer *answer = call->answer;
	struct curl_slist *headers = make_headers(http, request);
	struct buf url;
	enum err err = ERR_MEMORY;
	CURLcode code;

	answer_reset(answer);
	buf_init(&url);
	buf_printf(&url, "%s%s", http->base, request->path);
	if (headers == NULL || buf_cstr(&url) == NULL)
		goto out;
	set_request(call, request);
	curl_easy_setopt(http->curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(http->curl, CURLOPT_URL, buf_cstr(&url));
	http->error[0] = '\0';
	code = curl_easy_perform(http->curl);
	err = outcome(call, code);
	if (err != ERR_NONE)
		snprintf(answer->trouble, sizeof(answer->trouble), "%s",
			 call->too_large  ? "the answer is too large"
			 : http->error[0] ? http->error
					  : curl_easy_strerror(code));
	curl_easy_getinfo(http->curl, CURLINFO_RESPONSE_CODE, &answer->status);
out:
	curl_easy_setopt(http->curl, CURLOPT_HTTPHEADER, NULL);
	curl_slist_free_all(headers);
	buf_deinit(&url);
	return err;
}

enum err http_call(struct http *http, const struct http_request *request,
		   struct http_answer *answer)
{
	struct call call = {.http = http, .answer = answer};

	return perform(&call, request);
}

enum err http_stream(struct http *http, const struct http_request *request, http_sink *sink,
		     void *arg, struct http_answer *answer)
{
	struct call call = {.http = http, .answer = answer, .sink = sink, .sink_arg = arg};

	return perform(&call, request);
}

static void put_member(struct buf *out, const char *before, const struct json_read_value *value,
		       const char *key)
{
	struct str text = json_get_str(value, key);

	if (text.p == NULL)
		return;
	buf_puts(out, before);
	escape_text(out, text, NULL);
}

static void describe_problem(const struct json_read_value *problem, struct buf *out)
{
	const struct json_read_value *error = json_get_first(problem, "errors");

	put_member(out, " ", problem, "code");
	put_member(out, ": ", problem, "detail");
	for (; error != NULL; error = json_read_next(error)) {
		put_member(out, "; ", error, "pointer");
		put_member(out, " ", error, "message");
	}
}

void http_describe(const struct http_answer *answer, struct buf *out)
{
	struct json_read *json = NULL;
	struct json_read_error error;

	buf_printf(out, "%ld", answer->status);
	if (strncasecmp(answer->content_type, "application/problem+json", 24) == 0 &&
	    json_read(buf_str(&answer->body), &json, &error) == JSON_READ_OK)
		describe_problem(json_read_root(json), out);
	else
		buf_puts(out, " from the web server, not from bellhop");
	json_read_free(json);
	if (answer->request_id[0] != '\0') {
		buf_puts(out, " (request ");
		escape_text(out, str_of(answer->request_id), NULL);
		buf_putc(out, ')');
	}
}
