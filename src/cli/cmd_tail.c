/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bellhop tail: follows a ticket's event stream over HTTP as a browser would. When the connection
 * ends it comes back with Last-Event-ID, so nothing is missed and nothing is shown twice.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/conf.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/escape.h"
#include "cli/event_text.h"
#include "cli/json_get.h"
#include "cli/sse_reader.h"
#include "web/cursor.h"
#include "web/ids.h"
#include "web/json_write.h"

enum {
	OPTION_AS = OPTION_LONG,
	OPTION_COUNT,
	OPTION_INIT,
	OPTION_JSON,
	OPTION_SINCE,
	EVENT_MAX = 1 << 20,
	INIT_MAX = 200,
	SILENCE_MS = 45000, /* three heartbeats */
	RETRY_MS = 3000,
	LONGEST_RETRY_MS = 30000,
};

static const struct command_option options[] = {
	{OPTION_AS, "as", CLIENT_AS_ARGUMENT, CLIENT_AS_HELP},
	{OPTION_COUNT, "count", "N", "stop after N messages"},
	{OPTION_INIT, "init", "N", "begin with the newest N messages, at most 200"},
	{OPTION_JSON, "json", NULL, "print every event as a line of JSON"},
	{OPTION_SINCE, "since", "CURSOR", "begin after CURSOR; 0 is the first event"},
	{0},
};

enum verdict {
	GO_ON,	  /* come back after a while */
	ENOUGH,	  /* --count is reached */
	SHUT_OUT, /* coming back is of no use */
};

struct tail {
	const struct invocation *in;
	const char *ticket;
	const char *role;  /* NULL: BELLHOP_TOKEN */
	const char *since; /* "0" or a cursor; NULL: from now */
	long init;	   /* 0: none */
	long count;	   /* messages still wanted; 0: no end */
	bool json;
	bool greeted;	      /* this connection brought hello */
	bool was_greeted;     /* any connection did */
	int64_t bye_retry_ms; /* -1: bye said nothing */
	enum verdict verdict;
	struct sse_reader reader;
	struct buf line;
};

static void put_json_line(struct tail *tail, const struct sse_reader_event *event)
{
	struct buf data;
	struct json_write w;

	buf_init(&data);
	escape_json(&data, event->data);
	json_write_init(&w, &tail->line);
	json_write_open_object(&w);
	json_write_member_str(&w, "event", event->type);
	if (event->has_id)
		json_write_member_str(&w, "id", event->id);
	json_write_key(&w, "data");
	json_write_raw(&w, buf_str(&data));
	json_write_close(&w);
	buf_putc(&tail->line, '\n');
	buf_deinit(&data);
}

/* The server says good-bye: come back when it says, or not at all. */
static void take_bye(struct tail *tail, const struct json_read_value *data)
{
	struct str code = json_get_str(data, "code");

	if (json_get_int(data, "retry_ms", 0, INT32_MAX, &tail->bye_retry_ms) != 0)
		tail->bye_retry_ms = -1;
	if (str_eq_c(code, "token_expired") || str_eq_c(code, "token_revoked"))
		tail->verdict = SHUT_OUT;
}

static int take_event(void *arg, const struct sse_reader_event *event)
{
	struct tail *tail = arg;
	struct json_read *json = NULL;
	struct json_read_error error;

	if (json_read(event->data, &json, &error) != JSON_READ_OK) {
		command_note(tail->in, "an event is not JSON: %s at byte %zu", error.reason,
			     error.at);
		return 0;
	}
	buf_reset(&tail->line);
	if (tail->json)
		put_json_line(tail, event);
	else
		event_text_put(&tail->line, event->type, json_read_root(json));
	if (buf_ok(&tail->line) && tail->line.len > 0)
		fwrite(tail->line.data, 1, tail->line.len, stdout);
	fflush(stdout);

	if (str_eq_c(event->type, "hello"))
		tail->greeted = tail->was_greeted = true;
	else if (str_eq_c(event->type, "bye"))
		take_bye(tail, json_read_root(json));
	else if (str_eq_c(event->type, "message") && tail->count > 0 && --tail->count == 0)
		tail->verdict = ENOUGH;
	json_read_free(json);
	return tail->verdict == ENOUGH || ferror(stdout) ? -1 : 0;
}

static int take_bytes(void *arg, const char *bytes, size_t n)
{
	struct tail *tail = arg;

	return sse_reader_feed(&tail->reader, bytes, n);
}

static void make_path(const struct tail *tail, char *path, size_t size)
{
	int n = snprintf(path, size, "/v1/tickets/%s/stream", tail->ticket);

	if (tail->since != NULL && strcmp(tail->since, "0") == 0)
		snprintf(path + n, size - (size_t)n, "?since=0");
	else if (tail->since != NULL)
		snprintf(path + n, size - (size_t)n, "?last_event_id=%s", tail->since);
	else if (tail->init > 0)
		snprintf(path + n, size - (size_t)n, "?init=%ld", tail->init);
}

