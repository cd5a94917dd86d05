/* SPDX-License-Identifier: BSD-2-Clause */
/* Sending, with the pace and the retries of a well-behaved client. */
#include "config.h"

#include "sender.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum {
	ANSWER_MAX = 65536,
	RETRY_MS = 200,
	LONG_MS = 1000,
};

enum sender_state {
	SENDER_CONNECTING,
	SENDER_IDLE,
	SENDER_SENDING,
	SENDER_WAITING, /* to try the same message again */
};

struct sender {
	struct engine_transfer transfer; /* first: transfers are cast back */
	struct senders *all;
	struct curl_slist *headers;
	struct buf body;
	struct buf answer;
	enum sender_state state;
	size_t message;
	int64_t retry_at_ms;
	char error[CURL_ERROR_SIZE];
};

struct senders {
	const struct client *client;
	struct engine *engine;
	struct ledger *ledger;
	struct sender *items;
	size_t n;
	size_t n_idle;
	size_t n_waiting;
	size_t n_connected;
	size_t next; /* the next message that nobody has taken */
	struct buf padding;
	struct samples latencies;
	struct sender_counts counts;
};

static size_t take_answer(char *bytes, size_t size, size_t n, void *arg)
{
	struct sender *sender = arg;

	buf_put(&sender->answer, bytes, size * n);
	return buf_ok(&sender->answer) ? size * n : 0;
}

static void done(struct engine_transfer *transfer, CURLcode code);

static int sender_init(struct sender *sender, struct senders *all, size_t index)
{
	char user[32];

	sender->all = all;
	buf_init(&sender->body);
	buf_init(&sender->answer);
	sender->answer.limit = ANSWER_MAX;
	snprintf(user, sizeof(user), "bench-%zu", index);
	sender->headers = client_headers(all->client, user);
	if (sender->headers == NULL)
		return -1;
	sender->transfer.done = done;
	sender->transfer.easy = client_easy(all->client, sender->headers);
	if (sender->transfer.easy == NULL)
		return -1;
	curl_easy_setopt(sender->transfer.easy, CURLOPT_ERRORBUFFER, sender->error);
	curl_easy_setopt(sender->transfer.easy, CURLOPT_WRITEFUNCTION, take_answer);
	curl_easy_setopt(sender->transfer.easy, CURLOPT_WRITEDATA, sender);
	curl_easy_setopt(sender->transfer.easy, CURLOPT_TIMEOUT_MS,
			 all->client->options->patience_ms);
	return 0;
}

struct senders *senders_new(const struct client *client, struct engine *engine,
			    struct ledger *ledger)
{
	size_t n = (size_t)client->options->senders;
	struct senders *all = calloc(1, sizeof(*all));

	if (all == NULL)
		return NULL;
	all->client = client;
	all->engine = engine;
	all->ledger = ledger;
	all->items = calloc(n, sizeof(*all->items));
	if (all->items == NULL) {
		free(all);
		return NULL;
	}
	all->n = n;
	samples_init(&all->latencies, ledger->n_messages);
	for (long i = 0; i < client->options->size; i++)
		buf_putc(&all->padding, (char)('a' + i % 26));
	if (!buf_ok(&all->padding))
		goto failed;
	for (size_t i = 0; i < n; i++)
		if (sender_init(&all->items[i], all, i) != 0)
			goto failed;
	return all;
failed:
	senders_free(all);
	return NULL;
}

void senders_free(struct senders *all)
{
	if (all == NULL)
		return;
	for (size_t i = 0; i < all->n; i++) {
		struct sender *sender = &all->items[i];

		if (sender->transfer.easy != NULL)
			engine_cancel(all->engine, &sender->transfer);
		curl_easy_cleanup(sender->transfer.easy);
		curl_slist_free_all(sender->headers);
		buf_deinit(&sender->body);
		buf_deinit(&sender->answer);
	}
	free(all->items);
	buf_deinit(&all->padding);
	samples_deinit(&all->latencies);
	free(all);
}

int senders_connect(struct senders *all)
{
	for (size_t i = 0; i < all->n; i++) {
		struct sender *sender = &all->items[i];

		client_set_path(all->client, sender->transfer.easy, "/v1/healthz");
		if (engine_start(all->engine, &sender->transfer) != 0)
			return -1;
	}
	return 0;
}

bool senders_are_connected(const struct senders *all)
{
	return all->n_connected == all->n;
}

static int send_message(struct sender *sender)
{
	struct senders *all = sender->all;
	CURL *easy = sender->transfer.easy;

	buf_reset(&sender->answer);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)sender->body.len);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, sender->body.data);
	sender->state = SENDER_SENDING;
	return engine_start(all->engine, &sender->transfer);
}

