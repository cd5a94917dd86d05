/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bellhop send: one message into a ticket. Every attempt carries the same client_msg_id, so that
 * trying again after a lost answer cannot say a thing twice.
 */
#include "config.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/conf.h"
#include "base/utf8.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/event_text.h"
#include "cli/json_get.h"
#include "web/ids.h"
#include "web/json_write.h"

enum {
	OPTION_AS = OPTION_LONG,
	OPTION_NOTE,
	OPTION_CLIENT_MSG_ID,
	OPTION_IF_MATCH,
	OPTION_RETRY_FOR,
	INPUT_MAX = 65536,
	RETRY_FOR_S = 30,
	FIRST_DELAY_MS = 250,
	LONGEST_DELAY_MS = 4000,
};

static const struct command_option options[] = {
	{OPTION_AS, "as", CLIENT_AS_ARGUMENT, CLIENT_AS_HELP},
	{OPTION_CLIENT_MSG_ID, "client-msg-id", "ID", "name the message; the same ID is sent once"},
	{OPTION_IF_MATCH, "if-match", "SEQ", "only if nothing was said after message SEQ"},
	{OPTION_NOTE, "note", NULL, "send a note, which requesters do not see"},
	{OPTION_RETRY_FOR, "retry-for", "TIME", "try again for so long when the net fails (30s)"},
	{0},
};

struct sending {
	const char *ticket;
	const char *role; /* NULL: BELLHOP_TOKEN */
	const char *client_msg_id;
	const char *if_match; /* NULL: no guard */
	bool note;
	int64_t retry_for_ms;
	struct buf text;
	struct buf body; /* the request's JSON */
	char made_id[2 * 16 + 1];
	char quoted_seq[32];
};

/* Reads standard input; one line end at its end does not belong to the message. */
static int read_text(const struct invocation *in, struct buf *text)
{
	char part[4096];
	ssize_t n;

	while ((n = read(STDIN_FILENO, part, sizeof(part))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			command_fail(in, "could not read standard input: %s", strerror(errno));
			return -1;
		}
		if (text->len + (size_t)n > INPUT_MAX) {
			command_fail(in, "the text is too long");
			return -1;
		}
		buf_put(text, part, (size_t)n);
	}
	if (text->len > 0 && text->data[text->len - 1] == '\n')
		buf_truncate(text, text->len - 1);
	return 0;
}

static int take_if_match(struct invocation *in, struct sending *s)
{
	int64_t seq;

	if (str_to_i64(str_of(in->value), 0, INT64_MAX, &seq) != 0)
		return command_usage(in, "'%s' is not the number of a message", in->value);
	snprintf(s->quoted_seq, sizeof(s->quoted_seq), "\"%lld\"", (long long)seq);
	s->if_match = s->quoted_seq;
	return COMMAND_OK;
}

static int take_retry_for(struct invocation *in, struct sending *s)
{
	long seconds = command_duration_s(in->value);

	if (seconds < 0)
		return command_usage(in, "'%s' is not a time such as 30s or 2m", in->value);
	s->retry_for_ms = 1000 * (int64_t)seconds;
	return COMMAND_OK;
}

/* Reads options and operands; COMMAND_OK, or what to return; *done_r is set if there is no more. */
static int take_arguments(struct invocation *in, struct sending *s, bool *done_r)
{
	int status = COMMAND_OK;
	int id;

	*done_r = true;
	while (status == COMMAND_OK && (id = command_option(in)) != 0) {
		switch (id) {
		case OPTION_AS:
			s->role = in->value;
			break;
		case OPTION_NOTE:
			s->note = true;
			break;
		case OPTION_CLIENT_MSG_ID:
			s->client_msg_id = in->value;
			break;
		case OPTION_IF_MATCH:
			status = take_if_match(in, s);
			break;
		case OPTION_RETRY_FOR:
			status = take_retry_for(in, s);
			break;
		default:
			return in->status;
		}
	}
	if (status != COMMAND_OK)
		return status;
	if (in->argc < 1 || in->argc > 2)
		return command_usage(in, "it takes a TICKET and at most one TEXT");
	if (!ids_is_ticket(str_of(in->argv[0])))
		return command_usage(in, "'%s' cannot be a ticket", in->argv[0]);
	if (s->client_msg_id != NULL && !ids_is_client_msg(str_of(s->client_msg_id)))
		return command_usage(in, "a client message id is 1 to 64 printable characters");
	s->ticket = in->argv[0];
	*done_r = false;
	return COMMAND_OK;
}

