/* SPDX-License-Identifier: BSD-2-Clause */
/* Listening and checking. Nothing is allocated for an event. */
#include "config.h"

#include "stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/sse_reader.h"
#include "web/cursor.h"

enum {
	EVENT_MAX = 1 << 20,
	RETRY_MS = 1000,
	STREAMS_PER_USER = 16,
	BODY_SHOWN = 160,
};

struct stream {
	struct engine_transfer transfer; /* first: transfers are cast back */
	struct streams *all;
	struct curl_slist *headers;
	struct sse_reader reader;
	size_t ticket;
	int64_t last_seq;     /* of the newest event seen */
	int64_t reopen_at_ms; /* 0: it is open */
	bool greeted;
	bool done; /* has seen the last message of its ticket */
	char error[CURL_ERROR_SIZE];
};

struct streams {
	const struct client *client;
	struct engine *engine;
	struct ledger *ledger;
	struct stream *items;
	size_t n;
	size_t n_greeted;
	size_t n_done;
	size_t n_waiting; /* to be opened again */
	int64_t now_us;	  /* of the piece of input being read: one clock call for its events */
	struct samples latencies;
	struct stream_counts counts;
};

static void note_trouble(struct stream *stream, const char *what, struct str detail)
{
	struct stream_counts *counts = &stream->all->counts;

	if (counts->first_trouble[0] == '\0')
		snprintf(counts->first_trouble, sizeof(counts->first_trouble),
			 "ticket %zu after event %lld: %s %.*s", stream->ticket,
			 (long long)stream->last_seq, what, STR_ARG(detail));
}

/* Is this the event that had to come? */
static void check_order(struct stream *stream, int64_t seq, int64_t prev, struct str data)
{
	struct stream_counts *counts = &stream->all->counts;

	if (seq <= stream->last_seq) {
		counts->repeated++;
		note_trouble(stream, "repeated", data);
		return;
	}
	if (seq > stream->last_seq + 1) {
		counts->lost += (size_t)(seq - stream->last_seq - 1);
		note_trouble(stream, "lost before", data);
	}
	if (prev != stream->last_seq) {
		counts->unchained++;
		note_trouble(stream, "unchained", data);
	}
	stream->last_seq = seq;
}

static void take_message(struct stream *stream, const struct sse_reader_event *event)
{
	struct streams *all = stream->all;
	struct ledger *ledger = all->ledger;
	struct cursor cursor = cursor_parse(event->id);
	int64_t message = ledger_find(ledger, event->data);
	int64_t prev = -1;

	if (message < 0 || (size_t)message % ledger->n_tickets != stream->ticket) {
		ledger->strangers++;
		note_trouble(stream, "not ours", event->data);
		return;
	}
	ledger_find_number(event->data, "\"prev\":", &prev);
	check_order(stream, event->has_id ? cursor.seq : 0, prev, event->data);
	ledger_note(ledger, (size_t)message, cursor.seq);
	samples_add(&all->latencies, all->now_us - ledger->begun_us[message]);
	all->counts.delivered++;
	all->counts.last_us = all->now_us;
	if (!stream->done && stream->last_seq >= (int64_t)ledger_expected(ledger, stream->ticket)) {
		stream->done = true;
		all->n_done++;
	}
}

static int take_event(void *arg, const struct sse_reader_event *event)
{
	struct stream *stream = arg;
	struct streams *all = stream->all;

	if (str_eq(event->type, STR("message"))) {
		take_message(stream, event);
	} else if (str_eq(event->type, STR("hello"))) {
		all->n_greeted += !stream->greeted;
		stream->greeted = true;
	} else if (str_eq(event->type, STR("gap"))) {
		all->counts.gaps++;
		note_trouble(stream, "gap", event->data);
	} else if (str_eq(event->type, STR("bye"))) {
		note_trouble(stream, "bye", event->data);
	}
	return 0;
}

static size_t take_bytes(char *bytes, size_t size, size_t n, void *arg)
{
	struct stream *stream = arg;
	long status = 0;

	n *= size;
	curl_easy_getinfo(stream->transfer.easy, CURLINFO_RESPONSE_CODE, &status);
	if (status != 200) {
		note_trouble(stream, "answered",
			     (struct str){bytes, n < BODY_SHOWN ? n : BODY_SHOWN});
		return n;
	}
	stream->all->now_us = clock_mono_us();
	return sse_reader_feed(&stream->reader, bytes, n) == 0 ? n : 0;
}

static void done(struct engine_transfer *transfer, CURLcode code)
{
	struct stream *stream = (struct stream *)transfer;
	struct streams *all = stream->all;
	long status = 0;

	curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	if (code != CURLE_OK)
		note_trouble(stream, "ended:", str_of(stream->error));
	if (status != 200)
		all->counts.refused++;
	stream->reopen_at_ms = clock_mono_ms() + RETRY_MS;
	all->n_waiting++;
}

