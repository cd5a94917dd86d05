/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading pages at random. */
#include "config.h"

#include "pages.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/json_get.h"

enum { PAGE_MAX = 16 << 20 };

struct reader {
	struct engine_transfer transfer; /* first: transfers are cast back */
	struct pages *all;
	struct curl_slist *headers;
	struct buf answer;
	size_t ticket;
	int64_t before; /* 0: the newest page */
	int64_t begun_us;
	char error[CURL_ERROR_SIZE];
};

struct pages {
	const struct client *client;
	struct engine *engine;
	const struct ledger *ledger;
	struct reader *items;
	size_t n;
	size_t n_busy;
	size_t asked;
	int64_t newest_seq; /* of options->ticket; 0: not known yet */
	struct samples newest;
	struct samples older;
	struct pages_counts counts;
};

static void done(struct engine_transfer *transfer, CURLcode code);

static size_t take_bytes(char *bytes, size_t size, size_t n, void *arg)
{
	struct reader *reader = arg;

	buf_put(&reader->answer, bytes, size * n);
	return buf_ok(&reader->answer) ? size * n : 0;
}

static int reader_init(struct reader *reader, struct pages *all)
{
	reader->all = all;
	buf_init(&reader->answer);
	reader->answer.limit = PAGE_MAX;
	reader->headers = client_headers(all->client, "bench-reader");
	if (reader->headers == NULL)
		return -1;
	reader->transfer.done = done;
	reader->transfer.easy = client_easy(all->client, reader->headers);
	if (reader->transfer.easy == NULL)
		return -1;
	curl_easy_setopt(reader->transfer.easy, CURLOPT_ERRORBUFFER, reader->error);
	curl_easy_setopt(reader->transfer.easy, CURLOPT_WRITEFUNCTION, take_bytes);
	curl_easy_setopt(reader->transfer.easy, CURLOPT_WRITEDATA, reader);
	curl_easy_setopt(reader->transfer.easy, CURLOPT_TIMEOUT_MS,
			 all->client->options->patience_ms);
	return 0;
}

struct pages *pages_new(const struct client *client, struct engine *engine,
			const struct ledger *ledger)
{
	size_t n = (size_t)client->options->senders;
	struct pages *all = calloc(1, sizeof(*all));

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
	for (size_t i = 0; i < n; i++)
		if (reader_init(&all->items[i], all) != 0)
			goto failed;
	return all;
failed:
	pages_free(all);
	return NULL;
}

void pages_free(struct pages *all)
{
	if (all == NULL)
		return;
	for (size_t i = 0; i < all->n; i++) {
		struct reader *reader = &all->items[i];

		if (reader->transfer.easy != NULL)
			engine_cancel(all->engine, &reader->transfer);
		curl_easy_cleanup(reader->transfer.easy);
		curl_slist_free_all(reader->headers);
		buf_deinit(&reader->answer);
	}
	free(all->items);
	samples_deinit(&all->newest);
	samples_deinit(&all->older);
	free(all);
}

/* The newest seq of the reader's ticket as far as it is known. */
static int64_t newest_of(const struct reader *reader)
{
	const struct pages *all = reader->all;

	if (all->client->options->ticket != NULL)
		return all->newest_seq;
	return (int64_t)ledger_expected(all->ledger, reader->ticket);
}

/* Asks for the next page: by turns the newest one and one from anywhere. */
static int ask(struct reader *reader)
{
	struct pages *all = reader->all;
	const struct options *options = all->client->options;
	char ticket[LEDGER_TICKET_SIZE];
	char path[LEDGER_TICKET_SIZE + 128];
	int64_t newest;
	int n;

	reader->ticket = randombytes_uniform((uint32_t)all->ledger->n_tickets);
	ledger_ticket(all->ledger, reader->ticket, ticket);
	newest = newest_of(reader);
	reader->before = 0;
	if (all->asked++ % 2 == 1 && newest > 1)
		reader->before = 2 + randombytes_uniform((uint32_t)newest);
	n = snprintf(path, sizeof(path), "/v1/tickets/%.64s/messages?limit=%ld",
		     options->ticket != NULL ? options->ticket : ticket, options->limit);
	if (reader->before > 0)
		snprintf(path + n, sizeof(path) - (size_t)n, "&before=%lld",
			 (long long)reader->before);
	client_set_path(all->client, reader->transfer.easy, path);
	buf_reset(&reader->answer);
	reader->begun_us = clock_mono_us();
	all->n_busy++;
	return engine_start(all->engine, &reader->transfer);
}

