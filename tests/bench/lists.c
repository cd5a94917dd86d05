/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading lists: by turns the first page, and the one after it. */
#include "config.h"

#include "lists.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/json_get.h"

enum { PAGE_MAX = 16 << 20, NEXT_MAX = 256 };

struct reader {
	struct engine_transfer transfer; /* first: transfers are cast back */
	struct lists *all;
	struct curl_slist *headers;
	struct buf answer;
	char next[NEXT_MAX]; /* of the page before; "" is the first page */
	int64_t begun_us;
	char error[CURL_ERROR_SIZE];
};

struct lists {
	const struct client *client;
	struct engine *engine;
	struct reader *items;
	size_t n;
	size_t n_busy;
	size_t asked;
	struct samples latencies;
	struct lists_counts counts;
};

static void done(struct engine_transfer *transfer, CURLcode code);

static size_t take_bytes(char *bytes, size_t size, size_t n, void *arg)
{
	struct reader *reader = arg;

	buf_put(&reader->answer, bytes, size * n);
	return buf_ok(&reader->answer) ? size * n : 0;
}

static int reader_init(struct reader *reader, struct lists *all)
{
	reader->all = all;
	buf_init(&reader->answer);
	reader->answer.limit = PAGE_MAX;
	reader->headers = client_headers(all->client, all->client->options->user);
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

struct lists *lists_new(const struct client *client, struct engine *engine)
{
	size_t n = (size_t)client->options->senders;
	struct lists *all = calloc(1, sizeof(*all));

	if (all == NULL)
		return NULL;
	all->client = client;
	all->engine = engine;
	all->items = calloc(n, sizeof(*all->items));
	if (all->items == NULL) {
		free(all);
		return NULL;
	}
	all->n = n;
	for (size_t i = 0; i < n; i++) {
		if (reader_init(&all->items[i], all) != 0) {
			lists_free(all);
			return NULL;
		}
	}
	return all;
}

void lists_free(struct lists *all)
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
	samples_deinit(&all->latencies);
	free(all);
}

static int ask(struct reader *reader)
{
	struct lists *all = reader->all;
	char path[NEXT_MAX + 64];
	int n = snprintf(path, sizeof(path), "/v1/tickets?limit=%ld", all->client->options->limit);

	if (reader->next[0] != '\0')
		snprintf(path + n, sizeof(path) - (size_t)n, "&before=%s", reader->next);
	client_set_path(all->client, reader->transfer.easy, path);
	buf_reset(&reader->answer);
	reader->begun_us = clock_mono_us();
	all->asked++;
	all->n_busy++;
	return engine_start(all->engine, &reader->transfer);
}

/* Newest activity first; times of one form are ordered as text. */
static bool is_right(const struct reader *reader, const struct json_read_value *page)
{
	const struct json_read_value *tickets = json_get(page, "tickets");
	const struct json_read_value *ticket;
	struct str last = STR("9");

	if (tickets == NULL || !json_read_is_array(tickets) ||
	    (long)json_read_count(tickets) > reader->all->client->options->limit)
		return false;
	for (ticket = json_read_first(tickets); ticket != NULL; ticket = json_read_next(ticket)) {
		const struct json_read_value *at = json_get(ticket, "last_activity_at");

		if (at == NULL || str_cmp(json_read_str(at), last) > 0)
			return false;
		last = json_read_str(at);
	}
	return true;
}

static void take_page(struct reader *reader)
{
	struct lists *all = reader->all;
	const struct json_read_value *root, *next;
	struct json_read *json = NULL;
	struct json_read_error error;
	bool was_first = reader->next[0] == '\0';

	reader->next[0] = '\0';
	if (json_read(buf_str(&reader->answer), &json, &error) != JSON_READ_OK ||
	    !is_right(reader, json_read_root(json))) {
		all->counts.wrong++;
		if (all->counts.first_trouble[0] == '\0')
			snprintf(all->counts.first_trouble, sizeof(all->counts.first_trouble),
				 "%.*s", STR_ARG(buf_str(&reader->answer)));
	} else {
		root = json_read_root(json);
		all->counts.tickets += json_read_count(json_get(root, "tickets"));
		next = json_get(root, "next");
		if (was_first && next != NULL && json_read_is_string(next))
			snprintf(reader->next, sizeof(reader->next), "%.*s",
				 STR_ARG(json_read_str(next)));
	}
	json_read_free(json);
}

static void done(struct engine_transfer *transfer, CURLcode code)
{
	struct reader *reader = (struct reader *)transfer;
	struct lists *all = reader->all;
	int64_t now_us = clock_mono_us();
	long status = 0;
	long connects = 0;

	all->n_busy--;
	all->counts.read++;
	all->counts.ended_us = now_us;
	curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(transfer->easy, CURLINFO_NUM_CONNECTS, &connects);
	if (code == CURLE_OK && status == 200) {
		if (connects == 0)
			samples_add(&all->latencies, now_us - reader->begun_us);
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

int lists_start(struct lists *all)
{
	all->counts.begun_us = clock_mono_us();
	for (size_t i = 0; i < all->n; i++)
		if (all->asked < (size_t)all->client->options->requests && ask(&all->items[i]) != 0)
			return -1;
	return 0;
}

bool lists_is_done(const struct lists *all)
{
	return all->n_busy == 0 && all->asked >= (size_t)all->client->options->requests;
}

const struct lists_counts *lists_counts(const struct lists *all)
{
	return &all->counts;
}

struct samples *lists_latencies(struct lists *all)
{
	return &all->latencies;
}