static int stream_init(struct stream *stream, struct streams *all, size_t index)
{
	char user[40];
	char ticket[LEDGER_TICKET_SIZE];
	char path[LEDGER_TICKET_SIZE + 32];

	stream->all = all;
	stream->ticket = index % all->ledger->n_tickets;
	stream->done = ledger_expected(all->ledger, stream->ticket) == 0;
	all->n_done += stream->done;
	sse_reader_init(&stream->reader, EVENT_MAX, take_event, stream);
	snprintf(user, sizeof(user), "bench-reader-%zu", index / STREAMS_PER_USER);
	stream->headers = client_headers(all->client, user);
	if (stream->headers == NULL)
		return -1;
	stream->transfer.done = done;
	stream->transfer.easy = client_easy(all->client, stream->headers);
	if (stream->transfer.easy == NULL)
		return -1;
	ledger_ticket(all->ledger, stream->ticket, ticket);
	snprintf(path, sizeof(path), "/v1/tickets/%s/stream", ticket);
	client_set_path(all->client, stream->transfer.easy, path);
	curl_easy_setopt(stream->transfer.easy, CURLOPT_ERRORBUFFER, stream->error);
	curl_easy_setopt(stream->transfer.easy, CURLOPT_WRITEFUNCTION, take_bytes);
	curl_easy_setopt(stream->transfer.easy, CURLOPT_WRITEDATA, stream);
	return 0;
}

struct streams *streams_new(const struct client *client, struct engine *engine,
			    struct ledger *ledger)
{
	size_t n = (size_t)client->options->streams;
	struct streams *all = calloc(1, sizeof(*all));

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
	samples_init(&all->latencies, ledger->per_ticket * n);
	for (size_t i = 0; i < n; i++)
		if (stream_init(&all->items[i], all, i) != 0)
			goto failed;
	return all;
failed:
	streams_free(all);
	return NULL;
}

void streams_free(struct streams *all)
{
	if (all == NULL)
		return;
	for (size_t i = 0; i < all->n; i++) {
		struct stream *stream = &all->items[i];

		if (stream->transfer.easy != NULL)
			engine_cancel(all->engine, &stream->transfer);
		curl_easy_cleanup(stream->transfer.easy);
		curl_slist_free_all(stream->headers);
		sse_reader_deinit(&stream->reader);
	}
	free(all->items);
	samples_deinit(&all->latencies);
	free(all);
}

int streams_open(struct streams *all)
{
	for (size_t i = 0; i < all->n; i++)
		if (engine_start(all->engine, &all->items[i].transfer) != 0)
			return -1;
	return 0;
}

/* Comes back where the stream was; one that saw nothing yet begins at the first event. */
static int reopen(struct stream *stream)
{
	struct str last_id = sse_reader_last_id(&stream->reader);
	struct curl_slist *longer;
	struct buf line;

	sse_reader_restart(&stream->reader);
	buf_init(&line);
	buf_printf(&line, "Last-Event-ID: %.*s", STR_ARG(last_id));
	/* The one of before, if any, is the third header. */
	if (stream->headers->next->next != NULL) {
		curl_slist_free_all(stream->headers->next->next);
		stream->headers->next->next = NULL;
	}
	longer = last_id.n > 0 && buf_cstr(&line) != NULL
			 ? curl_slist_append(stream->headers, buf_cstr(&line))
			 : stream->headers;
	buf_deinit(&line);
	if (longer == NULL)
		return -1;
	stream->all->counts.reopened++;
	return engine_start(stream->all->engine, &stream->transfer);
}

int streams_turn(struct streams *all)
{
	int64_t now_ms;

	if (all->n_waiting == 0)
		return 0;
	now_ms = clock_mono_ms();
	for (size_t i = 0; i < all->n; i++) {
		struct stream *stream = &all->items[i];

		if (stream->reopen_at_ms == 0 || now_ms < stream->reopen_at_ms)
			continue;
		stream->reopen_at_ms = 0;
		all->n_waiting--;
		if (reopen(stream) != 0)
			return -1;
	}
	return 0;
}

size_t streams_greeted(const struct streams *all)
{
	return all->n_greeted;
}

bool streams_are_done(const struct streams *all)
{
	return all->n_done == all->n;
}

size_t streams_missing(const struct streams *all)
{
	size_t missing = 0;

	for (size_t i = 0; i < all->n; i++) {
		const struct stream *stream = &all->items[i];
		int64_t expected = (int64_t)ledger_expected(all->ledger, stream->ticket);

		if (stream->last_seq < expected)
			missing += (size_t)(expected - stream->last_seq);
	}
	return missing;
}

const struct stream_counts *streams_counts(const struct streams *all)
{
	return &all->counts;
}

struct samples *streams_latencies(struct streams *all)
{
	return &all->latencies;
}