/* Ascending, below the bound, and, where all events are messages of this run, without a hole. */
static bool is_right(const struct reader *reader, const struct json_read_value *page)
{
	const struct options *options = reader->all->client->options;
	const struct json_read_value *messages = json_get(page, "messages");
	const struct json_read_value *message;
	bool ours = options->ticket == NULL;
	int64_t end = reader->before > 0 ? reader->before : newest_of(reader) + 1;
	int64_t expected = end - 1 < options->limit ? end - 1 : options->limit;
	int64_t last = ours ? end - 1 - expected : 0;

	if (messages == NULL || !json_read_is_array(messages))
		return false;
	if (ours && (int64_t)json_read_count(messages) != expected)
		return false;
	for (message = json_read_first(messages); message != NULL;
	     message = json_read_next(message)) {
		int64_t seq;

		if (json_get_int(message, "seq", 1, INT64_MAX, &seq) != 0 || seq <= last ||
		    (ours && seq != last + 1) || (reader->before > 0 && seq >= reader->before))
			return false;
		last = seq;
	}
	return true;
}

static void take_page(struct reader *reader)
{
	struct pages *all = reader->all;
	struct json_read *json = NULL;
	struct json_read_error error;

	if (json_read(buf_str(&reader->answer), &json, &error) != JSON_READ_OK ||
	    !is_right(reader, json_read_root(json))) {
		all->counts.wrong++;
		if (all->counts.first_trouble[0] == '\0')
			snprintf(all->counts.first_trouble, sizeof(all->counts.first_trouble),
				 "ticket %zu, before %lld: %.*s", reader->ticket,
				 (long long)reader->before, STR_ARG(buf_str(&reader->answer)));
	}
	if (json != NULL && all->newest_seq == 0)
		json_get_int(json_read_root(json), "newest_seq", 1, INT64_MAX, &all->newest_seq);
	json_read_free(json);
}

static void done(struct engine_transfer *transfer, CURLcode code)
{
	struct reader *reader = (struct reader *)transfer;
	struct pages *all = reader->all;
	int64_t now_us = clock_mono_us();
	long status = 0;
	long connects = 0;

	all->n_busy--;
	all->counts.read++;
	all->counts.ended_us = now_us;
	curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(transfer->easy, CURLINFO_NUM_CONNECTS, &connects);
	if (code == CURLE_OK && status == 200) {
		/* Making a connection is not part of reading a page. */
		if (connects == 0)
			samples_add(reader->before > 0 ? &all->older : &all->newest,
				    now_us - reader->begun_us);
		take_page(reader);
	} else {
		all->counts.refused++;
		if (all->counts.first_trouble[0] == '\0')
			snprintf(all->counts.first_trouble, sizeof(all->counts.first_trouble),
				 "status %ld %s%.*s", status, reader->error,
				 STR_ARG(buf_str(&reader->answer)));
	}
	if (all->asked < (size_t)all->client->options->requests && ask(reader) != 0)
		all->counts.refused++;
}

int pages_start(struct pages *all)
{
	all->counts.begun_us = clock_mono_us();
	for (size_t i = 0; i < all->n; i++)
		if (all->asked < (size_t)all->client->options->requests && ask(&all->items[i]) != 0)
			return -1;
	return 0;
}

bool pages_is_done(const struct pages *all)
{
	return all->n_busy == 0 && all->asked >= (size_t)all->client->options->requests;
}

const struct pages_counts *pages_counts(const struct pages *all)
{
	return &all->counts;
}

struct samples *pages_newest(struct pages *all)
{
	return &all->newest;
}

struct samples *pages_older(struct pages *all)
{
	return &all->older;
}
