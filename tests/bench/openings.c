/* SPDX-License-Identifier: BSD-2-Clause */
/* Opening streams of many tickets. */
#include "config.h"

#include "openings.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/json_get.h"
#include "cli/sse_reader.h"

enum { HELLO_MAX = 1 << 20 };

struct opening {
	struct engine_transfer transfer; /* first: transfers are cast back */
	struct openings *all;
	struct curl_slist *headers;
	struct sse_reader reader;
	size_t first; /* of its tickets */
	int64_t begun_us, greeted_us;
	char error[CURL_ERROR_SIZE];
};

struct openings {
	const struct client *client;
	struct engine *engine;
	const struct ledger *ledger;
	struct opening *items;
	size_t n;
	size_t n_busy;
	size_t asked;
	size_t many;
	struct samples latencies;
	struct openings_counts counts;
};

static void note_trouble(struct openings *all, const char *what, struct str detail)
{
	if (all->counts.first_trouble[0] == '\0')
		snprintf(all->counts.first_trouble, sizeof(all->counts.first_trouble), "%s %.*s",
			 what, STR_ARG(detail));
}

/* Does hello know all tickets of the opening, up to their last message? */
static bool is_right(const struct opening *opening, struct str hello)
{
	const struct openings *all = opening->all;
	struct json_read_error error;
	struct json_read *json = NULL;
	const struct json_read_value *tickets;
	bool good = json_read(hello, &json, &error) == JSON_READ_OK;

	tickets = good ? json_get(json_read_root(json), "tickets") : NULL;
	good = tickets != NULL && json_read_count(tickets) == all->many;
	for (size_t i = 0; good && i < all->many; i++) {
		size_t ticket = (opening->first + i) % all->ledger->n_tickets;
		const struct json_read_value *card;
		char name[LEDGER_TICKET_SIZE];
		int64_t newest = -1;

		ledger_ticket(all->ledger, ticket, name);
		card = json_get(tickets, name);
		good = card != NULL &&
		       json_get_int(card, "newest_seq", 0, INT64_MAX, &newest) == 0 &&
		       newest == (int64_t)ledger_expected(all->ledger, ticket);
	}
	json_read_free(json);
	return good;
}

/* Stops the reading at the first event, whichever it is. */
static int take_event(void *arg, const struct sse_reader_event *event)
{
	struct opening *opening = arg;
	struct openings *all = opening->all;

	if (str_eq(event->type, STR("hello"))) {
		opening->greeted_us = clock_mono_us();
		if (!is_right(opening, event->data)) {
			all->counts.wrong++;
			note_trouble(all, "hello", event->data);
		}
	} else {
		note_trouble(all, "not greeted:", event->data);
	}
	return -1;
}

static size_t take_bytes(char *bytes, size_t size, size_t n, void *arg)
{
	struct opening *opening = arg;
	long status = 0;

	n *= size;
	curl_easy_getinfo(opening->transfer.easy, CURLINFO_RESPONSE_CODE, &status);
	if (status != 200)
		note_trouble(opening->all, "answered", (struct str){bytes, n});
	return status == 200 && sse_reader_feed(&opening->reader, bytes, n) == 0 ? n : 0;
}

static int ask(struct opening *opening)
{
	struct openings *all = opening->all;
	struct buf path = BUF_INIT;
	int result = -1;

	opening->first = randombytes_uniform((uint32_t)all->ledger->n_tickets);
	buf_puts(&path, "/v1/stream?tickets=");
	for (size_t i = 0; i < all->many; i++) {
		char name[LEDGER_TICKET_SIZE];

		ledger_ticket(all->ledger, (opening->first + i) % all->ledger->n_tickets, name);
		buf_printf(&path, "%s%s", i > 0 ? "," : "", name);
	}
	sse_reader_deinit(&opening->reader);
	sse_reader_init(&opening->reader, HELLO_MAX, take_event, opening);
	if (buf_cstr(&path) != NULL) {
		client_set_path(all->client, opening->transfer.easy, buf_cstr(&path));
		opening->greeted_us = 0;
		opening->begun_us = clock_mono_us();
		all->asked++;
		all->n_busy++;
		result = engine_start(all->engine, &opening->transfer);
	}
	buf_deinit(&path);
	return result;
}