/* Writes the request of the next message; the server stores its content as it is. */
static int take_message(struct sender *sender, int64_t now_us)
{
	struct senders *all = sender->all;
	char ticket[LEDGER_TICKET_SIZE];
	char path[LEDGER_TICKET_SIZE + 32];

	sender->message = all->next++;
	ledger_ticket(all->ledger, sender->message % all->ledger->n_tickets, ticket);
	snprintf(path, sizeof(path), "/v1/tickets/%s/messages", ticket);
	client_set_path(all->client, sender->transfer.easy, path);
	buf_reset(&sender->body);
	buf_puts(&sender->body, "{\"client_msg_id\":\"");
	ledger_put_id(all->ledger, sender->message, &sender->body);
	buf_puts(&sender->body, "\",\"content\":\"");
	buf_put_str(&sender->body, buf_str(&all->padding));
	buf_puts(&sender->body, "\"}");
	all->ledger->begun_us[sender->message] = now_us;
	if (all->counts.begun_us == 0)
		all->counts.begun_us = now_us;
	return buf_ok(&sender->body) ? send_message(sender) : -1;
}

/* The first thing that went wrong is kept for the report. */
static void note_failure(struct sender *sender, const char *what, long status)
{
	struct sender_counts *counts = &sender->all->counts;

	if (counts->first_failure[0] == '\0')
		snprintf(counts->first_failure, sizeof(counts->first_failure),
			 "%s: status %ld %s%.*s", what, status, sender->error,
			 STR_ARG(buf_str(&sender->answer)));
}

/* The server has spoken: is that the end of the message? */
static bool take_status(struct sender *sender, long status, int64_t now_us)
{
	struct senders *all = sender->all;
	int64_t seq;

	if (status == 429 || status >= 500)
		return false;
	if (status == 202) {
		all->counts.spooled++;
	} else if ((status == 200 || status == 201) &&
		   ledger_find_number(buf_str(&sender->answer), "\"seq\":", &seq) == 0) {
		ledger_note(all->ledger, sender->message, seq);
		samples_add(&all->latencies, now_us - all->ledger->begun_us[sender->message]);
		all->counts.answered++;
	} else {
		all->counts.failed++;
		note_failure(sender, "refused", status);
	}
	all->counts.ended_us = now_us;
	return true;
}

static void done(struct engine_transfer *transfer, CURLcode code)
{
	struct sender *sender = (struct sender *)transfer;
	struct senders *all = sender->all;
	long status = 0;

	if (sender->state == SENDER_CONNECTING) {
		if (code != CURLE_OK)
			note_failure(sender, "could not connect", 0);
		sender->state = SENDER_IDLE;
		all->n_idle++;
		all->n_connected++;
		return;
	}
	curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	if (code == CURLE_OK && take_status(sender, status, clock_mono_us())) {
		sender->state = SENDER_IDLE;
		all->n_idle++;
		return;
	}
	/* Whatever happened to it: the client_msg_id makes it safe to say it again. */
	note_failure(sender, "tried again", status);
	sender->state = SENDER_WAITING;
	sender->retry_at_ms = clock_mono_ms() + RETRY_MS;
	all->n_waiting++;
	all->counts.retried++;
}

/* Microseconds until the next message is due; 0 or less: now. */
static int64_t due_in_us(const struct senders *all, int64_t now_us)
{
	double rate = all->client->options->rate;

	if (rate <= 0 || all->counts.begun_us == 0)
		return 0;
	return all->counts.begun_us + (int64_t)(1e6 * (double)all->next / rate) - now_us;
}

static int start_due(struct senders *all, struct sender *sender)
{
	int64_t now_us = clock_mono_us();

	if (all->next == all->ledger->n_messages || due_in_us(all, now_us) > 0)
		return 0;
	all->n_idle--;
	return take_message(sender, now_us);
}

static int retry(struct senders *all, struct sender *sender)
{
	if (clock_mono_ms() < sender->retry_at_ms)
		return 0;
	all->n_waiting--;
	return send_message(sender);
}

int senders_turn(struct senders *all)
{
	bool left = all->next < all->ledger->n_messages;
	int64_t wait_us = left && all->n_idle > 0 ? due_in_us(all, clock_mono_us()) : INT64_MAX;

	if (all->n_waiting == 0 && wait_us > 0)
		return wait_us > 1000 * (int64_t)LONG_MS ? LONG_MS : (int)(wait_us / 1000);
	for (size_t i = 0; i < all->n; i++) {
		struct sender *sender = &all->items[i];

		if (sender->state == SENDER_IDLE && start_due(all, sender) != 0)
			return -1;
		if (sender->state == SENDER_WAITING && retry(all, sender) != 0)
			return -1;
	}
	return all->n_waiting > 0 ? RETRY_MS / 4 : 0;
}

bool senders_are_done(const struct senders *all)
{
	return all->counts.answered + all->counts.spooled + all->counts.failed ==
	       all->ledger->n_messages;
}

const struct sender_counts *senders_counts(const struct senders *all)
{
	return &all->counts;
}

struct samples *senders_latencies(struct senders *all)
{
	return &all->latencies;
}