/* One connection, until it ends. */
static void follow(struct tail *tail, struct http *http, struct http_answer *answer)
{
	char path[256];
	struct http_request request = {
		.path = path,
		.last_event_id = sse_reader_last_id(&tail->reader),
		.silence_ms = SILENCE_MS,
	};
	enum err err;

	make_path(tail, path, sizeof(path));
	tail->greeted = false;
	tail->bye_retry_ms = -1;
	sse_reader_restart(&tail->reader);
	err = http_stream(http, &request, take_bytes, tail, answer);
	if (ferror(stdout)) {
		command_fail(tail->in, "could not write the output");
		tail->verdict = SHUT_OUT;
	}
	if (tail->verdict != GO_ON)
		return;
	if (err == ERR_NONE && answer->status == 200 && tail->greeted)
		return; /* ended in good order */
	if (err == ERR_CANCELLED)
		command_note(tail->in, "the stream makes no sense");
	else if (err == ERR_NONE && answer->status == 200)
		command_note(tail->in, "no event stream came");
	else
		client_fail(tail->in, err, answer);
	/* What never worked, or is refused, will not mend by itself. */
	if (!tail->was_greeted || !client_is_passing(err, answer))
		tail->verdict = SHUT_OUT;
}

static int64_t pause_ms(const struct tail *tail, unsigned int failures)
{
	int64_t base_ms = tail->reader.retry_ms > 0 ? tail->reader.retry_ms : RETRY_MS;

	if (tail->bye_retry_ms >= 0)
		return tail->bye_retry_ms;
	return client_backoff_ms(base_ms, failures, LONGEST_RETRY_MS);
}

static int follow_for_ever(struct tail *tail, struct http *http)
{
	struct http_answer answer;
	unsigned int failures = 0;

	http_answer_init(&answer);
	for (;;) {
		follow(tail, http, &answer);
		if (tail->verdict != GO_ON)
			break;
		failures = tail->greeted ? 1 : failures + 1;
		client_wait_ms(pause_ms(tail, failures));
	}
	http_answer_deinit(&answer);
	return tail->verdict == ENOUGH ? COMMAND_OK : COMMAND_FAILED;
}

/* Takes one option; COMMAND_OK or what to return. */
static int take_option(struct invocation *in, struct tail *tail, int id)
{
	switch (id) {
	case OPTION_AS:
		tail->role = in->value;
		break;
	case OPTION_JSON:
		tail->json = true;
		break;
	case OPTION_COUNT:
		tail->count = command_number(in->value, 1, 1000000000);
		if (tail->count < 0)
			return command_usage(in, "'%s' is not a number of messages", in->value);
		break;
	case OPTION_INIT:
		tail->init = command_number(in->value, 1, INIT_MAX);
		if (tail->init < 0)
			return command_usage(in, "--init takes 1 to %d", INIT_MAX);
		break;
	case OPTION_SINCE:
		tail->since = in->value;
		if (strcmp(in->value, "0") != 0 && !cursor_parse(str_of(in->value)).valid)
			return command_usage(in, "'%s' is neither 0 nor a cursor", in->value);
		break;
	}
	return COMMAND_OK;
}

static int run(struct invocation *in)
{
	struct tail tail = {.in = in};
	struct conf *conf;
	struct http *http = NULL;
	int status;
	int id;

	while ((id = command_option(in)) > 0) {
		status = take_option(in, &tail, id);
		if (status != COMMAND_OK)
			return status;
	}
	if (id < 0)
		return in->status;
	if (in->argc != 1)
		return command_usage(in, "it takes one TICKET");
	if (!ids_is_ticket(str_of(in->argv[0])))
		return command_usage(in, "'%s' cannot be a ticket", in->argv[0]);
	if (tail.init > 0 && tail.since != NULL)
		return command_usage(in, "--init and --since exclude each other");
	tail.ticket = in->argv[0];
	conf = command_conf(in);
	if (conf == NULL)
		return COMMAND_FAILED;
	buf_init(&tail.line);
	sse_reader_init(&tail.reader, EVENT_MAX, take_event, &tail);
	http = client_new(in, conf, tail.role, &status);
	if (http != NULL)
		status = follow_for_ever(&tail, http);
	http_free(http);
	sse_reader_deinit(&tail.reader);
	buf_deinit(&tail.line);
	conf_free(conf);
	return status;
}

const struct command cmd_tail = {
	.name = "tail",
	.operands = "TICKET",
	.summary = "follow the messages of a ticket as they come",
	.options = options,
	.run = run,
};