static void done(struct engine_transfer *transfer, CURLcode code)
{
	struct opening *opening = (struct opening *)transfer;
	struct openings *all = opening->all;
	curl_off_t connected_us = 0;

	all->n_busy--;
	all->counts.ended_us = clock_mono_us();
	curl_easy_getinfo(transfer->easy, CURLINFO_PRETRANSFER_TIME_T, &connected_us);
	if (opening->greeted_us > 0) {
		all->counts.greeted++;
		samples_add(&all->latencies,
			    opening->greeted_us - opening->begun_us - connected_us);
	} else {
		all->counts.refused++;
		note_trouble(all, "ended:", str_of(code == CURLE_OK ? "" : opening->error));
	}
	if (all->asked < (size_t)all->client->options->requests && ask(opening) != 0)
		all->counts.refused++;
}

static int opening_init(struct opening *opening, struct openings *all, size_t index)
{
	char user[40];

	opening->all = all;
	sse_reader_init(&opening->reader, HELLO_MAX, take_event, opening);
	snprintf(user, sizeof(user), "bench-opener-%zu", index);
	opening->headers = client_headers(all->client, user);
	if (opening->headers == NULL)
		return -1;
	opening->transfer.done = done;
	opening->transfer.easy = client_easy(all->client, opening->headers);
	if (opening->transfer.easy == NULL)
		return -1;
	curl_easy_setopt(opening->transfer.easy, CURLOPT_ERRORBUFFER, opening->error);
	curl_easy_setopt(opening->transfer.easy, CURLOPT_WRITEFUNCTION, take_bytes);
	curl_easy_setopt(opening->transfer.easy, CURLOPT_WRITEDATA, opening);
	return 0;
}

struct openings *openings_new(const struct client *client, struct engine *engine,
			      const struct ledger *ledger)
{
	struct openings *all = calloc(1, sizeof(*all));

	if (all == NULL)
		return NULL;
	all->client = client;
	all->engine = engine;
	all->ledger = ledger;
	all->many = (size_t)client->options->many;
	if (all->many > ledger->n_tickets)
		all->many = ledger->n_tickets;
	all->n = (size_t)client->options->senders;
	all->items = calloc(all->n, sizeof(*all->items));
	if (all->items == NULL)
		all->n = 0;
	for (size_t i = 0; i < all->n; i++)
		if (opening_init(&all->items[i], all, i) != 0)
			goto failed;
	if (all->n > 0)
		return all;
failed:
	openings_free(all);
	return NULL;
}

void openings_free(struct openings *all)
{
	if (all == NULL)
		return;
	for (size_t i = 0; i < all->n; i++) {
		struct opening *opening = &all->items[i];

		if (opening->transfer.easy != NULL)
			engine_cancel(all->engine, &opening->transfer);
		curl_easy_cleanup(opening->transfer.easy);
		curl_slist_free_all(opening->headers);
		sse_reader_deinit(&opening->reader);
	}
	free(all->items);
	samples_deinit(&all->latencies);
	free(all);
}

int openings_start(struct openings *all)
{
	all->counts.begun_us = clock_mono_us();
	for (size_t i = 0; i < all->n; i++)
		if (all->asked < (size_t)all->client->options->requests && ask(&all->items[i]) != 0)
			return -1;
	return 0;
}

bool openings_is_done(const struct openings *all)
{
	return all->n_busy == 0 && all->asked >= (size_t)all->client->options->requests;
}

const struct openings_counts *openings_counts(const struct openings *all)
{
	return &all->counts;
}

struct samples *openings_latencies(struct openings *all)
{
	return &all->latencies;
}