static int make_body(const struct invocation *in, struct sending *s)
{
	unsigned char random[16];
	struct json_write w;

	if (in->argc == 2 && strcmp(in->argv[1], "-") != 0)
		buf_puts(&s->text, in->argv[1]);
	else if (read_text(in, &s->text) != 0)
		return -1;
	if (!utf8_is_valid(buf_str(&s->text))) {
		command_fail(in, "the text is not UTF-8");
		return -1;
	}
	if (s->client_msg_id == NULL) {
		randombytes_buf(random, sizeof(random));
		sodium_bin2hex(s->made_id, sizeof(s->made_id), random, sizeof(random));
		s->client_msg_id = s->made_id;
	}
	json_write_init(&w, &s->body);
	json_write_open_object(&w);
	json_write_member_str(&w, "content", buf_str(&s->text));
	json_write_member_cstr(&w, "client_msg_id", s->client_msg_id);
	if (s->note)
		json_write_member_cstr(&w, "kind", "note");
	json_write_close(&w);
	if (json_write_finish(&w) != 0) {
		command_fail(in, "out of memory");
		return -1;
	}
	return 0;
}

/* Sends until there is a final answer or the time is up. */
static enum err attempt(const struct invocation *in, struct http *http, const struct sending *s,
			const char *path, struct http_answer *answer)
{
	struct http_request request = {
		.method = "POST",
		.path = path,
		.json = buf_str(&s->body),
		.if_match = s->if_match,
	};
	int64_t deadline_ms = clock_mono_ms() + s->retry_for_ms;

	for (unsigned int failures = 1;; failures++) {
		enum err err = http_call(http, &request, answer);
		int64_t wait_ms = client_backoff_ms(FIRST_DELAY_MS, failures, LONGEST_DELAY_MS);

		if (!client_is_passing(err, answer))
			return err;
		if (answer->retry_after_s * 1000 > wait_ms)
			wait_ms = answer->retry_after_s * 1000;
		if (clock_mono_ms() + wait_ms > deadline_ms)
			return err;
		client_fail(in, err, answer);
		command_note(in, "trying again");
		client_wait_ms(wait_ms);
	}
}

/* 412: what was said in between, so that one can read it before saying it again. */
static void show_newer(const struct json_read_value *problem)
{
	const struct json_read_value *message = json_get_first(problem, "messages");

	for (; message != NULL; message = json_read_next(message)) {
		struct buf line;

		buf_init(&line);
		event_text_put_message(&line, message);
		if (buf_cstr(&line) != NULL)
			fputs(buf_cstr(&line), stderr);
		buf_deinit(&line);
	}
}

/* Prints the seq of what was accepted, or explains what was not. */
static int conclude(const struct invocation *in, const struct http_answer *answer)
{
	struct json_read *json = NULL;
	struct json_read_error error;
	int64_t seq;
	int status = COMMAND_FAILED;

	if (json_read(buf_str(&answer->body), &json, &error) != JSON_READ_OK) {
		client_fail(in, ERR_NONE, answer);
	} else if (answer->status == 202) {
		puts("spooled");
		status = COMMAND_OK;
	} else if (answer->status < 300 &&
		   json_get_int(json_read_root(json), "seq", 1, INT64_MAX, &seq) == 0) {
		printf("%lld\n", (long long)seq);
		status = COMMAND_OK;
	} else {
		client_fail(in, ERR_NONE, answer);
		if (answer->status == 412)
			show_newer(json_read_root(json));
	}
	json_read_free(json);
	return status;
}

static int send_message(const struct invocation *in, const struct conf *conf,
			const struct sending *s)
{
	struct http_answer answer;
	struct http *http;
	char path[128];
	int status;
	enum err err;

	http = client_new(in, conf, s->role, &status);
	if (http == NULL)
		return status;
	http_answer_init(&answer);
	snprintf(path, sizeof(path), "/v1/tickets/%s/messages", s->ticket);
	err = attempt(in, http, s, path, &answer);
	status = err != ERR_NONE ? client_fail(in, err, &answer) : conclude(in, &answer);
	if (err == ERR_UNCERTAIN)
		command_note(in, "it may have been sent: --client-msg-id %s tries again safely",
			     s->client_msg_id);
	http_answer_deinit(&answer);
	http_free(http);
	return status;
}

static int run(struct invocation *in)
{
	struct sending s = {.retry_for_ms = INT64_C(1000) * RETRY_FOR_S};
	struct conf *conf = NULL;
	int status;
	bool done;

	buf_init(&s.text);
	buf_init(&s.body);
	status = take_arguments(in, &s, &done);
	if (done)
		goto out;
	status = COMMAND_FAILED;
	conf = command_conf(in);
	if (conf == NULL || make_body(in, &s) != 0)
		goto out;
	status = send_message(in, conf, &s);
out:
	conf_free(conf);
	buf_deinit(&s.text);
	buf_deinit(&s.body);
	return status;
}

const struct command cmd_send = {
	.name = "send",
	.operands = "TICKET [TEXT | -]",
	.summary = "send a message; its text is read from standard input if not given",
	.options = options,
	.run = run,
};
